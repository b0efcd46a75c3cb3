/* vmath.h: exp, log, tanh and their kin, once, in the words of words.h: IEEE operations in fixed order, no tables,
 * no hardware approximations, so that the bits are the same on every ISA that has FMA (without FMA they differ in
 * the last places).
 *
 * Every polynomial is minimax (Remez with mpmath in 100 digits; float32 coefficients rounded one by one, the rest
 * refitted after each), and its comment says which function on which interval and the relative error that it alone
 * leaves. A nan comes out as one. Results that would be subnormal are flushed to zero where a comment says so: a
 * weight or an activation of 1e-38 means nothing, and exactness there would cost an operation everywhere. Accuracy
 * is held by tests/ctest/test_math.c. To add a function: here, with its coefficients for both
 * types, and a check there. */

#if NNC_REAL == 32
#define EXP_EDGE REAL(88)                 /* exp(-x) is flushed to zero from about 87.7 on */
#define NORMAL_EDGE REAL(13.4)            /* so is exp(-x^2/2) from here on */
#define LN2_HIGH 0.693359375              /* ln 2 in 10 bits, so that n * LN2_HIGH is exact, and the rest */
#define LN2_LOW -2.12194440054690583e-4
#define SQRT_HALF_BITS 0x3F3504F3         /* sqrt(1/2) */
#else
#define EXP_EDGE REAL(709.1)              /* likewise from 708.7 on */
#define NORMAL_EDGE REAL(37.7)
#define LN2_HIGH 6.93147180369123816490e-01 /* 32 bits; as in fdlibm */
#define LN2_LOW 1.90821492927058770002e-10
#define SQRT_HALF_BITS 0x3FE6A09E667F3BCD
#endif
#define LOG2_E 1.44269504088896340736
#define LN_2 0.693147180559945309417
#define BIASED (ROUNDER + EXPONENT_BIAS)  /* adding it rounds x to n and leaves n + EXPONENT_BIAS in the low bits */
#define K(x) v_set(REAL(x))
#define STEP(p, x, c) p = v_fma(p, x, K(c)) /* one step of Horner's rule */

/* 2^n from t = n + BIASED. n = -EXPONENT_BIAS gives 0. */
INLINE vec FN(power_of_two)(vec t) { return v_of(i_of(t) << MANTISSA); }

/* ---- square root ------------------------------------------------------------------------------------------------- */

/* sqrt(v), to the last bit, of multiplications alone. y: 1 / sqrt(v) within 2^-13; v from 2^-100 to the largest number. One step
 * of Goldschmidt's doubles the digits of g = sqrt(v) and h = 1 / (2 sqrt(v)) together; then what v - g g says, which has no
 * rounding, makes g exact. Held against the hardware's root for every v, with y as bad as it may be, by tests/ctest/test_root.c. */
INLINE vec FN(root_from)(vec v, vec y) {
    vec g = v * y, h = v_of(i_of(y) - i_set((ibits)1 << MANTISSA)); /* y / 2, which is no work for those that multiply */
    const vec r = v_fnma(g, h, K(0.5));
    g = v_fma(g, r, g);
    h = v_fma(h, r, h);
    return v_fma(v_fnma(g, g, v), h, g);
}

/* m / (sqrt(v) c + e), for Adam: v >= 0. Division and square root share one slow unit: where the ISA has a first guess, every
 * other vector (odd) does its root without, while that unit has another's in hand. */
INLINE vec FN(over_root)(vec m, vec v, vec c, vec e, int odd) {
#ifdef v_root_guess
    if (odd && __builtin_expect(!v_any_below(v, K(0x1p-100f)), 1)) return m / v_fma(FN(root_from)(v, v_root_guess(v)), c, e);
#endif
    (void)odd;
    return m / v_fma(v_sqrt(v), c, e);
}
#define v_over_root FN(over_root)

/* ---- exponentials ------------------------------------------------------------------------------------------------ */

/* exp(r) - 1 for |r| <= ln(2)/2: r + r^2 P(r). Relative error of P's part: 2^-26.0 and 2^-55.6 of the result. */
INLINE vec FN(expm1_small)(vec r) {
#if NNC_REAL == 32
    vec p = K(0.00138957426);
    STEP(p, r, 0.00836594962);
    STEP(p, r, 0.0416668877);
    STEP(p, r, 0.166665494);
    STEP(p, r, 0.5);
#else
    vec p = K(2.5053770148985287e-08);
    STEP(p, r, 2.7626037933380993e-07);
    STEP(p, r, 2.7557407556203304e-06);
    STEP(p, r, 2.4801505273661769e-05);
    STEP(p, r, 0.00019841269718993959);
    STEP(p, r, 0.0013888888931565008);
    STEP(p, r, 0.0083333333333895573);
    STEP(p, r, 0.041666666666576757);
    STEP(p, r, 0.16666666666666588);
    STEP(p, r, 0.50000000000000056);
#endif
    return v_fma(r * r, p, r);
}

/* exp(x) = scale (1 + q), for x in the range where scale is a normal number or 0. */
INLINE vec FN(exp_parts)(vec x, vec *scale) {
    const vec t = v_fma(x, K(LOG2_E), K(BIASED));
    const vec n = t - K(BIASED);
    const vec r = v_fma(n, K(-(LN2_LOW)), v_fma(n, K(-LN2_HIGH), x));
    *scale = FN(power_of_two)(t);
    return FN(expm1_small)(r);
}

/* exp(x) for x <= 0. Where the result would be subnormal it is 0. */
INLINE vec FN(exp_neg)(vec x) {
    vec scale, q = FN(exp_parts)(v_max(K(-EXP_EDGE), x), &scale);
    return v_fma(scale, q, scale);
}
#define v_exp_neg FN(exp_neg)

/* exp(x) - 1 for x <= 0. */
INLINE vec FN(expm1_neg)(vec x) {
    vec scale, q = FN(exp_parts)(v_max(K(-EXP_EDGE), x), &scale);
    return v_fma(scale, q, scale - K(1));
}
#define v_expm1_neg FN(expm1_neg)

/* exp(x), x held within -EXP_EDGE .. EXP_EDGE: 0 at the lower edge. */
INLINE vec FN(exp_held)(vec x) {
    vec scale, q = FN(exp_parts)(v_min(K(EXP_EDGE), v_max(K(-EXP_EDGE), x)), &scale);
    return v_fma(scale, q, scale);
}
/* sigmoid(x) = e / (e + 1), e = exp(x): relative accuracy down to where it is flushed to 0, at about -87.7 (-708.7). */
INLINE vec FN(sigmoid)(vec x) {
    const vec e = FN(exp_held)(x);
    return e / (e + K(1));
}
/* sigmoid(x), and in *other sigmoid(-x) = 1 - sigmoid(x) */
INLINE vec FN(sigmoid_pair)(vec x, vec *other) {
    const vec e = FN(exp_held)(x);
    *other = K(1) / (e + K(1));
    return e * *other;
}
#define v_sigmoid_pair FN(sigmoid_pair)
#define v_sigmoid FN(sigmoid)

/* tanh(x), odd and never beyond 1. float64: tanh(|x|) = e / (e + 1) with e = (exp(2|x|) - 1) / 2, which keeps its relative
 * accuracy at 0; on the negative side e + 1 would cancel. Beyond the edge tanh rounds to 1. One ln 2 is enough: its error
 * times n < 2^6 does not reach the result. float32: |x| P(x^2) / Q(x^2), both of degree 4, whose two sums run side by side: a
 * third less time. Minimax relative error 2^-24.9 up to the edge, where it comes to 1; with the rounding of both sums at
 * most 5.6 ULP, at 7.5, and 6.5 without FMA (the coefficients are the best of some hundred ways to round them). */
INLINE vec FN(tanh)(vec x) {
#if NNC_REAL == 32
    const vec a = v_min(K(9), v_abs(x)), z = a * a;
    vec p = K(2.019124600849409e-08), q = K(1.1732195162039716e-06);
    STEP(p, z, 3.103605195065029e-05);
    STEP(q, z, 0.000494093750603497);
    STEP(p, z, 0.005251168739050627);
    STEP(q, z, 0.0388454794883728);
    STEP(p, z, 0.20078220963478088);
    STEP(q, z, 0.700782060623169);
    STEP(p, z, 1.5);
    STEP(q, z, 1.5);
    const vec y = v_min(K(1), a * p / q);
#else
    const vec a = v_min(K(19.2), v_abs(x));
    const vec t = v_fma(a, K(2 * LOG2_E), K(BIASED)), n = t - K(BIASED);
    const vec r = FN(expm1_small)(v_fma(n, K(-LN_2), a + a)), half = FN(power_of_two)(t) * K(0.5);
    const vec e = v_fma(half, r, half - K(0.5)), y = e / (e + K(1));
#endif
    return v_of(i_of(y) | (i_of(x) & i_set(I_SIGN)));
}
#define v_tanh FN(tanh)

/* ---- logarithms -------------------------------------------------------------------------------------------------- */

#if NNC_REAL == 64
/* (2 atanh(s) - 2 s) / s^3 at z = s^2 <= 1/9: relative error of the logarithms below 2^-59.4. */
INLINE vec FN(atanh_rest)(vec z) {
    vec p = K(0.1701671007796246);
    STEP(p, z, 0.083411814771388829);
    STEP(p, z, 0.12105818838619196);
    STEP(p, z, 0.13301010531500693);
    STEP(p, z, 0.15386556808086591);
    STEP(p, z, 0.18181744089532867);
    STEP(p, z, 0.22222223964348872);
    STEP(p, z, 0.28571428547957067);
    STEP(p, z, 0.40000000000156216);
    STEP(p, z, 0.66666666666666308);
    return p;
}
#endif

/* log(1 + x) for 0 <= x <= 1. */
INLINE vec FN(log1p_unit)(vec x) {
#if NNC_REAL == 32
    /* x + x^2 Q(x): relative error 2^-27.0 */
    vec p = K(-0.00367563916);
    STEP(p, x, 0.0218680017);
    STEP(p, x, -0.0609091185);
    STEP(p, x, 0.110240452);
    STEP(p, x, -0.155689999);
    STEP(p, x, 0.197741762);
    STEP(p, x, -0.249750778);
    STEP(p, x, 0.333322495);
    STEP(p, x, -0.5);
    return v_fma(x * x, p, x);
#else
    /* With s = x / (2 + x): 2 atanh(s) = x - (x^2/2 - s (x^2/2 + s^2 P(s^2))), after fdlibm; s^2 <= 1/9. Error
     * 2^-59.4. */
    const vec s = x / (x + K(2)), z = s * s, h = x * x * K(0.5);
    const vec p = FN(atanh_rest)(z);
    return x - v_fnma(s, v_fma(z, p, h), h);
#endif
}
#define v_log1p_unit FN(log1p_unit)

/* log(x): 0 gives -inf, below it nan. x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); then as above, s^2 <= 0.0295. */
INLINE vec FN(log)(vec x) {
    const ivec tiny = i_mask(x < v_set(REAL_MIN_NORMAL));
    const vec up = K((ubits)1 << (MANTISSA + 2)), normal = v_select(tiny, x * up, x);
    const ivec b = i_of(normal) - i_set(SQRT_HALF_BITS);
    const vec f = v_of((b & i_set(((ubits)1 << MANTISSA) - 1)) + i_set(SQRT_HALF_BITS)) - K(1);
    const vec raised = v_of(i_of(K(ROUNDER)) + (b >> MANTISSA)) - K(ROUNDER);
    const vec n = v_select(tiny, raised - K(MANTISSA + 2), raised);
    const vec s = f / (f + K(2)), z = s * s, h = f * f * K(0.5);
#if NNC_REAL == 32
    vec p = K(0.298709273); /* error 2^-30.2 */
    STEP(p, z, 0.399775803);
    STEP(p, z, 0.666667759);
#else
    const vec p = FN(atanh_rest)(z);
#endif
    const vec low = v_fma(n, K(LN2_LOW), s * v_fma(z, p, h));
    vec y = v_fma(n, K(LN2_HIGH), f - (h - low));
    y = v_select(i_mask(x > v_set(REAL_MAX)), x, y);              /* +inf */
    y = v_select(i_mask(x > v_zero()), y, (x - x) / v_zero());    /* negative or nan: nan */
    return v_select(i_mask(x == v_zero()), K(-1) / v_zero(), y);
}
#define v_log FN(log)

/* ---- the normal distribution ------------------------------------------------------------------------------------- */

/* Its cumulative distribution (returned) and density at x. The lower tail keeps its relative accuracy: cdf(-a) =
 * exp(-a^2/2) N(a) / D(a), a <= NORMAL_EDGE. N/D is rational with positive coefficients (interpolation at Chebyshev
 * nodes of (a - k) / (a + k), k = 3 and 4); relative error 2^-27.2 and 2^-59.1. */
INLINE vec FN(normal)(vec x, vec *density) {
    const vec a = v_min(K(NORMAL_EDGE), v_abs(x));
    const vec h = a * a;
    const vec rest = v_fms(a, a, h); /* what rounding took from a^2 */
    const vec coarse = v_exp_neg(h * K(-0.5));
    const vec e = v_fma(coarse, rest * K(-0.5), coarse);
#if NNC_REAL == 32
    vec top = K(0.00398761353);
    STEP(top, a, 0.0397878497);
    STEP(top, a, 0.180761089);
    STEP(top, a, 0.435008043);
    STEP(top, a, 0.500000002);
    vec bottom = K(0.0099953215);
    STEP(bottom, a, 0.0997407693);
    STEP(bottom, a, 0.462929549);
    STEP(bottom, a, 1.19231121);
    STEP(bottom, a, 1.66790092);
    STEP(bottom, a, 1);
#else
    vec top = K(2.1545069925836695e-07);
    STEP(top, a, 6.7511437462367344e-06);
    STEP(top, a, 0.00010371168083985078);
    STEP(top, a, 0.0010165270505705451);
    STEP(top, a, 0.0069921884964816022);
    STEP(top, a, 0.035139051089974109);
    STEP(top, a, 0.13051146811385569);
    STEP(top, a, 0.35425303935240859);
    STEP(top, a, 0.67565073163639522);
    STEP(top, a, 0.82542211305808655);
    STEP(top, a, 0.5);
    vec bottom = K(5.4005481454989391e-07);
    STEP(bottom, a, 1.6922607800449508e-05);
    STEP(bottom, a, 0.0002605066864136311);
    STEP(bottom, a, 0.0025649780549175344);
    STEP(bottom, a, 0.017785703898741189);
    STEP(bottom, a, 0.090594749559844256);
    STEP(bottom, a, 0.34415601290122416);
    STEP(bottom, a, 0.97113449158109999);
    STEP(bottom, a, 1.9882526625655568);
    STEP(bottom, a, 2.8051043559490179);
    STEP(bottom, a, 2.4487287869190384);
    STEP(bottom, a, 1);
#endif
    const vec tail = e * (top / bottom);
    *density = e * K(0.398942280401432677940);
    return v_select(i_mask(x > v_zero()), K(1) - tail, tail);
}
#define v_normal FN(normal)
