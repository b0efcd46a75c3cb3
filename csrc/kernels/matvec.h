/* matvec.h: products that are too thin for the matrix tile: one output, and one row times W' as it lies. */

/* ---- one output -------------------------------------------------------------------------------------------------- */

/* s (SPAN_VECS): the SPAN chains of a (k) b */
INLINE void FN(dot_chains)(long k, const real *a, const real *b, vec *s) {
    FN(clear)(s);
    EACH_SPAN(k, p, n, v, s[v] = v_fma(FN(get)(a + p, n), FN(get)(b + p, n), s[v]));
}

/* Squares of 16 bytes, picked from two vectors as pairs of 8 bytes: a's first, then b's. */
typedef int64_t FN(pairs) __attribute__((vector_size(VBYTES), may_alias));
#if defined(__clang__) || __GNUC__ >= 12
#define SQUARES(a, b, ...) (vec) __builtin_shufflevector((FN(pairs))(a), (FN(pairs))(b), __VA_ARGS__)
#else
#define SQUARES(a, b, ...) (vec) __builtin_shuffle((FN(pairs))(a), (FN(pairs))(b), (FN(pairs)){__VA_ARGS__})
#endif

/* The LANES vectors of t folded as fold_all folds one: the sum of t[r] in lane r. At each turn two vectors become one, which holds
 * the halves of both, added. */
INLINE vec FN(fold_each)(const vec *t) {
    vec u[QUAD];
    UNROLL for (int i = 0; i < QUAD; i++) { /* square q of u[i] is what t[q * QUAD + i] comes to */
#if VBYTES == 64
        const vec a = t[i], b = t[QUAD + i], c = t[2 * QUAD + i], d = t[3 * QUAD + i];
        const vec ab = SQUARES(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SQUARES(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
        const vec cd = SQUARES(c, d, 0, 1, 2, 3, 8, 9, 10, 11) + SQUARES(c, d, 4, 5, 6, 7, 12, 13, 14, 15);
        u[i] = SQUARES(ab, cd, 0, 1, 4, 5, 8, 9, 12, 13) + SQUARES(ab, cd, 2, 3, 6, 7, 10, 11, 14, 15);
#elif VBYTES == 32
        u[i] = SQUARES(t[i], t[QUAD + i], 0, 1, 4, 5) + SQUARES(t[i], t[QUAD + i], 2, 3, 6, 7);
#else
        u[i] = t[i];
#endif
    }
#if NNC_REAL == 32
    const vec a = SHUFFLE(u[0], u[1], 0, 1, 4, 5) + SHUFFLE(u[0], u[1], 2, 3, 6, 7);
    const vec b = SHUFFLE(u[2], u[3], 0, 1, 4, 5) + SHUFFLE(u[2], u[3], 2, 3, 6, 7);
    return SHUFFLE(a, b, 0, 2, 4, 6) + SHUFFLE(a, b, 1, 3, 5, 7);
#else
    return SHUFFLE(u[0], u[1], 0, 2) + SHUFFLE(u[0], u[1], 1, 3);
#endif
}

/* nnc_kernels.matvec: LANES rows at a time, whose sums are folded together */
static void FN(matvec)(long m, long k, const void *a_, long a_row, const void *b_, void *c_, long c_row) {
    const real *a = a_, *b = b_;
    real *c = c_;
    vec s[SPAN_VECS];
    long i = 0;
    for (; i + LANES <= m; i += LANES) {
        vec t[LANES];
        if (k <= LANES) { /* the other chains stay at +0, which turns a -0 into +0 and no more */
            const vec w = FN(get)(b, k);
            for (int r = 0; r < LANES; r++, a += a_row) t[r] = v_fma(FN(get)(a, k), w, v_zero()) + v_zero();
        } else {
            for (int r = 0; r < LANES; r++, a += a_row) {
                FN(dot_chains)(k, a, b, s);
                t[r] = FN(fold_vectors)(s);
            }
        }
        const vec sums = FN(fold_each)(t);
        if (c_row == 1) v_store(c + i, sums);
        else for (int r = 0; r < LANES; r++) c[(i + r) * c_row] = sums[r];
    }
    for (; i < m; i++, a += a_row) {
        FN(dot_chains)(k, a, b, s);
        c[i * c_row] = FN(fold)(s);
    }
}

/* ---- one row without a copy -------------------------------------------------------------------------------------- */

/* z (V vectors) = x (k) W', W (V * LANES, k) */
INLINE void FN(matvec_t_columns)(const int V, long k, const real *x, const real *w, long w_row, real *z) {
    vec acc[4], row[QUAD];
    UNROLL for (int v = 0; v < V; v++) acc[v] = v_zero();
    long p = 0;
    for (; p + QUAD <= k; p += QUAD)
        UNROLL for (int v = 0; v < V; v++) {
            FN(transpose)(1, w + v * LANES * w_row + p, w_row, row);
            UNROLL for (int i = 0; i < QUAD; i++) acc[v] = v_fma(v_set(x[p + i]), row[i], acc[v]);
        }
    for (; p < k; p++)
        for (int v = 0; v < V; v++) {
            real column[LANES];
            for (int i = 0; i < LANES; i++) column[i] = w[(v * LANES + i) * w_row + p];
            acc[v] = v_fma(v_set(x[p]), v_load(column), acc[v]);
        }
    UNROLL for (int v = 0; v < V; v++) v_store(z + v * LANES, acc[v]);
}

/* nnc_kernels.matvec_t: several vectors of outputs at a time, so that one need not wait for another. The last of them may
 * meet those before. */
static void FN(matvec_t)(long n, long k, const void *x, const void *w_, long w_row, void *z_) {
    const real *w = w_;
    real *z = z_;
    long j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) FN(matvec_t_columns)(4, k, x, w + j * w_row, w_row, z + j);
    for (; j + 2 * LANES <= n; j += 2 * LANES) FN(matvec_t_columns)(2, k, x, w + j * w_row, w_row, z + j);
    for (; j < n && n >= LANES; j += LANES) {
        if (j > n - LANES) j = n - LANES;
        FN(matvec_t_columns)(1, k, x, w + j * w_row, w_row, z + j);
    }
    for (; j < n; j++) {
        vec acc = v_zero();
        for (long p = 0; p < k; p++) acc = v_fma(v_set(((const real *)x)[p]), v_set(w[j * w_row + p]), acc);
        z[j] = acc[0];
    }
}
