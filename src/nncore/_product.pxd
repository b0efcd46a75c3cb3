from ._arena cimport DEPTH, PACKED
from ._kernels cimport nnc_kernels

cdef enum:
    IN_L1 = 24576        # bytes of weights that stay in L1 while rows go by, at most
    BEYOND_L2 = 1 << 20  # bytes of weights that come from beyond L2, at least
    Z_BLOCK = 3072       # elements of Z that stay in L1 until the epilogue has read them


cdef inline bint packs(const nnc_kernels *k, long rows, long n, long depth, long w_row, int chains, int how) noexcept nogil:
    # whether X (rows, depth) W (depth, n) repays a copy of W into panels; with zeros left out, little of W is read
    cdef bint soon = w_row * k.itemsize % 1024 == 0 or n * depth * k.itemsize > BEYOND_L2
    return n > 32 and chains == 1 and rows >= (16 if soon else 48) and n * depth * k.itemsize > IN_L1 and (soon or how == 0)


cdef inline long block_columns(const nnc_kernels *k, long n, long depth) noexcept nogil:
    # columns of a packed block of W or W', of n in all
    cdef long height = depth if depth < DEPTH else DEPTH
    return n if (n + k.nr) * height <= PACKED else PACKED // height // k.nr * k.nr


cdef inline void cut(const nnc_kernels *k, long rows, long n, long depth, long w_row, int chains, int how, long *height,
                     long *width) noexcept nogil:
    # the block (height, width) of Z (rows, n) = X W that is best finished, epilogue and all, before the next is begun
    height[0], width[0] = rows, n
    if packs(k, rows, n, depth, w_row, chains, how):
        width[0] = block_columns(k, n, depth)
    elif rows * n > Z_BLOCK and n * depth * k.itemsize <= IN_L1:
        height[0] = Z_BLOCK // n // k.mr * k.mr
        if height[0] < k.mr:
            height[0] = k.mr


cdef int skipping(const nnc_kernels *k, long rows, long n, long depth, const char *x, long x_row, int sixteenths, long factor_rows,
                  long factor_cols, const char *factor, long factor_row) noexcept nogil
# how: what `skipping` says, or 0
cdef void times(const nnc_kernels *k, long rows, long n, long depth, const char *x, long x_row, const char *w, long w_row,
                char *z, long z_row, int chains, int how, char *scratch) noexcept nogil
cdef void times_transposed(const nnc_kernels *k, long rows, long n, long depth, const char *dz, long dz_row,
                           const char *w, long w_row, char *dx, long dx_row, int how, char *scratch) noexcept nogil
