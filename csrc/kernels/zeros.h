/* zeros.h: the product with an A that is full of zeros, as it is behind relu, in pixels and in one-hot columns.
 *
 * A row at a time goes through the rows of B that meet something other than zero. That is a load for every multiplication, where
 * the tile of matmul.h has two for three or fewer, and a start and an end for each row and some columns: a multiplication costs up
 * to twice as much, so that half of A must be zeros.
 *
 * The bits are those of the whole product: 0 times a finite number adds +0 or -0, which changes a sum only where it is -0, as it
 * may become by underflow. A sum that ends as -0 is therefore made again in full. (One that was -0 on the way is the product that
 * comes next, rounded, with either sign.)
 */

#define SKIP_VECS 8                   /* vectors of columns that go together: enough to hide the latency of FMA */
#define SKIP_ROWS 192                 /* rows of A that share a piece of B, */
#define SKIP_DEPTH ((VBYTES == 64 ? 24576 : 16384) / (SKIP_VECS * VBYTES)) /* and rows of B in it, so that it stays in L1, */
#define SKIP_MOST 512                 /* or more, up to these, where a row of A would meet few of them */
#define SKIP_MET 16                   /* rows of B that a row of A is to meet in a piece */
#define SKIP_FEW 8                    /* rows of A that share a reading of B so well otherwise that more must be zero */

/* C (rows, V vectors) = A B, or += with add. lists: the columns of A to visit, those of row r from starts[r] to starts[r + 1].
 * Where a sum is -0 the row is left as it is, and its number goes to again; returns how many do. next: 0, or elements from B to the
 * columns that come after these, of which a row of B is asked for with each row of A. */
INLINE int FN(skip_tile)(const int V, long rows, const int32_t *starts, const uint16_t *lists, const real *a, long a_row,
                         const real *b, long b_row, long b_panel, real *c, long c_row, int add, int32_t *again,
                         long depth, long next) {
    const char *panel[SKIP_VECS];
    const long step = b_row * (long)sizeof(real);
    int left = 0;
    UNROLL for (int v = 0; v < V; v += NR_VECS) panel[v / NR_VECS] = (const char *)(b + v / NR_VECS * b_panel);
    for (long r = 0; r < rows; r++, a += a_row, c += c_row) {
        vec acc[SKIP_VECS];
        if (next != 0 && r < depth)
            UNROLL for (int v = 0; v < V; v += 64 / VBYTES)
                __builtin_prefetch(panel[v / NR_VECS] + (next + r * b_row + v % NR_VECS * LANES) * (long)sizeof(real));
        UNROLL for (int v = 0; v < V; v++) acc[v] = add ? v_load(c + v * LANES) : v_zero();
        for (const uint16_t *p = lists + starts[r], *const end = lists + starts[r + 1]; p < end; p++) {
            const vec x = v_set(a[*p]);
            const long at = *p * step;
            UNROLL for (int v = 0; v < V; v++)
                acc[v] = v_fma(x, v_load((const real *)(panel[v / NR_VECS] + at) + v % NR_VECS * LANES), acc[v]);
        }
        ivec minus = i_set(0);
        UNROLL for (int v = 0; v < V; v++) minus |= i_mask(i_of(acc[v]) == i_set(I_SIGN));
        if (FN(any)(minus)) {
            again[left++] = (int32_t)r;
            continue;
        }
        UNROLL for (int v = 0; v < V; v++) v_store(c + v * LANES, acc[v]);
    }
    return left;
}

#define SKIP_ARGUMENTS                                                                                                 \
    long rows, const int32_t *starts, const uint16_t *lists, const real *a, long a_row, const real *b, long b_row,       \
        long b_panel, real *c, long c_row, int add, int32_t *again, long depth, long next
#define SKIP_TILE(V)                                                                                                   \
    static int FN(skip_##V)(SKIP_ARGUMENTS) {                                                                          \
        return FN(skip_tile)(V, rows, starts, lists, a, a_row, b, b_row, b_panel, c, c_row, add, again, depth, next);  \
    }
SKIP_TILE(1) SKIP_TILE(2) SKIP_TILE(3) SKIP_TILE(4) SKIP_TILE(5) SKIP_TILE(6) SKIP_TILE(7) SKIP_TILE(8)
static int (*const FN(skip_tiles)[SKIP_VECS])(SKIP_ARGUMENTS) = {
    FN(skip_1), FN(skip_2), FN(skip_3), FN(skip_4), FN(skip_5), FN(skip_6), FN(skip_7), FN(skip_8)};

/* list = where x (k) is neither +0 nor -0; returns how many. Writes LANES entries beyond. */
INLINE int32_t FN(skip_list)(long k, const real *x, uint16_t *list) {
    int32_t count = 0;
    long p = 0;
#ifdef v_list_nonzero
    for (; p + LANES <= k; p += LANES) count += v_list_nonzero(v_abs(v_load(x + p)), (uint16_t)p, list + count);
#endif
    for (; p < k; p++) {
        list[count] = (uint16_t)p;
        count += x[p] != 0; /* a nan is not */
    }
    return count;
}

/* How many of x (k) are neither +0 nor -0. */
INLINE long FN(skip_count)(long k, const real *x) {
    long count = 0, p = 0;
#ifdef v_count_nonzero
    for (; p + LANES <= k; p += LANES) count += v_count_nonzero(v_abs(v_load(x + p)));
#endif
    for (; p < k; p++) count += x[p] != 0;
    return count;
}

/* matmul with NNC_SKIP_ZEROS */
static void FN(matmul_skipping)(long m, long n, long k, const real *a, long a_row, const real *b, long b_row, long b_panel, real *c,
                                long c_row, int add) {
    uint16_t lists[SKIP_ROWS * SKIP_DEPTH + SKIP_MOST + LANES];
    int32_t starts[SKIP_ROWS + 1], again[SKIP_ROWS];
    const long vecs = (n + LANES - 1) / LANES, groups = (vecs + SKIP_VECS - 1) / SKIP_VECS;
    const long unit = b_panel == NR ? 1 : NR_VECS, wide = ((vecs + groups - 1) / groups + unit - 1) / unit * unit;
    const long met = FN(skip_count)(k, a) + FN(skip_count)(k, a + m / 2 * a_row), reach = 2 * k * SKIP_MET / (met + 1);
    const long most = reach < SKIP_DEPTH ? SKIP_DEPTH : reach > SKIP_MOST ? SKIP_MOST : reach;
    long depth, rows;
    for (long p = 0; p < k; p += depth) {
        depth = k - p < most ? k - p : most;
        for (long i = 0; i < m; i += rows) {
            const real *x = a + i * a_row + p;
            starts[0] = 0;
            for (rows = 0; rows < SKIP_ROWS && rows < m - i && starts[rows] <= SKIP_ROWS * SKIP_DEPTH; rows++)
                starts[rows + 1] = starts[rows] + FN(skip_list)(depth, x + rows * a_row, lists + starts[rows]);
            /* the last columns first: see matmul in nnc.h */
            for (long v = (vecs - 1) / wide * wide; v >= 0; v -= wide) {
                const long V = vecs - v < wide ? vecs - v : wide;
                const real *q = b + p * b_row + v / NR_VECS * b_panel + v % NR_VECS * LANES;
                real *to = c + i * c_row + v * LANES;
                const long next = v > 0 ? -wide * b_panel / NR_VECS : 0;
                const int left = FN(skip_tiles)[V - 1](rows, starts, lists, x, a_row, q, b_row, b_panel, to, c_row, add || p > 0,
                                                       again, depth, next);
                for (int s = 0; s < left; s++)
                    FN(matmul)(1, V * LANES, depth, x + again[s] * a_row, a_row, 1, q, b_row, b_panel, to + again[s] * c_row, c_row,
                               1, add || p > 0 ? NNC_ADD : 0);
            }
        }
    }
}

/* nnc_kernels.skips: looks at a few rows */
static int FN(skips_zeros)(long m, long n, long k, const void *a_, long a_row, int sixteenths) {
    const real *a = a_;
    const long step = m / 8 > 0 ? m / 8 : 1;
    long seen = 0, filled = 0;
    if (m < 2 || n <= 32 || n <= (SKIP_VECS - 2) * LANES || k < 32) return 0;
    for (long i = step / 2; i < m; i += step, seen += k) {
        filled += FN(skip_count)(k, a + i * a_row);
        if (seen > 0 && filled == seen + k) return 0; /* two rows without a zero */
    }
    return filled * 16 < seen * (m < SKIP_FEW ? NNC_HALF / 2 : sixteenths);
}
