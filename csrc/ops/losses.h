/* losses.h: every loss: the rows, and under them value and gradient.
 *
 * To add one: a row, and a function that gives the loss and, in *gradient, its derivative:
 *     E row, elementwise:  vec FN(<name>_loss)(o, t, gradient), the loss of each element;
 *     R row, rowwise:      real FN(<name>_row_loss)(cols, o, t, dz, scale, exact, inside, factor), of one row, dz or NULL:
 *                          the loss is *factor log(*inside) less what is returned. Logarithms are taken of many rows at once.
 * o is the network's output, or z (before the activation) where the row names a link: loss and link together are
 * simpler and stay finite for every finite z. Scaling, sums over a row and the walk over a matrix are in
 * kernels/steps.h. Included once without the words (rows only) and once per ISA and type with them (functions). */
#ifndef NNC_OPS_LOSSES_H
#define NNC_OPS_LOSSES_H
/*      name, formula of one element (row), its gradient, how elements are reduced, the linked activation or -1 */
#define NNC_LOSS_LIST(E, R)                                                                                            \
    E(mse, "(y - t)^2", "2 (y - t)", NNC_MEAN, -1)                                                                     \
    E(sse, "(y - t)^2", "2 (y - t)", NNC_SUM, -1)                                                                      \
    R(cross_entropy, "-sum(t log(softmax(z)))", "softmax(z) sum(t) - t", NNC_MEAN_OF_ROWS, NNC_softmax)                \
    E(binary_cross_entropy, "-t log(sigmoid(z)) - (1 - t) log(1 - sigmoid(z))", "sigmoid(z) - t", NNC_MEAN, NNC_sigmoid)
#endif

#ifdef NNC_REAL

INLINE vec FN(sse_loss)(vec o, vec t, vec *gradient) {
    const vec d = o - t;
    *gradient = d + d;
    return d * d;
}
INLINE vec FN(mse_loss)(vec o, vec t, vec *gradient) { return FN(sse_loss)(o, t, gradient); }

/* With e = exp(-|z|): max(z, 0) - z t + log(1 + e); sigmoid(z) = (1 or e, as z is positive or negative) / (1 + e) */
INLINE vec FN(binary_cross_entropy_loss)(vec z, vec t, vec *gradient) {
    const vec one = v_set(REAL(1)), e = v_exp_neg(v_neg(v_abs(z)));
    *gradient = v_select((ivec)(z < v_zero()), e, one) / (one + e) - t;
    return v_fnma(z, t, v_max(v_zero(), z)) + v_log1p_unit(e);
}

/* With d = z - max: log(sum(exp(d))) sum(t) - sum(t d), which does not cancel where logits are large; d is held, for 0 times -inf is
 * nan. dz may be z. */
INLINE real FN(cross_entropy_row_loss)(long cols, const real *z, const real *t, real *dz, vec scale, int exact, real *inside,
                                       real *factor) {
    vec m = v_set(-REAL_MAX);
    for (long j = 0; j < cols; j += LANES) m = v_max(m, v_select(FN(first)(cols - j), v_load(z + j), m));
    const vec top = FN(largest)(m);
    vec exps[SPAN_VECS], targets[SPAN_VECS], dots[SPAN_VECS];
    FN(clear)(exps), FN(clear)(targets), FN(clear)(dots);
    EACH_SPAN(cols, k, n, s, {
        const vec d = FN(only)(v_max(v_set(-REAL_MAX), v_load(z + k) - top), n), x = FN(only)(v_load(t + k), n), e = v_exp_neg(d);
        if (dz) FN(put)(dz + k, e, n, exact);
        exps[s] = exps[s] + FN(only)(e, n);
        targets[s] = targets[s] + x;
        dots[s] = v_fma(x, d, dots[s]);
    });
    const real sum = *inside = FN(fold)(exps), mass = *factor = FN(fold)(targets);
    if (dz) {
        const vec share = v_set(mass / sum);
        for (long j = 0; j < cols; j += LANES)
            FN(put)(dz + j, v_fms(v_load(dz + j), share, v_load(t + j)) * scale, cols - j, exact);
    }
    return FN(fold)(dots);
}

#endif
