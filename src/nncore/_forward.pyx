"""The forward loop: Y = f(X W + b), layer by layer, for some rows of a batch.

Design:
a) A thread takes its rows through all layers, so there is nothing to wait for between them.
b) Bias and activation are applied to a block while it is in cache, straight after its product.
c) W is read as it lies unless it is larger than L1 and there are rows enough to repay a copy into panels.
d) Which way is taken never changes a bit: see "One order of summation" in nnc.h (matmul).
"""

from ._arena cimport DEPTH, PACKED, Layer, Plan, scratch_of
from ._kernels cimport NNC_identity, nnc_kernels, nnc_mix


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
        const nnc_kernels *k = p.k
        long size = p.size
        long n = l.outputs, depth = l.inputs
        long i, j, q, block, height, width
        char *z = l.z + first * l.row * size
        char *y = l.y + first * l.row * size
    if activation == NNC_identity:  # also where a linked loss wants z: it is read from y's place
        z = y
    if n == 1:
        k.matvec(rows, depth, x, x_row, l.weight, z, l.row)
        k.forward[activation](rows, 1, z, l.row, l.bias, y, l.row, l.parameter)
    elif packing_pays(rows, n, depth, size):
        height = depth if depth < DEPTH else DEPTH
        block = PACKED // height // k.nr * k.nr
        for j from 0 <= j < n by block:
            width = n - j if n - j < block else block
            for q from 0 <= q < depth by DEPTH:
                height = depth - q if depth - q < DEPTH else DEPTH
                k.pack(height, width, l.weight + (q * n + j) * size, n, scratch)
                k.matmul(rows, width, height, x + q * size, x_row, 1, scratch, k.nr, height * k.nr,
                         z + j * size, l.row, 1, q > 0)
            if not l.rowwise:
                k.forward[activation](rows, width, z + j * size, l.row, l.bias + j * size if l.bias != NULL else NULL,
                                      y + j * size, l.row, l.parameter)
        if l.rowwise:
            k.forward[activation](rows, n, z, l.row, l.bias, y, l.row, l.parameter)
    else:
        block = 6144 // n // k.mr * k.mr  # rows whose z stays in L1 until the activation has read it
        if block < k.mr:
            block = k.mr
        for i from 0 <= i < rows by block:
            height = rows - i if rows - i < block else block
            k.matmul(height, n, depth, x + i * x_row * size, x_row, 1, l.weight, n, k.nr,
                     z + i * l.row * size, l.row, l.chains, 0)
            k.forward[activation](height, n, z + i * l.row * size, l.row, l.bias,
                                  y + i * l.row * size, l.row, l.parameter)


cdef inline bint packing_pays(long rows, long n, long depth, long size) noexcept nogil:
    # n > 32: narrower layers sum in several chains, which a cut contraction could not continue
    return n > 32 and rows >= 24 and n * depth * size > 32768
