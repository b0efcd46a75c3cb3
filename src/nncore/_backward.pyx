"""The backpropagation loop: from the loss to the gradient of every layer's z, for some rows of a batch.

    dX = dZ W'        dZ below = dX * f'(below)

Design:
a) A thread takes its rows through all layers, as in the forward loop.
b) W' is packed block by block, transposed: the tile then reads it without a stride, vectors along the inputs. For one row
   _product leaves the copy out where it can.
c) The derivative is applied to a block while it is in cache. A loss with a link (softmax with cross entropy) gives dz at once.
"""

from ._arena cimport Layer, Plan, scratch_of
from ._kernels cimport nnc_kernels, nnc_mix
from ._product cimport block_columns, times_transposed


cdef void output_gradient(Plan *p, long first, long rows, double scale, bint wanted) noexcept nogil:
    # row_loss: OUT (rows,). The last layer's dz: OUT = scale * dL/dz, if wanted.
    cdef:
        Layer *l = &p.layers[p.count - 1]
        const nnc_kernels *k = l.k
        long at = first * l.row * p.size
        char *dz = l.dz + at if wanted else NULL
    k.loss[p.loss](rows, l.outputs, l.y + at, l.row, p.t + first * p.t_row * p.size, p.t_row, dz, l.row, scale,
                   p.row_loss + first)
    if wanted and not p.linked:
        k.backward[l.activation](rows, l.outputs, dz, l.row, (l.z if l.reads_input else l.y) + at, l.row, l.parameter)


cdef void backward(Plan *p, long first, long rows, unsigned long long dropout_key, int thread) noexcept nogil:
    # layers[i].dz: OUT for all layers but the last, whose dz is IN
    cdef int i
    for i in range(p.count - 1, 0, -1):
        layer_backward(p, &p.layers[i], &p.layers[i - 1], first, rows,
                       nnc_mix(dropout_key + i - 1) if dropout_key != 0 else 0, scratch_of(p, thread))


cdef void layer_backward(Plan *p, Layer *l, Layer *below, long first, long rows, unsigned long long key,
                         char *scratch) noexcept nogil:
    # dX (m,n) = dZ (m,k) W' (k,n), n inputs and k outputs of this layer; then times f' of the layer below
    cdef:
        const nnc_kernels *k = below.k
        long size = p.size
        long n = l.inputs, depth = l.outputs
        long j, width, columns
        bint masked = key != 0 and below.dropout > 0
        const char *dz = l.dz + first * l.row * size
        char *dx = below.dz + first * below.row * size
        const char *saved = (below.z if below.reads_input else below.y) + first * below.row * size
    width = block_columns(k, n, depth)
    for j from 0 <= j < n by width:
        columns = n - j if n - j < width else width
        times_transposed(k, rows, columns, depth, dz, l.row, l.weight + j * depth * size, depth, dx + j * size, below.row, scratch)
        if not masked:
            k.backward[below.activation](rows, columns, dx + j * size, below.row, saved + j * size, below.row, below.parameter)
    if masked:  # dropout's mask counts columns from the row's start
        k.dropout(rows, n, dx, below.row, dx, below.row, below.dropout, key, first)
        k.backward[below.activation](rows, n, dx, below.row, saved, below.row, below.parameter)
