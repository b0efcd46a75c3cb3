"""The forward loop: Y = f(X W + b), layer by layer, for some rows of a batch.

Design:
a) A thread takes its rows through all layers, so there is nothing to wait for between them.
b) Bias and activation are applied to a block while it is in cache, straight after its product.
c) How the product is cut is _product's; which way is taken never changes a bit (matmul in nnc.h).
"""

from ._arena cimport Layer, Plan, scratch_of
from ._kernels cimport NNC_identity, nnc_kernels, nnc_mix
from ._product cimport cut, times


cdef void forward(Plan *p, const char *x, long x_row, long first, long rows, bint linked, unsigned long long dropout_key,
                  int thread) noexcept nogil:
    # x: IN (rows, inputs), row `first` of the batch on. layers[i].z, .y, .out: OUT, rows first..first+rows.
    # linked: leave the last layer at z + b, for a loss that contains its activation.
    # dropout_key: 0 outside of training.
    cdef:
        int i
        int activation
        Layer *l
    for i in range(p.count):
        l = &p.layers[i]
        activation = NNC_identity if linked and i == p.count - 1 else l.activation
        layer_forward(p, l, activation, x, x_row, first, rows, scratch_of(p, thread))
        x = l.y + first * l.row * p.size
        x_row = l.row
        if l.dropout > 0 and dropout_key != 0:
            p.k.dropout(rows, l.outputs, x, x_row, l.out + first * l.row * p.size, l.row, l.dropout,
                        nnc_mix(dropout_key + i), first)
            x = l.out + first * l.row * p.size


cdef void layer_forward(Plan *p, Layer *l, int activation, const char *x, long x_row, long first, long rows,
                        char *scratch) noexcept nogil:
    # Z (m,n) = X (m,k) W (k,n); Y = f(Z + b)
    cdef:
        const nnc_kernels *k = l.k
        long size = p.size, n = l.outputs
        long i, j, height, width, m, columns
        char *z = l.z + first * l.row * size
        char *y = l.y + first * l.row * size
    if activation == NNC_identity:  # also where a linked loss wants z: it is read from y's place
        z = y
    if n == 1:
        k.matvec(rows, l.inputs, x, x_row, l.weight, z, l.row)
        k.forward[activation](rows, 1, z, l.row, l.bias, y, l.row, l.parameter)
        return
    cut(k, rows, n, l.inputs, &height, &width)
    for i from 0 <= i < rows by height:
        m = rows - i if rows - i < height else height
        for j from 0 <= j < n by width:
            columns = n - j if n - j < width else width
            times(k, m, columns, l.inputs, x + i * x_row * size, x_row, l.weight + j * size, n,
                  z + (i * l.row + j) * size, l.row, l.chains, scratch)
            if columns == n or not l.rowwise:
                k.forward[activation](m, columns, z + (i * l.row + j) * size, l.row,
                                      l.bias + j * size if l.bias != NULL else NULL,
                                      y + (i * l.row + j) * size, l.row, l.parameter)
        if width < n and l.rowwise:
            k.forward[activation](m, n, z + i * l.row * size, l.row, l.bias, y + i * l.row * size, l.row, l.parameter)
