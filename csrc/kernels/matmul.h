/* matmul.h: the matrix tile, and the block of tiles that loops call.
 *
 * One tile holds R rows x V vectors of C in registers, in S chains of summation, and walks the contraction once. The three
 * products of a training step are this one tile with other strides: X W, dZ W' and X' dZ. Which (R, V, S) is taken never
 * changes a bit of the result: element (i, j) is always the sum over p ascending, in S chains.
 */

#define MR 6
#define NR_VECS (NNC_ACC / MR)
#define NR (NR_VECS * LANES)

/* C (R,V vectors) = A (R,k) B (k,V vectors), or += with add (S == 1 only). B's panels of NR columns are b_panel apart. every: 0, or
 * the steps after which another line of `ahead` is asked for, into L2: one by one, for many at once would wait for each other. */
#define PANEL(v) ((v) / NR_VECS * b_panel + (v) % NR_VECS * LANES)
INLINE void FN(tile)(const int R, const int V, const int S, long k, const real *a, long a_row, long a_col, const real *b,
                     long b_row, long b_panel, real *c, long c_row, int add, long every, const char *ahead) {
    if (R * V * S > NNC_ACC) return; /* such a tile does not fit the registers and is never asked for */
    vec acc[4][MR][8]; /* [S][R][V]; constant sizes, or the compiler would keep it in memory */
    UNROLL for (int s = 0; s < S; s++)
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int v = 0; v < V; v++) acc[s][r][v] = add ? v_load(c + r * c_row + v * LANES) : v_zero();
    /* A pointer for three rows, which x86 reaches by an index times 0, 1 and 2: six pointers would be as many additions. */
    const char *row[MR / 3], *q = (const char *)b;
    const long size = sizeof(real), next_row = a_row * size, a_step = a_col * size, b_step = b_row * size, rest = k % S;
    UNROLL for (int r = 0; r < R; r += 3) row[r / 3] = (const char *)(a + r * a_row);
#define ROW(r) (*(const real *)(row[(r) / 3] + (r) % 3 * next_row))
    for (long left = k / S, turns; left > 0; left -= turns) {
        turns = left;
        if (every > 0) {
            __builtin_prefetch(ahead, 0, 2);
            ahead += 64;
            turns = left < every ? left : every;
        }
        for (long p = turns; p > 0; p--) {
            UNROLL for (int s = 0; s < S; s++) {
                vec column[8];
                UNROLL for (int v = 0; v < V; v++) column[v] = v_load((const real *)q + PANEL(v));
                UNROLL for (int r = 0; r < R; r++) {
                    const vec x = v_set(ROW(r));
                    UNROLL for (int v = 0; v < V; v++) acc[s][r][v] = v_fma(x, column[v], acc[s][r][v]);
                }
                q += b_step;
                UNROLL for (int r = 0; r < R; r += 3) row[r / 3] += a_step;
            }
        }
    }
    UNROLL for (int s = 0; s < S - 1; s++) { /* what k leaves over goes to the first chains */
        if (s < rest) {
            UNROLL for (int r = 0; r < R; r++) {
                const vec x = v_set(ROW(r));
                UNROLL for (int v = 0; v < V; v++) acc[s][r][v] = v_fma(x, v_load((const real *)q + PANEL(v)), acc[s][r][v]);
            }
            q += b_step;
            UNROLL for (int r = 0; r < R; r += 3) row[r / 3] += a_step;
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

/* ---- columns of tiles as functions, and their table [S: 1 2 4][V: 1 2 3 4 8] --------------------------------------------- */

/* C (m,V vectors) = A (m,k) B (k,V vectors): m rows in blocks of equal height, for 6 6 6 2 would leave the last one waiting for
 * FMA. With asks, the blocks ask for the panel at `next` between them, which is as large as this one. */
#define COLUMN_ARGUMENTS                                                                                               \
    long m, long k, const real *a, long a_row, long a_col, const real *b, long b_row, long b_panel, real *c,           \
        long c_row, int add, const real *next
typedef void (*FN(column_function))(COLUMN_ARGUMENTS);

INLINE void FN(column)(const int V, const int S, const int asks, COLUMN_ARGUMENTS) {
    const unsigned fit = NNC_ACC / (V * S), most = fit < MR ? fit : MR;
    if (most == 0) return; /* never asked for */
    unsigned rows = (unsigned)m, taller = 1;
    if (rows > most) {
        const unsigned blocks = (rows + most - 1) / most;
        taller = rows % blocks; /* of them have a row more; if none has, all are alike */
        rows = rows / blocks + (taller > 0);
        if (taller == 0) taller = blocks;
    }
    const long line = 64 / sizeof(real), even = (m + most - 1) / most * line / NR, every = !asks ? 0 : even < 4 ? 4 : even;
    while (m > 0) {
        switch (rows) {
#define TILE(R)                                                                                                        \
    case R:                                                                                                            \
        FN(tile)(R, V, S, k, a, a_row, a_col, b, b_row, b_panel, c, c_row, S == 1 ? add : 0, every, (const char *)next); \
        break;
            TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
        }
        a += rows * a_row;
        c += rows * c_row;
        m -= rows;
        if (asks) next += (k + every - 1) / every * line;
        if (--taller == 0) rows--;
    }
}

#define VECTORS(V, S)                                                                                                 \
    static void FN(column_##V##_##S)(COLUMN_ARGUMENTS) {                                                               \
        FN(column)(V, S, 0, m, k, a, a_row, a_col, b, b_row, b_panel, c, c_row, add, next);                            \
    }
#define COLUMNS(S) VECTORS(1, S) VECTORS(2, S) VECTORS(3, S) VECTORS(4, S) VECTORS(8, S)
COLUMNS(1)
COLUMNS(2)
COLUMNS(4)

static void FN(column_asking)(COLUMN_ARGUMENTS) {
    FN(column)(NR_VECS, 1, 1, m, k, a, a_row, a_col, b, b_row, b_panel, c, c_row, add, next);
}

#define NAME(V, S) FN(column_##V##_##S)
#define NAMES(S) {NAME(1, S), NAME(2, S), NAME(3, S), NAME(4, S), NAME(8, S)}
static const FN(column_function) FN(columns)[3][5] = {NAMES(1), NAMES(2), NAMES(4)};
INLINE FN(column_function) FN(column_of)(int V, int chains) { return FN(columns)[chains / 2][V == 8 ? 4 : V - 1]; }

/* ---- blocks ---------------------------------------------------------------------------------------------------------- */

/* A column in several chains, one chain after another: the registers hold more rows of one chain than of all. With many loads for
 * a product, as a few rows of a narrow layer have, that is worth a way through memory. */
static __attribute__((noinline)) void FN(column_by_chains)(int V, int chains, long m, long k, const real *a, long a_row,
                                                           long a_col, const real *b, long b_row, long b_panel, real *c,
                                                           long c_row) {
    real sums[4][2 * MR * NR];
    const long next = 2 * MR * NR;
    for (long rows; m > 0; m -= rows, a += rows * a_row, c += rows * c_row) {
        rows = m < 2 * MR ? m : 2 * MR;
        for (int s = 0; s < chains; s++)
            FN(column_of)(V, 1)(rows, (k - s + chains - 1) / chains, a + s * a_col, a_row, chains * a_col, b + s * b_row,
                                chains * b_row, b_panel, sums[s], V * LANES, 0, NULL);
        for (long r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) {
                const real *at = sums[0] + (r * V + v) * LANES;
                vec sum = v_load(at) + v_load(at + chains / 2 * next);
                if (chains == 4) sum = sum + (v_load(at + next) + v_load(at + 3 * next));
                v_store(c + r * c_row + v * LANES, sum);
            }
    }
}

/* C (m,n) = a b: a contraction of one, as the gradient of one sample is. V: vectors of b that stay in registers, or 0. */
INLINE void FN(outer)(const int V, long m, long n, const real *a, long a_row, const real *b, long b_panel, real *c,
                      long c_row) {
    vec column[4];
    UNROLL for (int v = 0; v < V; v++) column[v] = v_load(b + PANEL(v));
    for (long i = 0; i < m; i++, c += c_row) {
        const vec x = v_set(a[i * a_row]);
        UNROLL for (int v = 0; v < V; v++) v_store(c + v * LANES, v_fma(x, column[v], v_zero()));
        if (V == 0)
            for (long j = 0; j < n; j += LANES)
                v_store(c + j, v_fma(x, v_load(b_panel == NR ? b + j : b + j / NR * b_panel + j % NR), v_zero()));
    }
}

static __attribute__((noinline)) void FN(outer_product)(long m, long n, const real *a, long a_row, const real *b, long b_panel,
                                                        real *c, long c_row) {
    switch ((n + LANES - 1) / LANES) {
#define OUTER(V) FN(outer)(V, m, n, a, a_row, b, b_panel, c, c_row)
    case 1: OUTER(1); break;
    case 2: OUTER(2); break;
    case 3: OUTER(3); break;
    case 4: OUTER(4); break;
    default: OUTER(0);
    }
}

static void FN(matmul_skipping)(long m, long n, long k, const real *a, long a_row, const real *b, long b_row, long b_panel, real *c,
                                long c_row, int add);

static void FN(matmul)(long m, long n, long k, const void *a_, long a_row, long a_col, const void *b_, long b_row,
                       long b_panel, void *c_, long c_row, int chains, int how) {
    const int add = how & NNC_ADD;
    const real *a = a_, *b = b_;
    real *c = c_;
    if (m <= 0 || n <= 0) return;
    if (how & NNC_SKIP_ZEROS && k > 0) {
        FN(matmul_skipping)(m, n, k, a, a_row, b, b_row, b_panel, c, c_row, add);
        return;
    }
    if (k == 1 && chains == 1 && !add) {
        FN(outer_product)(m, n, a, a_row, b, b_panel, c, c_row);
        return;
    }
#if TWO_OUTPUTS
    if (n == 2 && chains == 4 && b_row == 2 && a_col == 1) {
        FN(two_outputs)(m, k, a, a_row, b, c, c_row);
        return;
    }
#endif
    if (n <= LANES) { /* no question how to divide it */
        FN(column_of)(1, chains)(m, k, a, a_row, a_col, b, b_row, b_panel, c, c_row, add, NULL);
        return;
    }
#ifdef NNC_NARROWER
    const long rest = n % LANES; /* a last vector that is half empty at least */
    if (rest > 0 && rest <= LANES / 2 && nnc_wide_in_halves()) {
        const long j = n -= rest;
        (*NNC_NARROWER)->matmul(m, rest, k, a, a_row, a_col, b + j / NR * b_panel + j % NR, b_row, b_panel, c + j, c_row, chains, how);
    }
#endif
    /* Few rows leave accumulators free for more columns. */
    int wide = NR_VECS;
    while (wide < 8 && 2 * wide * chains * m <= NNC_ACC) wide *= 2;
    while (wide * chains > NNC_ACC) wide /= 2;
    if (chains > 1 && wide > 2 && wide * chains * m > NNC_ACC) wide = 2; /* rather more rows than more columns */
    unsigned vecs = ((unsigned long)n + LANES - 1) / LANES;
    while (vecs > 0) { /* the last columns first: see matmul in nnc.h */
        unsigned v = vecs & (wide - 1); /* wide is a power of two */
        if (v == 0) v = wide;
        else if (v > 4) v -= 4;
        else if (v == 1 && wide == 2 && vecs > 2 && chains == 1) v = 3; /* alone, a vector of six rows would wait for FMA */
        vecs -= v;
        const unsigned long j = (unsigned long)vecs * LANES;
        const real *panel = b + (long)(j / NR) * b_panel + j % NR;
        if (chains > 1 && m >= MR && k >= 8 * chains && chains * v * 2 > NNC_ACC)
            FN(column_by_chains)((int)v, chains, m, k, a, a_row, a_col, panel, b_row, b_panel, c + j, c_row);
        else (how & NNC_ASK_NEXT && v == NR_VECS ? FN(column_asking) : FN(column_of)((int)v, chains))(
                m, k, a, a_row, a_col, panel, b_row, b_panel, c + j, c_row, add, j > 0 ? panel - b_panel : panel + k * NR);
    }
}
