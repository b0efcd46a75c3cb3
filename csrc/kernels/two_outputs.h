/* two_outputs.h: two outputs in four chains, which is what the matrix tile sums in four vectors of which it needs a quarter. */

#if VBYTES * 8 / NNC_REAL == 8 && VBYTES == 32
/* A vector is four rows of a B that lies without a margin: the four chains of both outputs. */
#define TWO_OUTPUTS 1
#define ONLY(a, b) (b)

/* C (R,2) = A (R,k) B (k,2), in four chains */
INLINE void FN(two_outputs_of)(const int R, long k, const real *a, long a_row, const real *b, real *c, long c_row) {
    vec acc[8];
    UNROLL for (int r = 0; r < R; r++) acc[r] = v_zero();
    long p = 0;
    for (; p + 4 <= k; p += 4) {
        const vec w = v_load(b + 2 * p);
        UNROLL for (int r = 0; r < R; r++) {
            vec x = v_quads(a + r * a_row + p, 0);
            TURN(ONLY, x, 0, 0, 1, 1, 6, 6, 7, 7);
            acc[r] = v_fma(x, w, acc[r]);
        }
    }
    if (p < k) { /* the first chains, and no others: adding 0 would turn a -0 into +0 */
        const vec w = FN(get)(b + 2 * p, 2 * (k - p));
        for (int r = 0; r < R; r++) {
            real x[8] = {0};
            for (long i = 0; i < k - p; i++) x[2 * i] = x[2 * i + 1] = a[r * a_row + p + i];
            acc[r] = v_select(FN(first)(2 * (k - p)), v_fma(v_load(x), w, acc[r]), acc[r]);
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        vec t = acc[r]; /* (0 + 2) + (1 + 3) */
        TURN(SUM, t, 4, 5, 6, 7, 0, 1, 2, 3);
        TURN(SUM, t, 2, 3, 0, 1, 6, 7, 4, 5);
        c[r * c_row] = t[0];
        c[r * c_row + 1] = t[1];
    }
}

static __attribute__((noinline)) void FN(two_outputs)(long m, long k, const real *a, long a_row, const real *b, real *c, long c_row) {
    for (; m >= 8; m -= 8, a += 8 * a_row, c += 8 * c_row) FN(two_outputs_of)(8, k, a, a_row, b, c, c_row);
    for (; m >= 2; m -= 2, a += 2 * a_row, c += 2 * c_row) FN(two_outputs_of)(2, k, a, a_row, b, c, c_row);
    if (m > 0) FN(two_outputs_of)(1, k, a, a_row, b, c, c_row);
}
#else
#define TWO_OUTPUTS 0
#endif
