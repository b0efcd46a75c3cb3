/* walk.h: the small helpers of every walk over rows: masks, tails, sums. Used by the formulas in ops/ and by maps.h
 * and steps.h. */

/* the mask of the first n lanes, n of any size */
INLINE ivec FN(first)(long n) {
    ivec lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    return (ivec)(lane < i_set(n < LANES ? n : LANES));
}
/* v with zeros beyond its first n lanes */
INLINE vec FN(only)(vec v, long n) { return n >= LANES ? v : v_select(FN(first)(n), v, v_zero()); }
INLINE vec FN(get)(const real *p, long n) { return n >= LANES ? v_load(p) : v_load_n(p, (int)n); }
/* v to p: all lanes into a padded row, but no more than n where it must be exact */
INLINE void FN(put)(real *p, vec v, long n, int exact) {
    if (!exact || n >= LANES) v_store(p, v);
    else v_store_n(p, v, (int)n);
}
INLINE void FN(clear)(vec *s) {
    for (int i = 0; i < SPAN_VECS; i++) s[i] = v_zero();
}
/* whether a bit of m is set */
INLINE int FN(any)(ivec m) {
#ifdef v_count_nonzero
    return v_count_nonzero((vec)m) != 0;
#else
    ibits some = 0;
    for (int i = 0; i < LANES; i++) some |= m[i];
    return some != 0;
#endif
}

/* The loop over the SPAN_VECS registers of chains, unrolled so that they stay registers; and the walk of a row in
 * steps of SPAN: body sees the column k, how many n of the LANES from there are the row's, and the chain s; that n
 * == LANES is known when the first loop is compiled. */
#if defined(__clang__)
#define EACH_CHAIN(s) _Pragma("clang loop unroll(full)") for (int s = 0; s < SPAN_VECS; s++)
#else
#define EACH_CHAIN(s) _Pragma("GCC unroll 16") for (int s = 0; s < SPAN_VECS; s++)
#endif
#define EACH_SPAN(cols, k, n, s, ...)                                                                                  \
    do {                                                                                                               \
        long j_ = 0;                                                                                                   \
        for (; j_ + SPAN <= (cols); j_ += SPAN) EACH_CHAIN(s) {                                                        \
                const long k = j_ + s * LANES, n = LANES;                                                              \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
        EACH_CHAIN(s) {                                                                                                \
            const long k = j_ + s * LANES, n = (cols) - k;                                                             \
            if (n > 0) { __VA_ARGS__; }                                                                                \
        }                                                                                                              \
    } while (0)
