/* steps.h: what ends and begins the way back: every loss with its gradient, and every optimizer's step.
 *
 * As in maps.h the walks are real functions, inlined with the formula that they are given; the macros make one of
 * each per row of NNC_LOSS_LIST and NNC_OPTIMIZER_LIST. Nothing to touch to add a loss or an optimizer. */

/* ---- losses ------------------------------------------------------------------------------------------------------ */

INLINE void FN(walk_loss)(long rows, long cols, const real *o, long o_row, const real *t, long t_row, real *dz,
                          long dz_row, vec scale, double *row_loss, vec (*loss)(vec, vec, vec *), int with_gradient) {
    vec gradient;
    if (cols == 1 && o_row == 1 && t_row == 1 && (!with_gradient || dz_row == 1)) {
        for (long i = 0; i < rows; i += LANES) {
            real value[LANES];
            v_store(value, loss(FN(get)(o + i, rows - i), FN(get)(t + i, rows - i), &gradient));
            if (with_gradient) FN(put)(dz + i, gradient * scale, rows - i, 1);
            for (long k = 0; k < LANES && i + k < rows; k++) row_loss[i + k] = (double)value[k];
        }
        return;
    }
    for (long i = 0; i < rows; i++, o += o_row, t += t_row) {
        vec sum[SPAN_VECS];
        FN(clear)(sum);
        EACH_SPAN(cols, k, n, s, {
            sum[s] = sum[s] + FN(only)(loss(v_load(o + k), v_load(t + k), &gradient), n);
            if (with_gradient) v_store(dz + k, gradient * scale);
        });
        row_loss[i] = (double)FN(fold)(sum);
        if (with_gradient) dz += dz_row;
    }
}

typedef real (*FN(row_loss_function))(long cols, const real *o, const real *t, real *dz, vec scale, int exact, real *inside,
                                      real *factor);
INLINE void FN(walk_loss_rows)(long rows, long cols, const real *o, long o_row, const real *t, long t_row, real *dz, long dz_row,
                               vec scale, double *row_loss, FN(row_loss_function) loss) {
    const int exact = cols == 1 && dz_row == 1;
    for (long first = 0; first < rows; first += LANES) {
        const long n = rows - first < LANES ? rows - first : LANES;
        real inside[LANES], factor[LANES], less[LANES];
        v_store(inside, v_set(REAL(1)));
        for (long i = 0; i < n; i++, o += o_row, t += t_row) {
            less[i] = loss(cols, o, t, dz, scale, exact, &inside[i], &factor[i]);
            if (dz) dz += dz_row;
        }
        v_store(inside, v_log(v_load(inside)));
        for (long i = 0; i < n; i++) row_loss[first + i] = (double)inside[i] * (double)factor[i] - (double)less[i];
    }
}

#define LOSS_ARGUMENTS                                                                                                 \
    long rows, long cols, const void *o, long o_row, const void *t, long t_row, void *dz, long dz_row, double scale,   \
        double *row_loss
#define LOSS_ELEMENTWISE(name, ...)                                                                                    \
    static void FN(loss_##name)(LOSS_ARGUMENTS) {                                                                      \
        const vec s = v_set((real)scale);                                                                              \
        if (dz) FN(walk_loss)(rows, cols, o, o_row, t, t_row, dz, dz_row, s, row_loss, FN(name##_loss), 1);            \
        else FN(walk_loss)(rows, cols, o, o_row, t, t_row, dz, dz_row, s, row_loss, FN(name##_loss), 0);               \
    }
#define LOSS_ROWWISE(name, ...)                                                                                        \
    static void FN(loss_##name)(LOSS_ARGUMENTS) {                                                                      \
        const vec s = v_set((real)scale);                                                                              \
        FN(walk_loss_rows)(rows, cols, o, o_row, t, t_row, dz, dz_row, s, row_loss, FN(name##_row_loss));              \
    }
NNC_LOSS_LIST(LOSS_ELEMENTWISE, LOSS_ROWWISE)

/* ---- optimizers -------------------------------------------------------------------------------------------------- */

/* The step on N vectors of parameters from p[0] on, or on the first n < LANES; returns whether one of them is not well. A weight
 * that would turn non-finite is kept; its slots are not worth keeping: whoever sees trouble starts the optimizer anew. x - x is
 * +0, or nan where x is not finite; the units that add are idle meanwhile. odd: every other vector, see v_over_root. */
typedef vec (*FN(step_function))(const vec *c, int slots, int decay, int odd, vec p, vec g, vec *s0, vec *s1);
INLINE int FN(update_some)(const int N, long n, const vec *c, const real *g, real *p, real *s0, real *s1,
                           FN(step_function) step, int slots, int decay) {
    vec old[2], new[2], new0[2], new1[2];
    ivec strange = i_set(0);
    UNROLL for (int i = 0; i < N; i++) {
        const long at = i * LANES;
        old[i] = FN(get)(p + at, n);
        new0[i] = slots > 0 ? FN(get)(s0 + at, n) : v_zero();
        new1[i] = slots > 1 ? FN(get)(s1 + at, n) : v_zero();
        new[i] = step(c, slots, decay, i, old[i], FN(get)(g + at, n), &new0[i], &new1[i]);
        strange |= (ivec)(new[i] - new[i]);
        /* a moment that has overflowed would hold the weight still for ever */
        if (slots > 1) strange |= (ivec)(new1[i] - new1[i]);
    }
    const int trouble = __builtin_expect(FN(any)(strange), 0);
    if (trouble) UNROLL for (int i = 0; i < N; i++) /* 0 x, not x - x, which would be kept for here */
            new[i] = v_select((ivec)(v_zero() * new[i] + v_zero() * new1[i] == v_zero()), new[i], old[i]);
    UNROLL for (int i = 0; i < N; i++) {
        const long at = i * LANES;
        FN(put)(p + at, new[i], n, 1);
        if (slots > 0) FN(put)(s0 + at, new0[i], n, 1);
        if (slots > 1) FN(put)(s1 + at, new1[i], n, 1);
    }
    return trouble;
}

/* One step on p and as many slots as `slots` says (known, as is decay, when this is compiled). */
INLINE void FN(walk_update)(long rows, long cols, const real *g, long g_row, real *p, real *s0, real *s1, long p_row,
                            const double *coef, int *trouble, FN(step_function) step, int slots, int decay) {
    vec c[NNC_COEFS];
    for (int i = 0; i < NNC_COEFS; i++) c[i] = v_set((real)coef[i]);
    if (p_row == cols && g_row == cols) { /* one flat run */
        cols *= rows;
        rows = 1;
    }
    int bad = 0;
    for (long i = 0; i < rows; i++, p += p_row, g += g_row) {
#define SOME(N, n) FN(update_some)(N, n, c, g + j, p + j, slots > 0 ? s0 + j : s0, slots > 1 ? s1 + j : s1, step, slots, decay)
        long j = 0;
        for (; j + 2 * LANES <= cols; j += 2 * LANES) bad |= SOME(2, LANES);
        for (; j + LANES <= cols; j += LANES) bad |= SOME(1, LANES);
        if (j < cols) bad |= SOME(1, cols - j);
#undef SOME
        if (slots > 0) s0 += p_row;
        if (slots > 1) s1 += p_row;
    }
    if (bad) *trouble = 1;
}

#define UPDATE_WALK(name, slots, decay)                                                                                \
    FN(walk_update)(rows, cols, g, g_row, p, s0, s1, p_row, coef, trouble, FN(name##_step), slots, decay)
#define UPDATE(name, ...)                                                                                              \
    static void FN(update_##name)(long rows, long cols, const void *g, long g_row, void *p, void *s0, void *s1,        \
                                  long p_row, const double *coef, int decay, int *trouble) {                           \
        const int n = FN(name##_state)(coef); /* a constant for most, for which the other walks are not even compiled */ \
        if (coef[0] == 0) decay = 0;                                                                                   \
        if (n == 0 && !decay) UPDATE_WALK(name, 0, 0);                                                                 \
        else if (n == 0) UPDATE_WALK(name, 0, 1);                                                                      \
        else if (n == 1 && !decay) UPDATE_WALK(name, 1, 0);                                                            \
        else if (n == 1) UPDATE_WALK(name, 1, 1);                                                                      \
        else if (!decay) UPDATE_WALK(name, 2, 0);                                                                      \
        else UPDATE_WALK(name, 2, 1);                                                                                  \
    }
NNC_OPTIMIZER_LIST(UPDATE)

/* A slot that no gradient feeds any more shrinks until it is one of the smallest numbers, 0.9 of which are rounded back to them:
 * there it would stay, and subnormal numbers cost a CPU up to a hundred cycles each. */
static void FN(flush)(long n, void *x_) {
    real *x = x_;
    for (long i = 0; i < n; i += LANES) {
        const vec v = FN(get)(x + i, n - i);
        FN(put)(x + i, v_select(i_mask(v_abs(v) < v_set(REAL_MIN_NORMAL)), v_zero(), v), n - i, 1);
    }
}
