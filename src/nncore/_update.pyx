"""The update loop: the gradient of every weight and bias, block by block, and the optimizer's step on it at once.

    dW = X' dZ        db = 1' dZ        W, b = step(W, b, dW, db)

Design:
a) A block of gradient lives in the thread's scratch (L1 or nearly) and is consumed there: the gradient as a whole never exists
   unless somebody asks for it, and then the same blocks are copied out.
b) A bias is a weight of an input that is always one.
c) Threads split the rows of W (a block's outputs), never the batch (its contraction).
d) With one output, X is read as it lies and dZ is broadcast: the same sums, vectors along the inputs.
"""

from libc.string cimport memcpy

from ._arena cimport GRADIENT, PACKED, Layer, Plan, gradient_of, scratch_of
from ._kernels cimport nnc_kernels


cdef void update(Plan *p, const char *x, long x_row, long batch, Sink *sink, int thread, int threads) noexcept nogil:
    # x: IN (batch, inputs). layers[i].out and .dz: IN, whole batch.
    cdef:
        int i
        Layer *l
    for i in range(p.count):
        l = &p.layers[i]
        layer_update(p, l, x, x_row, batch, sink, l.inputs * thread // threads, l.inputs * (thread + 1) // threads, thread)
        if l.bias != NULL and thread == threads - 1:
            bias_update(p, l, batch, sink, thread)
        x = l.out
        x_row = l.row


cdef void layer_update(Plan *p, Layer *l, const char *x, long x_row, long batch, Sink *sink, long first, long last,
                       int thread) noexcept nogil:
    # dW (m,n) = X' (m,k) dZ (k,n): rows first..last of W, n outputs, k samples
    cdef:
        const nnc_kernels *k = p.k
        long size = p.size
        long n = l.outputs
        long i, j, height, width, block, b_row = l.row, b_panel = k.nr
        const char *b
        char *g = gradient_of(p, thread)
        bint packs = batch >= 16 and n > 4 * k.nr and batch <= PACKED // k.nr
    if n == 1:
        for i from first <= i < last by GRADIENT:
            height = last - i if last - i < GRADIENT else GRADIENT
            k.matmul(1, height, batch, l.dz, 1, l.row, x + i * size, x_row, k.nr, g, height, 1, 0)
            consume(p, sink, 1, height, l.offset + i, height, 1, thread)
        return
    block = GRADIENT // k.mr // k.nr * k.nr
    if packs and PACKED // batch // k.nr * k.nr < block:
        block = PACKED // batch // k.nr * k.nr
    for j from 0 <= j < n by block:
        width = n - j if n - j < block else block
        b = l.dz + j * size
        if packs:
            b = scratch_of(p, thread)
            b_row = k.nr
            b_panel = batch * k.nr
            k.pack(batch, width, l.dz + j * size, l.row, <void *>b)
        height = GRADIENT // width // k.mr * k.mr
        if height < k.mr:
            height = k.mr
        for i from first <= i < last by height:
            if i + height > last:
                height = last - i
            k.matmul(height, width, batch, x + i * size, 1, x_row, b, b_row, b_panel, g, width, 1, 0)
            consume(p, sink, height, width, l.offset + i * n + j, n, 1, thread)


cdef void bias_update(Plan *p, Layer *l, long batch, Sink *sink, int thread) noexcept nogil:
    # db (1,n) = 1' dZ
    cdef long j, width
    for j from 0 <= j < l.outputs by GRADIENT:
        width = l.outputs - j if l.outputs - j < GRADIENT else GRADIENT
        p.k.matmul(1, width, batch, p.one, 0, 0, l.dz + j * p.size, l.row, p.k.nr, gradient_of(p, thread), width, 1, 0)
        consume(p, sink, 1, width, l.offset + l.inputs * l.outputs + j, width, 0, thread)


cdef inline void consume(Plan *p, Sink *sink, long rows, long cols, long offset, long row, int decay,
                         int thread) noexcept nogil:
    # The block of gradient (rows, cols) in scratch belongs to parameters[offset + i*row + j].
    cdef:
        char *g = gradient_of(p, thread)
        long i, at = offset * p.size
    if sink.optimizer >= 0:
        p.k.update[sink.optimizer](rows, cols, g, cols, sink.parameters + at, sink.slot0 + at if sink.slot0 != NULL else NULL,
                                   sink.slot1 + at if sink.slot1 != NULL else NULL, row, sink.coef, decay, &sink.trouble)
    else:
        for i in range(rows):
            memcpy(sink.gradient + at + i * row * p.size, g + i * cols * p.size, cols * p.size)
