"""The two products with a layer's weights, X W and dZ W', cut into blocks that suit the caches.

Design:
a) W is copied into panels where enough rows repay it; with fewer it is read as it lies. Rows of W that lie a multiple of 1 KiB
   apart fall into few sets of the cache, and of a W larger than the core's own cache each is a page or more: there the copy
   pays sooner.
b) Read as it lies, a W larger than L1 is taken in slabs of rows: a column of tiles then walks a few pages of memory, not all.
c) A cut contraction goes on where it stopped (matmul's add), so that no way of cutting changes a bit. Layers that sum in
   several chains (nnc.h) are narrow; theirs is neither packed nor cut.
d) What comes in and what relu or dropout hands on may be full of zeros (Layer.zeros): a few rows are looked at, and with enough
   zeros the product leaves them out. Its bits are the same as long as the other factor is finite, which is looked at as well.
"""

from ._arena cimport DEPTH
from ._arrays cimport is_finite
from ._kernels cimport NNC_ADD, NNC_SKIP_ZEROS, nnc_kernels

cdef enum:
    SLAB = 256      # rows of weights read as they lie, at a time
    THIN = 8        # the same where few rows of X meet them: then reading is all there is to it, and pages count most
    FEW = 2         # rows of X that are few
    FEW_FAR = 6     # and where the weights are FAR, which makes the reading longer
    FAR = 8 << 20   # bytes of weights that come from a shared cache or memory, at least
    TALL = 96       # rows of X that go by a packed block at a time, so that both stay in L2


cdef inline void packed_product(const nnc_kernels *k, long rows, long n, long depth, const char *x, long x_row,
                                const char *b, char *z, long z_row, int how) noexcept nogil:
    # Z (rows, n) = X (rows, depth) B, or += with NNC_ADD; B (depth, n) in panels
    cdef:
        long i, size = k.itemsize
    for i from 0 <= i < rows by TALL:
        k.matmul(rows - i if rows - i < TALL else TALL, n, depth, x + i * x_row * size, x_row, 1, b, k.nr, depth * k.nr,
                 z + i * z_row * size, z_row, 1, how)


cdef int skipping(const nnc_kernels *k, long rows, long n, long depth, const char *x, long x_row, int sixteenths, long factor_rows,
                  long factor_cols, const char *factor, long factor_row) noexcept nogil:
    # NNC_SKIP_ZEROS where a product of n columns with X (rows, depth) is quicker without X's zeros (nnc.h, skips), else 0. factor:
    # the other factor as it lies, or NULL where it is known to be finite
    cdef long i
    if factor != NULL and rows < 8:  # a look at it would take longer
        return 0
    if not k.skips(rows, n, depth, x, x_row, sixteenths):
        return 0
    if factor != NULL:
        for i in range(factor_rows):
            if not is_finite(factor + i * factor_row * k.itemsize, factor_cols, k.itemsize):
                return 0
    return NNC_SKIP_ZEROS


cdef void times(const nnc_kernels *k, long rows, long n, long depth, const char *x, long x_row, const char *w, long w_row,
                char *z, long z_row, int chains, int how, char *scratch) noexcept nogil:
    # Z (rows, n): OUT = X (rows, depth) W (depth, n)
    cdef:
        long size = k.itemsize
        long j, q, block, height, width
    if not packs(k, rows, n, depth, w_row, chains, how):
        block = depth
        if chains == 1 and n * depth * size > IN_L1 and how == 0:
            block = THIN if rows <= (FEW_FAR if n * depth * size > FAR else FEW) else SLAB
        for q from 0 <= q < depth by block:
            height = depth - q if depth - q < block else block
            k.matmul(rows, n, height, x + q * size, x_row, 1, w + q * w_row * size, w_row, k.nr, z, z_row, chains,
                     how | (NNC_ADD if q > 0 else 0))
        return
    block = block_columns(k, n, depth)
    for j from 0 <= j < n by block:
        width = n - j if n - j < block else block
        for q from 0 <= q < depth by DEPTH:
            height = depth - q if depth - q < DEPTH else DEPTH
            k.pack(height, width, w + (q * w_row + j) * size, w_row, scratch)
            packed_product(k, rows, width, height, x + q * size, x_row, scratch, z + j * size, z_row,
                           how | (NNC_ADD if q > 0 else 0))


cdef void times_transposed(const nnc_kernels *k, long rows, long n, long depth, const char *dz, long dz_row,
                           const char *w, long w_row, char *dx, long dx_row, int how, char *scratch) noexcept nogil:
    # dX (rows, n): OUT = dZ (rows, depth) W', W (n, depth). The tile reads W' without a stride, so it is
    # packed; not for one row, unless W's rows fall into few sets of the cache.
    cdef:
        long size = k.itemsize
        long j, q, block, height, width
    if depth == 1:  # W' is W as it lies
        k.matmul(rows, n, 1, dz, dz_row, 1, w, n, k.nr, dx, dx_row, 1, 0)
        return
    if rows == 1 and w_row * size % 1024 != 0:
        k.matvec_t(n, depth, dz, w, w_row, dx)
        return
    block = block_columns(k, n, depth)
    for j from 0 <= j < n by block:
        width = n - j if n - j < block else block
        for q from 0 <= q < depth by DEPTH:
            height = depth - q if depth - q < DEPTH else DEPTH
            k.pack_t(height, width, w + (j * w_row + q) * size, w_row, scratch)
            packed_product(k, rows, width, height, dz + q * size, dz_row, scratch, dx + j * size, dx_row,
                           how | (NNC_ADD if q > 0 else 0))
