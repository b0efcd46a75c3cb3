/* optimizers.h: every optimizer: the rows, what it prepares once a step, and one step of a vector of parameters.
 *
 * To add one: a row, nnc_<name>_slots, _prepare and _rescale (plain C, double), and FN(<name>_step). hyper[] holds
 * the hyperparameters in the row's order; carry[] lives from step to step and starts as all ones; coef[] is what the
 * steps read, and coef[0] must be the strength of weight decay: steps of weights without it, and of biases, are compiled
 * apart, with decay = 0. FN(<name>_state) says from coef how many slots are kept, so that the others are not touched. Included once
 * without the words (rows only), once with NNC_REGISTRY (the plain C) and once per ISA and type with the words. */
#ifndef NNC_OPS_OPTIMIZERS_H
#define NNC_OPS_OPTIMIZERS_H
/*      name, class name in Python, formula, source, hyperparameters with their defaults */
#define NNC_OPTIMIZER_LIST(X)                                                                                          \
    X(sgd, "SGD", "g += weight_decay p; v = momentum v + g; p -= learning_rate (g + momentum v if nesterov else v)",   \
      "Sutskever et al. 2013, On the importance of initialization and momentum in deep learning",                      \
      "learning_rate=0.01 momentum=0 nesterov=0 weight_decay=0")                                                       \
    X(adam, "Adam",                                                                                                    \
      "g += weight_decay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; "                              \
      "p -= learning_rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)",                                    \
      "Kingma and Ba 2015, Adam: a method for stochastic optimization",                                                \
      "learning_rate=0.001 beta1=0.9 beta2=0.999 epsilon=1e-08 weight_decay=0")                                        \
    X(adamw, "AdamW",                                                                                                  \
      "p -= learning_rate weight_decay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; "                \
      "p -= learning_rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)",                                    \
      "Loshchilov and Hutter 2019, Decoupled weight decay regularization",                                             \
      "learning_rate=0.001 beta1=0.9 beta2=0.999 epsilon=1e-08 weight_decay=0.01")

/* Adam's first moment is kept times this power of two, which changes no other bit: a weight that no longer gets a gradient
 * then takes twice as long to reach the subnormal numbers, which are slow, and where a division's remainder is not exact. Its
 * second moment is kept over 1 - beta2, as a sum: that spares a multiplication. */
#define NNC_ADAM_UNIT 0x1p64
#endif

#ifdef NNC_REGISTRY
#include <math.h>

static int nnc_sgd_slots(const double *hyper) { return hyper[1] != 0; }
static void nnc_sgd_prepare(const double *hyper, double *carry, double *coef) {
    const double momentum = hyper[1], nesterov = hyper[2];
    (void)carry;
    coef[0] = hyper[3];
    coef[1] = hyper[0];
    coef[2] = momentum;
    coef[3] = nesterov != 0 ? 1 : 0;        /* the direction is coef[3] g + coef[4] v */
    coef[4] = nesterov != 0 ? momentum : 1;
}

static void nnc_sgd_rescale(const double *before, const double *now, double *scale) {
    (void)before, (void)now;
    scale[0] = scale[1] = 1;
}

static int nnc_adam_slots(const double *hyper) {
    (void)hyper;
    return 2;
}
static void nnc_adam_prepare(const double *hyper, double *carry, double *coef) {
    const double rate = hyper[0], beta1 = hyper[1], beta2 = hyper[2];
    carry[0] *= beta1; /* beta1^t and beta2^t, as running products, which must not become subnormal numbers: those are slow */
    carry[1] *= beta2;
    if (carry[0] < 1e-300) carry[0] = 0;
    if (carry[1] < 1e-300) carry[1] = 0;
    coef[0] = hyper[4];
    coef[1] = rate / (1 - carry[0]) / NNC_ADAM_UNIT;
    coef[2] = sqrt((1 - beta2) / (1 - carry[1]));
    coef[3] = beta1;
    coef[4] = beta2;
    coef[5] = (1 - beta1) * NNC_ADAM_UNIT;
    coef[6] = hyper[3];
}

static void nnc_adam_rescale(const double *before, const double *now, double *scale) {
    scale[0] = 1;
    scale[1] = before[2] == now[2] ? 1 : (1 - before[2]) / (1 - now[2]); /* it is kept over 1 - beta2 */
}

static int nnc_adamw_slots(const double *hyper) { return nnc_adam_slots(hyper); }
static void nnc_adamw_prepare(const double *hyper, double *carry, double *coef) {
    nnc_adam_prepare(hyper, carry, coef);
    coef[0] = hyper[0] * hyper[4];
}
static void nnc_adamw_rescale(const double *before, const double *now, double *scale) { nnc_adam_rescale(before, now, scale); }
#endif

#ifdef NNC_REAL

INLINE int FN(sgd_state)(const double *coef) { return coef[2] != 0; }
INLINE vec FN(sgd_step)(const vec *c, int slots, int decay, int odd, vec p, vec g, vec *s0, vec *s1) {
    (void)s1, (void)odd;
    if (decay) g = v_fma(c[0], p, g);
    if (!slots) return v_fnma(c[1], g, p);
    *s0 = v_fma(c[2], *s0, g);
    return v_fnma(c[1], v_fma(c[4], *s0, c[3] * g), p);
}

/* the moments in *m and *v, and p after the step */
INLINE vec FN(adam_moments)(const vec *c, int odd, vec p, vec g, vec *m, vec *v) {
    *m = v_fma(c[3], *m, c[5] * g);
    *v = v_fma(c[4], *v, g * g);
    return v_fnma(c[1], v_over_root(*m, *v, c[2], c[6], odd), p);
}

INLINE int FN(adam_state)(const double *coef) {
    (void)coef;
    return 2;
}
INLINE vec FN(adam_step)(const vec *c, int slots, int decay, int odd, vec p, vec g, vec *s0, vec *s1) {
    (void)slots;
    if (decay) g = v_fma(c[0], p, g);
    return FN(adam_moments)(c, odd, p, g, s0, s1);
}

INLINE int FN(adamw_state)(const double *coef) {
    (void)coef;
    return 2;
}
INLINE vec FN(adamw_step)(const vec *c, int slots, int decay, int odd, vec p, vec g, vec *s0, vec *s1) {
    (void)slots;
    if (decay) p = v_fnma(c[0], p, p);
    return FN(adam_moments)(c, odd, p, g, s0, s1);
}

#endif
