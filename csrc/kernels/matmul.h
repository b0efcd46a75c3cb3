/* matmul.h: the matrix tile, and the block of tiles that loops call.
 *
 * One tile holds R rows x V vectors of C in registers, in S chains of summation, and walks the contraction once. The three
 * products of a training step are this one tile with other strides: X W, dZ W' and X' dZ. Which (R, V, S) is taken never
 * changes a bit of the result: element (i, j) is always the sum over p ascending, in S chains.
 */

#define MR 6
#define NR_VECS (NNC_ACC / MR)
#define NR (NR_VECS * LANES)

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* C (R,V vectors) = A (R,k) B (k,V vectors), or += with add (S == 1 only). */
INLINE void FN(tile)(const int R, const int V, const int S, long k, const real *a, long a_row, long a_col, const real *b,
                     long b_row, real *c, long c_row, int add) {
    if (R * V * S > NNC_ACC) return; /* such a tile does not fit the registers and is never asked for */
    vec acc[4][MR][8]; /* [S][R][V]; constant sizes, or the compiler would keep it in memory */
    UNROLL for (int s = 0; s < S; s++)
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int v = 0; v < V; v++) acc[s][r][v] = add ? v_load(c + r * c_row + v * LANES) : v_zero();
    const real *row[MR];
    UNROLL for (int r = 0; r < R; r++) row[r] = a + r * a_row;
    long p = 0;
    for (; p + S <= k; p += S) {
        UNROLL for (int s = 0; s < S; s++) {
            vec column[8];
            UNROLL for (int v = 0; v < V; v++) column[v] = v_load(b + v * LANES);
            b += b_row;
            UNROLL for (int r = 0; r < R; r++) {
                const vec x = v_set(*row[r]);
                row[r] += a_col;
                UNROLL for (int v = 0; v < V; v++) acc[s][r][v] = v_fma(x, column[v], acc[s][r][v]);
            }
        }
    }
    UNROLL for (int s = 0; s < S - 1; s++) { /* what k leaves over goes to the first chains */
        if (p + s < k) {
            UNROLL for (int r = 0; r < R; r++) {
                const vec x = v_set(row[r][s * a_col]);
                UNROLL for (int v = 0; v < V; v++)
                    acc[s][r][v] = v_fma(x, v_load(b + s * b_row + v * LANES), acc[s][r][v]);
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int v = 0; v < V; v++) {
            vec sum = acc[0][r][v];
            if (S == 2) sum = acc[0][r][v] + acc[1][r][v];
            if (S == 4) sum = (acc[0][r][v] + acc[2][r][v]) + (acc[1][r][v] + acc[3][r][v]);
            v_store(c + r * c_row + v * LANES, sum);
        }
    }
}

/* ---- the tiles as functions, and their table [S: 1 2 4][V: 1 2 3 4 8][R: 1..6] ------------------------------------------ */

#define TILE_ARGUMENTS                                                                                                 \
    long k, const real *a, long a_row, long a_col, const real *b, long b_row, real *c, long c_row, int add
typedef void (*FN(tile_function))(TILE_ARGUMENTS);

#define TILE(R, V, S)                                                                                                  \
    static void FN(tile_##R##_##V##_##S)(TILE_ARGUMENTS) {                                                             \
        FN(tile)(R, V, S, k, a, a_row, a_col, b, b_row, c, c_row, S == 1 ? add : 0);                                  \
    }
#define TILE_ROWS(V, S) TILE(1, V, S) TILE(2, V, S) TILE(3, V, S) TILE(4, V, S) TILE(5, V, S) TILE(6, V, S)
#define TILE_COLUMNS(S) TILE_ROWS(1, S) TILE_ROWS(2, S) TILE_ROWS(3, S) TILE_ROWS(4, S) TILE_ROWS(8, S)
TILE_COLUMNS(1)
TILE_COLUMNS(2)
TILE_COLUMNS(4)

#define NAME(R, V, S) FN(tile_##R##_##V##_##S)
#define NAME_ROWS(V, S) {NAME(1, V, S), NAME(2, V, S), NAME(3, V, S), NAME(4, V, S), NAME(5, V, S), NAME(6, V, S)}
#define NAME_COLUMNS(S) {NAME_ROWS(1, S), NAME_ROWS(2, S), NAME_ROWS(3, S), NAME_ROWS(4, S), NAME_ROWS(8, S)}
static const FN(tile_function) FN(tiles)[3][5][MR] = {NAME_COLUMNS(1), NAME_COLUMNS(2), NAME_COLUMNS(4)};

/* ---- blocks ---------------------------------------------------------------------------------------------------------- */

/* Rows of the tallest tile that is V vectors wide. */
INLINE int FN(most_rows)(int V, int chains) {
    const int fit = NNC_ACC / (chains == 4 ? 4 : chains == 2 ? 2 : 1); /* constants divided by constants */
    const int most = V == 1 ? fit : V == 2 ? fit / 2 : V == 3 ? fit / 3 : V == 4 ? fit / 4 : fit / 8;
    return most < MR ? most : MR;
}

/* m rows in blocks of equal height, `most` at the most: 6 6 6 2 would leave the last one waiting for FMA. */
#define EACH_BLOCK(m, most, rows)                                                                                      \
    for (unsigned blocks_ = ((unsigned)(m) + (most) - 1) / (most), height_ = (unsigned)(m) / blocks_,                  \
                  taller_ = (unsigned)(m) % blocks_, i_ = 0, rows = 0;                                                 \
         i_ < blocks_ && (rows = height_ + (i_ < taller_), 1); i_++)

/* One column of tiles in several chains, one chain after another: the registers hold more rows of one chain than of all. With
 * many loads for a product, as a few rows of a narrow layer have, that is worth a way through memory. */
static __attribute__((noinline)) void FN(column_by_chains)(long m, int V, long k, const real *a, long a_row, long a_col,
                                                           const real *b, long b_row, real *c, long c_row, int chains) {
    real sums[4][MR * NR];
    const long next = MR * NR;
    EACH_BLOCK(m, FN(most_rows)(V, 1), rows) {
        for (int s = 0; s < chains; s++)
            FN(tiles)[0][V - 1][rows - 1]((k - s + chains - 1) / chains, a + s * a_col, a_row, chains * a_col, b + s * b_row,
                                          chains * b_row, sums[s], V * LANES, 0);
        for (unsigned r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) {
                const real *at = sums[0] + (r * V + v) * LANES;
                vec sum = v_load(at) + v_load(at + chains / 2 * next);
                if (chains == 4) sum = sum + (v_load(at + next) + v_load(at + 3 * next));
                v_store(c + r * c_row + v * LANES, sum);
            }
        a += rows * a_row;
        c += rows * c_row;
    }
}

/* One column of tiles: m rows of V vectors. */
INLINE void FN(column)(long m, int V, long k, const real *a, long a_row, long a_col, const real *b, long b_row, real *c,
                       long c_row, int chains, int add) {
    const FN(tile_function) *tile = FN(tiles)[chains / 2][V == 8 ? 4 : V - 1];
    const int most = FN(most_rows)(V, chains);
    if (m <= most) {
        tile[m - 1](k, a, a_row, a_col, b, b_row, c, c_row, add);
        return;
    }
    if (chains > 1 && m >= MR && k >= 8 * chains && FN(most_rows)(V, 1) >= 4 * most) {
        FN(column_by_chains)(m, V, k, a, a_row, a_col, b, b_row, c, c_row, chains);
        return;
    }
    EACH_BLOCK(m, most, rows) {
        tile[rows - 1](k, a, a_row, a_col, b, b_row, c, c_row, add);
        a += rows * a_row;
        c += rows * c_row;
    }
}

static void FN(matmul)(long m, long n, long k, const void *a_, long a_row, long a_col, const void *b_, long b_row,
                       long b_panel, void *c_, long c_row, int chains, int add) {
    const real *a = a_, *b = b_;
    real *c = c_;
    if (m <= 0 || n <= 0) return;
    /* Few rows leave accumulators free for more columns, where B is not packed in narrower panels. */
    int wide = NR_VECS;
    if (b_panel == NR)
        while (wide < 8 && 2 * wide * chains * m <= NNC_ACC) wide *= 2;
    while (wide * chains > NNC_ACC) wide /= 2;
    unsigned vecs = ((unsigned long)n + LANES - 1) / LANES;
    while (vecs > 0) { /* the last columns first: see matmul in nnc.h */
        unsigned v = vecs & (wide - 1); /* wide is a power of two */
        if (v == 0) v = wide;
        else if (v > 4) v -= 4;
        vecs -= v;
        const unsigned long j = (unsigned long)vecs * LANES;
        FN(column)(m, (int)v, k, a, a_row, a_col, b + (long)(j / NR) * b_panel + j % NR, b_row, c + j, c_row, chains, add);
    }
}

static void FN(matvec)(long m, long k, const void *a_, long a_row, const void *b_, void *c_, long c_row) {
    const real *a = a_, *b = b_;
    real *c = c_;
    for (long i = 0; i < m; i++, a += a_row) {
        vec s[SPAN_VECS];
        for (int v = 0; v < SPAN_VECS; v++) s[v] = v_zero();
        long p = 0;
        for (; p + SPAN <= k; p += SPAN)
            for (int v = 0; v < SPAN_VECS; v++) s[v] = v_fma(v_load(a + p + v * LANES), v_load(b + p + v * LANES), s[v]);
        for (int v = 0; v < SPAN_VECS && p < k; v++, p += LANES) {
            const int rest = k - p < LANES ? (int)(k - p) : LANES;
            const vec x = rest < LANES ? v_load_n(a + p, rest) : v_load(a + p);
            const vec w = rest < LANES ? v_load_n(b + p, rest) : v_load(b + p);
            s[v] = v_fma(x, w, s[v]);
        }
        c[i * c_row] = FN(fold)(s);
    }
}
