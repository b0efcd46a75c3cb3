/* activations.h: every activation: the rows, and under them each value and slope.
 *
 * To add one: a row, and a pair of functions of the words in words.h and vmath.h:
 *     E row, elementwise:  FN(<name>_value)(z, a) and FN(<name>_slope)(s, a), s: y or z as the row says, a: parameter;
 *     R row, rowwise:      FN(<name>_row)(cols, z, bias, y, exact) and FN(<name>_row_backward)(cols, dy, saved, exact).
 * The drivers that walk a matrix with them are in kernels/maps.h. A nan that comes in must come out as a nan, so
 * that a network that has diverged is seen. Included once without the words (rows only) and once per ISA and type
 * with them (functions). */
#ifndef NNC_OPS_ACTIVATIONS_H
#define NNC_OPS_ACTIVATIONS_H
/*      name        formula, derivative, what the derivative is computed from, initialiser, parameter, its default */
#define NNC_ACTIVATION_LIST(E, R)                                                                                      \
    E(identity, "z", "1", NNC_READS_OUTPUT, "glorot", "", 0.0)                                                         \
    E(relu, "max(0, z)", "1 if y > 0 else 0", NNC_READS_OUTPUT, "he", "", 0.0)                                         \
    E(leaky_relu, "z if z > 0 else alpha z", "1 if y > 0 else alpha", NNC_READS_OUTPUT, "he", "alpha", 0.01)           \
    E(tanh, "tanh(z)", "1 - y^2", NNC_READS_OUTPUT, "glorot", "", 0.0)                                                 \
    E(sigmoid, "1 / (1 + exp(-z))", "y (1 - y)", NNC_READS_OUTPUT, "glorot", "", 0.0)                                  \
    E(gelu, "z (1 + erf(z / sqrt(2))) / 2", "cdf(z) + z pdf(z), of the normal distribution", NNC_READS_INPUT, "he",    \
      "", 0.0)                                                                                                         \
    E(silu, "z / (1 + exp(-z))", "s + z s (1 - s), s = sigmoid(z)", NNC_READS_INPUT, "he", "", 0.0)                    \
    E(softplus, "log(1 + exp(z))", "1 - exp(-y)", NNC_READS_OUTPUT, "he", "", 0.0)                                     \
    R(softmax, "exp(z) / sum(exp(z))", "dz = y (dy - sum(dy y))", NNC_READS_OUTPUT, "glorot", "", 0.0)
#endif

#ifdef NNC_REAL

INLINE vec FN(identity_value)(vec z, vec a) {
    (void)a;
    return z;
}
INLINE vec FN(identity_slope)(vec y, vec a) {
    (void)y, (void)a;
    return v_set(REAL(1));
}

INLINE vec FN(relu_value)(vec z, vec a) {
    (void)a;
    return v_max(v_zero(), z); /* in this order a nan stays one */
}
INLINE vec FN(relu_slope)(vec y, vec a) {
    (void)a;
    return v_of(i_mask(y > v_zero()) & i_of(v_set(REAL(1)))); /* the bits of 1 or of 0 */
}

INLINE vec FN(leaky_relu_value)(vec z, vec a) { return v_select(i_mask(z > v_zero()), z, z * a); }
INLINE vec FN(leaky_relu_slope)(vec y, vec a) { return v_select(i_mask(y > v_zero()), v_set(REAL(1)), a); }

INLINE vec FN(tanh_value)(vec z, vec a) {
    (void)a;
    return v_tanh(z);
}
INLINE vec FN(tanh_slope)(vec y, vec a) {
    (void)a;
    return v_fnma(y, y, v_set(REAL(1)));
}

INLINE vec FN(sigmoid_value)(vec z, vec a) {
    (void)a;
    return v_sigmoid(z);
}
INLINE vec FN(sigmoid_slope)(vec y, vec a) {
    (void)a;
    return v_fnma(y, y, y);
}

/* z is held within the range where its factor has not yet vanished, so that -inf gives 0 and not the nan of inf * 0. */
INLINE vec FN(gelu_value)(vec z, vec a) {
    (void)a;
    vec pdf, cdf = v_normal(z, &pdf);
    return v_max(v_set(-NORMAL_EDGE), z) * cdf;
}
INLINE vec FN(gelu_slope)(vec z, vec a) {
    (void)a;
    vec pdf, cdf = v_normal(z, &pdf);
    return v_fma(v_min(v_set(NORMAL_EDGE), v_max(v_set(-NORMAL_EDGE), z)), pdf, cdf);
}

INLINE vec FN(silu_value)(vec z, vec a) {
    (void)a;
    return v_max(v_set(-EXP_EDGE), z) * v_sigmoid(z);
}
INLINE vec FN(silu_slope)(vec z, vec a) {
    (void)a;
    vec other, s = v_sigmoid_pair(z, &other);
    return v_fma(v_min(v_set(EXP_EDGE), v_max(v_set(-EXP_EDGE), z)) * s, other, s);
}

INLINE vec FN(softplus_value)(vec z, vec a) {
    (void)a;
    return v_max(v_zero(), z) + v_log1p_unit(v_exp_neg(v_neg(v_abs(z))));
}
INLINE vec FN(softplus_slope)(vec y, vec a) {
    (void)a;
    return v_neg(v_expm1_neg(v_neg(y)));
}

/* y = exp(z - top); returns its first n lanes */
INLINE vec FN(softmax_exp)(const real *z, vec top, real *y, long n, int exact) {
    const vec e = v_exp_neg(v_load(z) - top);
    FN(put)(y, e, n, exact);
    return FN(only)(e, n);
}

/* One row of softmax: z += bias; y = exp(z - max) / sum. exact: nothing is written beyond cols. */
INLINE void FN(softmax_row)(long cols, real *z, const real *bias, real *y, int exact) {
    vec m = v_set(-REAL_MAX);
    for (long j = 0; j < cols; j += LANES) {
        vec x = v_load(z + j);
        if (bias) {
            x = x + v_load(bias + j);
            FN(put)(z + j, x, cols - j, exact);
        }
        m = v_max(m, v_select(FN(first)(cols - j), x, m));
    }
    const vec top = FN(largest)(m);
    vec sum[SPAN_VECS];
    FN(clear)(sum);
    EACH_SPAN(cols, k, n, s, sum[s] = sum[s] + FN(softmax_exp)(z + k, top, y + k, n, exact));
    const vec scale = v_set(REAL(1) / FN(fold)(sum));
    for (long j = 0; j < cols; j += LANES) FN(put)(y + j, v_load(y + j) * scale, cols - j, exact);
}

INLINE void FN(softmax_row_backward)(long cols, real *dy, const real *y, int exact) {
    vec sum[SPAN_VECS];
    FN(clear)(sum);
    EACH_SPAN(cols, k, n, s, sum[s] = sum[s] + FN(only)(v_load(dy + k) * v_load(y + k), n));
    const vec mean = v_set(FN(fold)(sum));
    for (long j = 0; j < cols; j += LANES)
        FN(put)(dy + j, v_load(y + j) * (v_load(dy + j) - mean), cols - j, exact);
}

#endif
