/* bfloat16.h: many samples by a layer of bfloat16 weights (../plan.h), which become float32 in registers on their way to FMA: what
 * is read of them is half the bytes however few samples there are. Every element is summed as the matrix tile sums it.
 */
#if NNC_REAL == 32

/* The most samples that go with V vectors of columns: each vector takes a register besides its sums, and two are for the rest. */
#define HALF_ROWS(V) ((NNC_ACC * 4 / 3 - 2) / (V) - 1)

/* Z (R, V vectors) = X (R,k) W (k, V vectors), or += with add. W's rows are w_row bytes apart. */
INLINE void FN(half_tile)(const int R, const int V, long k, const real *x, long x_row, const char *w, long w_row, real *z,
                          long z_row, int add) {
    if (R > HALF_ROWS(V)) return; /* does not fit the registers and is never asked for */
    vec acc[MR][NNC_ROW_VECS], column[NNC_ROW_VECS];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < V; v++) acc[r][v] = add ? v_load(z + r * z_row + v * LANES) : v_zero();
    const real *row[MR / 3]; /* a pointer for three rows: matmul.h */
    UNROLL for (int r = 0; r < R; r += 3) row[r / 3] = x + r * x_row;
    for (; k > 0; k--, w += w_row) {
        FN(row_ask)(V, NNC_BFLOAT16, w + NNC_AHEAD, 0);
        FN(row_weights)(V, NNC_BFLOAT16, w, 0, column);
        UNROLL for (int r = 0; r < R; r++) {
            const vec one = v_set(row[r / 3][r % 3 * x_row]);
            UNROLL for (int v = 0; v < V; v++) acc[r][v] = v_fma(one, column[v], acc[r][v]);
        }
        UNROLL for (int r = 0; r < R; r += 3) row[r / 3]++;
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < V; v++) v_store(z + r * z_row + v * LANES, acc[r][v]);
}

/* The same for m rows, in blocks of equal height. */
INLINE void FN(half_column)(const int V, long m, long k, const real *x, long x_row, const char *w, long w_row, real *z, long z_row,
                            int add) {
    const long fit = HALF_ROWS(V), most = fit < MR ? fit : MR;
    if (most < 1) return; /* never asked for */
    for (long blocks = (m + most - 1) / most; blocks > 0; blocks--) {
        const long rows = (m + blocks - 1) / blocks;
        switch (rows) {
#define HALF_TILE(R)                                                                                                   \
    case R: FN(half_tile)(R, V, k, x, x_row, w, w_row, z, z_row, add); break;
            HALF_TILE(1) HALF_TILE(2) HALF_TILE(3) HALF_TILE(4) HALF_TILE(5) HALF_TILE(6)
        }
        x += rows * x_row;
        z += rows * z_row;
        m -= rows;
    }
}

#define HALF_COLUMN(V)                                                                                                 \
    static __attribute__((noinline)) void FN(half_column_##V)(long m, long k, const real *x, long x_row, const char *w,  \
                                                              long w_row, real *z, long z_row, int add) {              \
        FN(half_column)(V, m, k, x, x_row, w, w_row, z, z_row, add);                                                   \
    }
HALF_COLUMN(2)
HALF_COLUMN(4)
HALF_COLUMN(8)

/* nnc_kernels.bfloat16: few samples leave registers for more columns. */
static void FN(bfloat16)(long m, int vecs, long k, const void *x, long x_row, const char *w, long w_row, void *z_, long z_row,
                         int add) {
    real *z = z_;
    const long rows = m < MR ? m : MR;
    const int most = rows <= HALF_ROWS(8) ? 8 : rows <= HALF_ROWS(4) ? 4 : 2;
    for (int v; vecs > 0; vecs -= v, w += v / 2 * VBYTES, z += v * LANES) {
        v = vecs >= most ? most : vecs >= 4 && most > 4 ? 4 : 2;
        (v == 8 ? FN(half_column_8) : v == 4 ? FN(half_column_4) : FN(half_column_2))(m, k, x, x_row, w, w_row, z, z_row, add);
    }
}
#endif
