"""The update loop: the gradient of every weight and bias, block by block, and the optimizer's step on it at once.

    dW = X' dZ        db = 1' dZ        W, b = step(W, b, dW, db)

Design:
a) A block of gradient lives in the thread's scratch (L1 or nearly) and is consumed there: the gradient as a whole never exists
   unless somebody asks for it, and then the same blocks are copied out.
b) A bias is a weight of an input that is always one.
c) Threads split the rows of W (a block's outputs), never the batch (its contraction). Columns as well were no quicker: what each
   then copies less of dZ, it loses in the optimizer's shorter runs.
d) Where dZ of the whole batch can be packed at once, a block of gradient is some whole rows of W (up to 2,700 wide):
   parameters and slots are then stepped in one run, as the machine's own prefetching likes it. A packed dZ that does not stay in L2 is read anew for every block,
   which then is as large as L2 allows.
e) With one output, X is read as it lies and dZ is broadcast: the same sums, vectors along the inputs.
f) Where X is full of zeros, its columns are copied out as rows, and each meets only what of dZ it must (_product, skipping).
"""

from libc.string cimport memcpy

from ._arena cimport BLOCK, Layer, Plan, gradient_of, scratch_of, strip_of
from ._kernels cimport NNC_SKIP_ZEROS, nnc_kernels
from ._product cimport skipping
from ._share cimport part

cdef enum:
    SMALL = 4096  # parameters of a network that is stepped as a whole
    SPARSE = 6    # sixteenths of X that may be other than zero for it to be copied out and its zeros left out
    WIDE = 256    # columns in a block of gradient whose rows leave zeros out


cdef void update(Plan *p, const char *x, long x_row, long batch, Sink *sink, int thread, int threads) noexcept nogil:
    # x: IN (batch, inputs). layers[i].out and .dz: IN, whole batch.
    cdef:
        int i
        long first, count
        Layer *l
    if threads == 1 and p.length <= SMALL:
        small_update(p, x, x_row, batch, sink)
        return
    for i in range(p.count):
        l = &p.layers[i]
        part(l.inputs, thread, threads, &first, &count)
        layer_update(p, l, x, x_row, batch, sink, first, first + count, thread)
        if l.bias != NULL and thread == threads - 1:
            bias_update(p, l, batch, sink, thread)
        x = l.out
        x_row = l.row


cdef void small_update(Plan *p, const char *x, long x_row, long batch, Sink *sink) noexcept nogil:
    # the gradient of the whole vector, in its order (what a kernel writes beyond a piece, the next one overwrites), and one step
    cdef:
        const nnc_kernels *k
        bint decays = sink.optimizer >= 0 and sink.coef[0] != 0
        int i
        long n
        Layer *l
        char *start = gradient_of(p, 0, p.layers[0].weight)
        char *g = start
    for i in range(p.count):
        l = &p.layers[i]
        k, n = l.k, l.outputs
        if n == 1:
            k.matmul(1, l.inputs, batch, l.dz, 1, l.row, x, x_row, k.nr, g, l.inputs, 1, 0)
        else:
            k.matmul(l.inputs, n, batch, x, 1, x_row, l.dz, l.row, k.nr, g, n, 1, 0)
        if decays:  # of weights, not of biases
            consume(p, sink, g, 0, 1, l.inputs * n, l.offset, 0, 1)
        g += l.inputs * n * p.size
        if l.bias != NULL:
            k.matmul(1, n, batch, p.one, 0, 0, l.dz, l.row, k.nr, g, n, 1, 0)
            if decays:
                consume(p, sink, g, 0, 1, n, l.offset + l.inputs * n, 0, 0)
            g += n * p.size
        x = l.out
        x_row = l.row
    if not decays:
        consume(p, sink, start, 0, 1, p.length, 0, 0, 0)


cdef void layer_update(Plan *p, Layer *l, const char *x, long x_row, long batch, Sink *sink, long first, long last,
                       int thread) noexcept nogil:
    # dW (m,n) = X' (m,k) dZ (k,n): rows first..last of W, n outputs, k samples
    cdef:
        const nnc_kernels *k = l.k
        long size = p.size
        long n = l.outputs
        long i, j, height, width, across, block, a_col, b_row, b_panel, g_row
        const char *a
        const char *b
        char *g
        bint packs_b = batch >= 16 and n > 4 * k.nr and batch <= p.packed // k.nr
        bint packs_a = packs_b and batch >= 64 and x_row * size >= 2048
    if n == 1:
        for i from first <= i < last by BLOCK:
            height = last - i if last - i < BLOCK else BLOCK
            g = gradient_of(p, thread, l.weight + i * size)
            k.matmul(1, height, batch, l.dz, 1, l.row, x + i * size, x_row, k.nr, g, height, 1, 0)
            consume(p, sink, g, 0, 1, height, l.offset + i, 0, 1)
        return
    if l.zeros and 16 <= batch <= p.block // 16 and skipping(k, batch, n, l.inputs, x, x_row, SPARSE, batch, n, l.dz, l.row):
        skipping_update(p, l, x, x_row, batch, sink, first, last, thread)
        return
    across = BLOCK // k.mr // k.nr * k.nr
    if packs_b and p.packed // batch // k.nr * k.nr < across:
        across = p.packed // batch // k.nr * k.nr
    for j from 0 <= j < n by across:
        width = n - j if n - j < across else across
        block = p.block if packs_b and batch * width * size > p.l2 // 2 else BLOCK
        g_row = width + k.nr if width * size % 1024 == 0 else width  # so that its rows do not meet in few sets of the cache
        b, b_row, b_panel = l.dz + j * size, l.row, k.nr
        if packs_b:
            b, b_row, b_panel = scratch_of(p, thread), k.nr, batch * k.nr
            k.pack(batch, width, l.dz + j * size, l.row, <void *>b)
        height = block // g_row // k.mr * k.mr
        if packs_a and height > block // batch:
            height = block // batch // k.mr * k.mr
        if height < k.mr:
            height = k.mr
        for i from first <= i < last by height:
            if i + height > last:
                height = last - i
            a, a_col = x + i * size, x_row
            if packs_a and height * batch <= block:
                a, a_col = strip_of(p, thread), height
                k.copy(batch, height, x + i * size, x_row, <void *>a, height)
            g = gradient_of(p, thread, l.weight + (i * n + j) * size)
            k.matmul(height, width, batch, a, 1, a_col, b, b_row, b_panel, g, g_row, 1, 0)
            consume(p, sink, g, g_row, height, width, l.offset + i * n + j, n, 1)


cdef void skipping_update(Plan *p, Layer *l, const char *x, long x_row, long batch, Sink *sink, long first, long last,
                          int thread) noexcept nogil:
    # layer_update without the zeros of X
    cdef:
        const nnc_kernels *k = l.k
        long i, j, height, width, g_row, size = p.size, n = l.outputs
        char *strip = strip_of(p, thread)
        char *g
    for j from 0 <= j < n by WIDE:
        width = n - j if n - j < WIDE else WIDE
        g_row = (width + k.lanes - 1) // k.lanes * k.lanes  # whole vectors of each row are added to
        height = p.block // (g_row if g_row > batch else batch)
        for i from first <= i < last by height:
            if i + height > last:
                height = last - i
            k.turn(batch, height, x + i * size, x_row, strip, batch)
            g = gradient_of(p, thread, l.weight + (i * n + j) * size)
            k.matmul(height, width, batch, strip, batch, 1, l.dz + j * size, l.row, k.nr, g, g_row, 1, NNC_SKIP_ZEROS)
            consume(p, sink, g, g_row, height, width, l.offset + i * n + j, n, 1)


cdef void bias_update(Plan *p, Layer *l, long batch, Sink *sink, int thread) noexcept nogil:
    # db (1,n) = 1' dZ
    cdef:
        long j, width
        char *g
    for j from 0 <= j < l.outputs by BLOCK:
        width = l.outputs - j if l.outputs - j < BLOCK else BLOCK
        g = gradient_of(p, thread, l.bias + j * p.size)
        l.k.matmul(1, width, batch, p.one, 0, 0, l.dz + j * p.size, l.row, l.k.nr, g, width, 1, 0)
        consume(p, sink, g, 0, 1, width, l.offset + l.inputs * l.outputs + j, 0, 0)


cdef inline void consume(Plan *p, Sink *sink, const char *g, long g_row, long rows, long cols, long offset, long row,
                         int decay) noexcept nogil:
    # The block of gradient g (rows, cols), rows g_row apart, belongs to parameters[offset + i*row + j].
    cdef long i, at = offset * p.size
    if sink.optimizer >= 0:
        p.k.update[sink.optimizer](rows, cols, g, g_row, sink.parameters + at, sink.slot0 + at if sink.slot0 != NULL else NULL,
                                   sink.slot1 + at if sink.slot1 != NULL else NULL, row, sink.coef, decay, &sink.trouble)
    else:
        for i in range(rows):
            memcpy(sink.gradient + at + i * row * p.size, g + i * g_row * p.size, cols * p.size)
