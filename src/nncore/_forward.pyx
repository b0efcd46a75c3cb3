"""The forward loop: Y = f(X W + b), layer by layer, for some rows of a batch.

Design:
a) A thread takes its rows through the layers, so that there is nothing to wait for between them, or its columns of large ones:
   _share says which.
b) Bias and activation are applied to a block while it is in cache, straight after its product.
c) How the product is cut is _product's; which way is taken never changes a bit (matmul in nnc.h).
"""

from ._arena cimport Layer, Plan, scratch_of
from ._kernels cimport NNC_HALF, NNC_identity, nnc_kernels, nnc_mix
from ._product cimport cut, skipping, times
from ._share cimport Share, share_out


cdef void forward(Plan *p, const char *x, long x_row, Share *s, bint linked, unsigned long long dropout_key) noexcept nogil:
    # x: IN (s.rows, inputs). layers[i].z, .y, .out: OUT, this thread's share of rows s.first..s.first+s.rows.
    # linked: leave the last layer at z + b, for a loss that contains its activation.
    # dropout_key: 0 outside of training.
    cdef:
        int i
        int activation
        long base = s.first  # the row of the workspace that x begins with
        Layer some
        Layer *l
    for i in range(p.count):
        l = &p.layers[i]
        activation = NNC_identity if linked and i == p.count - 1 else l.activation
        if s.size > 1:  # dropout and a rowwise activation look at whole rows
            l = share_out(s, l, l.inputs, l.dropout > 0 or l.rowwise and activation == l.activation, &some)
        layer_forward(p, l, activation, x + (s.at - base) * x_row * p.size, x_row, s.at, s.count, scratch_of(p, s.thread))
        l = &p.layers[i]
        x, x_row, base = l.y, l.row, 0
        if l.dropout > 0 and dropout_key != 0:
            p.k.dropout(s.count, l.outputs, l.y + s.at * l.row * p.size, l.row, l.out + s.at * l.row * p.size, l.row, l.dropout,
                        nnc_mix(dropout_key + i), s.at)
            x = l.out


cdef void layer_forward(Plan *p, Layer *l, int activation, const char *x, long x_row, long first, long rows,
                        char *scratch) noexcept nogil:
    # Z (m,n) = X (m,k) W (k,n); Y = f(Z + b)
    cdef:
        const nnc_kernels *k = l.k
        long size = p.size, n = l.outputs
        long i, j, height, width, m, columns
        int how = 0
        char *z = l.z + first * l.row * size
        char *y = l.y + first * l.row * size
    if activation == NNC_identity:  # also where a linked loss wants z: it is read from y's place
        z = y
    if l.weight_row == 1:
        k.matvec(rows, l.inputs, x, x_row, l.weight, z, l.row)
        k.forward[activation](rows, 1, z, l.row, l.bias, y, l.row, l.parameter)
        return
    if l.zeros and l.chains == 1:
        how = skipping(k, rows, n, l.inputs, x, x_row, NNC_HALF, l.inputs, n, NULL if p.finite else l.weight, l.weight_row)
    cut(k, rows, n, l.inputs, l.weight_row, l.chains, how, &height, &width)
    for i from 0 <= i < rows by height:
        m = rows - i if rows - i < height else height
        for j from 0 <= j < n by width:
            columns = n - j if n - j < width else width
            times(k, m, columns, l.inputs, x + i * x_row * size, x_row, l.weight + j * size, l.weight_row,
                  z + (i * l.row + j) * size, l.row, l.chains, how, scratch)
            if columns == n or not l.rowwise:
                k.forward[activation](m, columns, z + (i * l.row + j) * size, l.row,
                                      l.bias + j * size if l.bias != NULL else NULL,
                                      y + (i * l.row + j) * size, l.row, l.parameter)
        if width < n and l.rowwise:
            k.forward[activation](m, n, z + i * l.row * size, l.row, l.bias, y + i * l.row * size, l.row, l.parameter)
