"""The backpropagation loop: from the loss to the gradient of every layer's z, for some rows of a batch.

    dX = dZ W'        dZ below = dX * f'(below)

Design:
a) A thread takes its rows, or its columns of large layers, as in the forward loop.
b) W' is packed block by block, transposed: the tile then reads it without a stride, vectors along the inputs. For one row
   _product leaves the copy out where it can.
c) The derivative is applied to a block while it is in cache. A loss with a link (softmax with cross entropy) gives dz at once.
"""

from libc.string cimport memset

from ._arena cimport Layer, Plan, scratch_of
from ._kernels cimport NNC_HALF, nnc_kernels, nnc_makes_zeros, nnc_mix
from ._product cimport block_columns, skipping, times_transposed
from ._share cimport Share, share_out


cdef void weigh(Plan *p, const Layer *l, char *dz, long first, long rows) noexcept nogil:
    # row_loss (first..first+rows) and these rows of dz (at the first of them, or NULL) times row_weight; what counts for nothing
    # does so even where its loss is infinite
    cdef:
        long i, k
        double weight
    for i in range(rows):
        weight = p.row_weight[first + i]
        if weight == 0:
            p.row_loss[first + i] = 0
            if dz != NULL:
                memset(dz + i * l.row * p.size, 0, l.outputs * p.size)
            continue
        p.row_loss[first + i] *= weight
        if dz != NULL:
            for k in range(l.outputs):
                if p.size == 4:
                    (<float *>dz)[i * l.row + k] *= <float>weight
                else:
                    (<double *>dz)[i * l.row + k] *= weight


cdef void output_gradient(Plan *p, Share *s, double scale, bint weighted) noexcept nogil:
    # row_loss: OUT (rows,), of this thread's rows. The last layer's dz: OUT = scale * dL/dz, in an arena for training. weighted: times
    # row_weight, both.
    cdef:
        Layer *l = &p.layers[p.count - 1]
        const nnc_kernels *k = l.k
        long first, rows, at
        char *dz = NULL
    if s.size > 1:
        share_out(s, l, 0, True, NULL)
    first, rows, at = s.at, s.count, s.at * l.row * p.size
    if l.dz != NULL:
        dz = l.dz + at
    k.loss[p.loss](rows, l.outputs, l.y + at, l.row, p.t + first * p.t_row * p.size, p.t_row, dz, l.row, scale,
                   p.row_loss + first)
    if dz != NULL and not p.linked:
        k.backward[l.activation](rows, l.outputs, dz, l.row, (l.z if l.reads_input else l.y) + at, l.row, l.parameter)
    if weighted:
        weigh(p, l, dz, first, rows)


cdef void backward(Plan *p, Share *s, unsigned long long dropout_key) noexcept nogil:
    # layers[i].dz: OUT for all layers but the last, whose dz is IN; this thread's share
    cdef:
        int i
        bint masked
        Layer some
        Layer *below
    for i in range(p.count - 1, 0, -1):
        below = &p.layers[i - 1]
        masked = dropout_key != 0 and below.dropout > 0  # dropout looks at whole rows
        if s.size > 1:
            below = share_out(s, below, p.layers[i].outputs, masked, &some)
        layer_backward(p, &p.layers[i], below, s.at, s.count, nnc_mix(dropout_key + i - 1) if masked else 0,
                       scratch_of(p, s.thread))


cdef void layer_backward(Plan *p, Layer *l, Layer *below, long first, long rows, unsigned long long key,
                         char *scratch) noexcept nogil:
    # dX (m,n) = dZ (m,k) W' (k,n), n inputs and k outputs of this layer; then times f' of the layer below. key: of the dropout
    # there, or 0
    cdef:
        const nnc_kernels *k = below.k
        long size = p.size
        long n = below.outputs, depth = l.outputs
        long j, width, columns
        int how = 0
        const char *dz = l.dz + first * l.row * size
        char *dx = below.dz + first * below.row * size
        const char *saved = (below.z if below.reads_input else below.y) + first * below.row * size
    if nnc_makes_zeros(l.activation):  # where it made them, its derivative does
        how = skipping(k, rows, n, depth, dz, l.row, NNC_HALF, n, depth,
                       NULL if p.finite else l.weight + below.column * depth * size, depth)
    width = block_columns(k, n, depth)
    for j from 0 <= j < n by width:
        columns = n - j if n - j < width else width
        if l.inputs == 1:  # a plain column: nothing may be written beyond it, for other threads have their rows there
            k.matvec(rows, depth, dz, l.row, l.weight, dx, below.row)
        else:
            times_transposed(k, rows, columns, depth, dz, l.row, l.weight + (below.column + j) * depth * size, depth,
                             dx + j * size, below.row, how, scratch)
        if key == 0:
            k.backward[below.activation](rows, columns, dx + j * size, below.row, saved + j * size, below.row, below.parameter)
    if key != 0:  # dropout's mask counts columns from the row's start
        k.dropout(rows, n, dx, below.row, dx, below.row, below.dropout, key, first)
        k.backward[below.activation](rows, n, dx, below.row, saved, below.row, below.parameter)
