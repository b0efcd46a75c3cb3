/* test_math.c: the formulas of csrc/ through the kernel table, on every ISA that this machine has, in both types.
 *
 *     cc -O2 -std=gnu11 -Icsrc tests/ctest/test_math.c csrc/(all).c csrc/isa/(all).c -lm -lpthread -o test_math
 *     test_math            checks accuracy, special values, edges; prints a table; exit code 1 and FAIL lines when something is off
 *     test_math --hash     one line "<type> <kernel> <hash>" per kernel for each ISA: equal on every ISA that has FMA
 *
 * The references are plain long double and libm: a second statement of every formula. A new row in csrc/ops must be
 * given one here (references, loss_reference or optimizer_reference), or the test fails. */
#include "nnc.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef long double wide;

static int failures;
static char where[200]; /* ISA, type and kernel under test, for messages */
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            if (failures++ < 40) {                                                                                     \
                printf("FAIL %s: ", where);                                                                            \
                printf(__VA_ARGS__);                                                                                   \
                printf("\n");                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/* ---- buffers of either type -------------------------------------------------------------------------------------- */

typedef struct {
    void *p;
    int f64;
} buffer;
static buffer make(long n, int f64) {
    const size_t bytes = (size_t)n * (f64 ? 8 : 4) + 2 * NNC_SLACK;
    buffer b = {aligned_alloc(NNC_ALIGN, (bytes + NNC_ALIGN - 1) / NNC_ALIGN * NNC_ALIGN), f64};
    memset(b.p, 0xFF, (bytes + NNC_ALIGN - 1) / NNC_ALIGN * NNC_ALIGN); /* nan everywhere */
    return b;
}
static double at(buffer b, long i) { return b.f64 ? ((double *)b.p)[i] : (double)((float *)b.p)[i]; }
static double put(buffer b, long i, double x) { /* returns what was kept */
    if (b.f64) ((double *)b.p)[i] = x;
    else ((float *)b.p)[i] = (float)x;
    return at(b, i);
}
static void copy(buffer to, buffer from, long n) { memcpy(to.p, from.p, (size_t)n * (to.f64 ? 8 : 4)); }
static int same(buffer a, long i, buffer b, long j) {
    const int size = a.f64 ? 8 : 4;
    return !memcmp((char *)a.p + i * size, (char *)b.p + j * size, (size_t)size);
}
static int untouched(buffer a, long i) {
    static const unsigned char ff[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    const int size = a.f64 ? 8 : 4;
    return !memcmp((char *)a.p + i * size, ff, (size_t)size);
}
static double eps(int f64) { return f64 ? DBL_EPSILON : FLT_EPSILON; }
static double tiny(int f64) { return f64 ? DBL_MIN : FLT_MIN; }
static long padded(long cols, int f64) {
    const long unit = f64 ? 8 : 16;
    return (cols + unit - 1) / unit * unit;
}
static uint64_t seed;
static double uniform(void) { return (double)(nnc_mix(seed++) >> 11) * 0x1p-53; } /* [0, 1) */

/* |got - want| in units of the last place of `size` (at least |want|); what is below the normal range counts as zero */
static double flush; /* results of formulas that multiply a vanishing factor by a large one vanish that much earlier */
static double ulps(double got, wide want, wide size, int f64) {
    if (isnan(got) || isnan((double)want)) return isnan(got) && isnan((double)want) ? 0 : INFINITY;
    if (isinf(got) || isinf((double)want)) return got == (double)want ? 0 : INFINITY;
    if (fabsl(want) > size) size = fabsl(want);
    const wide error = fabsl((wide)got - want);
    if (error <= (2 + flush) * (wide)tiny(f64)) return 0;
    int exponent;
    frexpl(size, &exponent);
    return (double)(error / ldexpl((wide)eps(f64), exponent - 1));
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* slope in terms of what it is computed from; *size: the magnitude of its largest term, where terms cancel */
#define SLOPE(name, expression, largest)                                                                               \
    static wide name(wide s, wide *size) {                                                                             \
        *size = fabsl((wide)(largest));                                                                                \
        return (expression);                                                                                           \
    }
static wide cdf(wide z) { return erfcl(-z * sqrtl(0.5L)) / 2; }
static wide pdf(wide z) { return expl(-z * z / 2) * 0.398942280401432677939946L; }
static wide logistic(wide z) { return 1 / (1 + expl(-z)); }
static wide identity_value(wide z) { return z; }
static wide relu_value(wide z) { return z > 0 ? z : z != z ? z : 0; }
static wide leaky_relu_value(wide z) { return z > 0 ? z : z * 0.01L; }
static wide gelu_value(wide z) { return isinf((double)z) ? (z > 0 ? z : 0) : z * cdf(z); }
static wide silu_value(wide z) { return isinf((double)z) ? (z > 0 ? z : 0) : z * logistic(z); }
static wide softplus_value(wide z) { return z > 0 ? z + log1pl(expl(-z)) : log1pl(expl(z)); }
SLOPE(identity_slope, 1 + 0 * s, 1)
SLOPE(relu_slope, s > 0, 1)
SLOPE(leaky_relu_slope, s > 0 ? 1 : 0.01L, 0)
SLOPE(tanh_slope, (1 - s) * (1 + s), 0)
SLOPE(sigmoid_slope, s * (1 - s), 0)
SLOPE(gelu_slope, isinf((double)s) ? s > 0 : cdf(s) + s * pdf(s), isinf((double)s) ? 1 : s * pdf(s))
SLOPE(silu_slope, isinf((double)s) ? s > 0 : logistic(s) + s * logistic(s) * logistic(-s),
      isinf((double)s) ? 1 : s * logistic(s) * logistic(-s))
SLOPE(softplus_slope, -expm1l(-s), 0)

static const struct {
    const char *name;
    wide (*value)(wide), (*slope)(wide, wide *);
    double low, high;                 /* where saved lies, for the sweep of the slope */
    double value_ulp[2], slope_ulp[2]; /* allowed, float32 and float64 */
} references[] = {
    {"identity", identity_value, identity_slope, -9, 9, {0, 0}, {0, 0}},
    {"relu", relu_value, relu_slope, 0, 9, {0, 0}, {0, 0}},
    {"leaky_relu", leaky_relu_value, leaky_relu_slope, -9, 9, {2, 1}, {0.5, 0.5}},
    {"tanh", tanhl, tanh_slope, -1, 1, {5, 2.5}, {0.6, 0.6}},
    {"sigmoid", logistic, sigmoid_slope, 0, 1, {2.5, 2.5}, {0.6, 0.6}},
    {"gelu", gelu_value, gelu_slope, -14, 14, {6.5, 6.5}, {6, 6}},
    {"silu", silu_value, silu_slope, -20, 20, {3, 3}, {5, 5}},
    {"softplus", softplus_value, softplus_slope, 0, 30, {2, 2}, {2, 2}},
};
enum { REFERENCES = sizeof(references) / sizeof(references[0]) };

static int reference_of(const char *name) {
    for (int i = 0; i < REFERENCES; i++)
        if (!strcmp(references[i].name, name)) return i;
    return -1;
}

/* Numbers to try: special ones, every power of ten of both signs, a dense middle, and (float32) bit patterns of
 * every kind. */
static long fill(buffer b, long n, double low, double high) {
    static const double special[] = {0.0, -0.0, 1, -1, 88.7, -88.7, 87.3, -87.3, 87.4, -87.4, 88.1, -88.1, 103.9, -104.5,
                                     708.3, -708.3, 709.2, -709.2, 745.2, -745.2, 9.01, -9.01, 19.06, -19.06, 1e30, -1e30};
    long k = 0;
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) put(b, k++, special[i]);
    put(b, k++, b.f64 ? DBL_MAX : FLT_MAX), put(b, k++, b.f64 ? -DBL_MAX : -FLT_MAX);
    put(b, k++, tiny(b.f64)), put(b, k++, -tiny(b.f64) / 8), put(b, k++, INFINITY), put(b, k++, -INFINITY), put(b, k++, NAN);
    for (int e = -44; e < 39; e++) put(b, k++, pow(10, e)), put(b, k++, -pow(10, e));
    while (k < n) {
        const double u = uniform();
        double x;
        switch (k % 4) {
        case 0: x = low + (high - low) * u; break;
        case 1: x = (low + (high - low) * u) * pow(10, -8 * uniform()); break;
        case 2: x = -110 + 220 * u; break;
        default: x = (u < 0.5 ? 1 : -1) * exp2(-30 + 40 * uniform());
        }
        put(b, k++, x);
    }
    return n;
}

static int rounds_twice(const nnc_kernels *kernels) {
#ifdef __FP_FAST_FMA
    (void)kernels;
    return 0;
#else
    return !strcmp(kernels->isa, "generic");
#endif
}

static void test_activation(const nnc_kernels *kernels, int f64, int a, double *value_worst, double *slope_worst) {
    const nnc_activation_info *info = &nnc_activation_table[a];
    const int r = reference_of(info->name);
    const long n = f64 ? 60000 : 400000;
    double value_x = 0, slope_x = 0;
    /* Where a * b + c is rounded twice, what cancels keeps an error of the order of its terms. */
    const double rough = rounds_twice(kernels) ? info->reads == NNC_READS_INPUT ? 100 : 1.5 : 1;
    *value_worst = *slope_worst = 0;
    CHECK(r >= 0, "has no reference in tests/ctest/test_math.c");
    if (r < 0) return;
    buffer z = make(n, f64), y = make(n, f64), d = make(n, f64);
    const double low = info->reads == NNC_READS_INPUT ? references[r].low : -20, high = -low;
    fill(z, n, low, high);
    flush = info->reads == NNC_READS_INPUT ? f64 ? 2048 : 256 : 0;
    copy(y, z, n);
    kernels->forward[a](n, 1, y.p, 1, NULL, y.p, 1, info->parameter_default);
    for (long i = 0; i < n; i++) {
        const double error = ulps(at(y, i), references[r].value((wide)at(z, i)), 0, f64);
        if (error > *value_worst) *value_worst = error, value_x = at(z, i);
    }
    CHECK(*value_worst <= rough * references[r].value_ulp[f64], "value is %.3g ULP off at %.17g", *value_worst, value_x);
    fill(z, n, references[r].low, references[r].high);
    for (long i = 0; i < n; i++) {
        if (info->reads == NNC_READS_OUTPUT && !(at(z, i) >= references[r].low && at(z, i) <= references[r].high))
            put(z, i, references[r].low + (references[r].high - references[r].low) * uniform());
        put(d, i, 1);
    }
    kernels->backward[a](n, 1, d.p, 1, z.p, 1, info->parameter_default);
    for (long i = 0; i < n; i++) {
        wide size;
        const wide want = references[r].slope((wide)at(z, i), &size);
        const double error = ulps(at(d, i), want, isnan((double)size) ? 0 : rough > 1 && size < 1 ? 1 : size, f64);
        if (isnan(at(z, i)) && !strcmp(info->name, "identity")) continue;
        if (error > *slope_worst) *slope_worst = error, slope_x = at(z, i);
    }
    CHECK(*slope_worst <= rough * references[r].slope_ulp[f64], "slope is %.3g ULP off at %.17g", *slope_worst, slope_x);
    flush = 0;
    free(z.p), free(y.p), free(d.p);
}

/* Matrices of every width: the same bits as the flat walk, whatever stands in the padding, and nothing written where
 * it must not be. */
static void test_activation_edges(const nnc_kernels *kernels, int f64, int a) {
    const nnc_activation_info *info = &nnc_activation_table[a];
    const double parameter = info->parameter_default;
    for (long cols = 1; cols <= 70; cols++)
        for (int mode = 0; mode < 4; mode++) { /* bit 0: with bias; bit 1: y apart from z */
            const int with_bias = mode & 1, apart = mode >> 1;
            const long rows = 3, row = padded(cols, f64) + (cols % 3 ? 0 : padded(1, f64)), n = rows * row;
            buffer z = make(n, f64), y = make(n, f64), bias = make(cols, f64), flat = make(rows * cols, f64);
            for (long j = 0; j < cols; j++) put(bias, j, uniform() - 0.5);
            for (long i = 0; i < rows; i++)
                for (long j = 0; j < cols; j++) {
                    put(z, i * row + j, 8 * uniform() - 4);
                    if (f64) put(flat, i * cols + j, at(z, i * row + j) + (with_bias ? at(bias, j) : 0));
                    else put(flat, i * cols + j, (float)at(z, i * row + j) + (with_bias ? (float)at(bias, j) : 0.0f));
                }
            buffer sum = make(rows * cols, f64), out = apart ? y : z;
            copy(sum, flat, rows * cols);
            kernels->forward[a](rows, cols, z.p, row, with_bias ? bias.p : NULL, out.p, row, parameter);
            if (!info->rowwise) {
                kernels->forward[a](rows * cols, 1, flat.p, 1, NULL, flat.p, 1, parameter);
                CHECK(untouched(flat, rows * cols), "wrote beyond a flat vector of %ld", rows * cols);
            }
            for (long i = 0; i < rows; i++) {
                wide total = 0, top = -INFINITY;
                for (long j = 0; j < cols; j++) top = fmaxl(top, at(sum, i * cols + j));
                for (long j = 0; j < cols; j++) total += expl(at(sum, i * cols + j) - top);
                for (long j = 0; j < cols; j++) {
                    if (info->rowwise) {
                        const double off = ulps(at(out, i * row + j), expl(at(sum, i * cols + j) - top) / total, 0, f64);
                        CHECK(off <= 4 + fabsl(at(sum, i * cols + j) - top), "%.3g ULP off in row of %ld", off, cols); /* z - max is rounded */
                    } else {
                        CHECK(same(out, i * row + j, flat, i * cols + j), "(%ld,%ld) of %ld columns, mode %d, is %.9g, not %.9g", i,
                              j, cols, mode, at(out, i * row + j), at(flat, i * cols + j));
                    }
                    if (apart) CHECK(same(z, i * row + j, sum, i * cols + j), "z + bias was not left in z");
                }
            }
            /* backward of the same: dy = 1 + ...; flat against matrix */
            buffer dy = make(n, f64), dflat = make(rows * cols, f64), saved = make(rows * cols, f64);
            for (long i = 0; i < rows; i++)
                for (long j = 0; j < cols; j++) {
                    put(dflat, i * cols + j, put(dy, i * row + j, uniform() - 0.5));
                    put(saved, i * cols + j, at(out, i * row + j));
                }
            buffer before = make(rows * cols, f64);
            copy(before, dflat, rows * cols);
            kernels->backward[a](rows, cols, dy.p, row, out.p, row, parameter);
            if (!info->rowwise) kernels->backward[a](rows * cols, 1, dflat.p, 1, saved.p, 1, parameter);
            for (long i = 0; i < rows; i++) {
                wide dot = 0, size = 0;
                for (long j = 0; j < cols; j++) {
                    dot += (wide)at(before, i * cols + j) * at(saved, i * cols + j);
                    size += fabsl((wide)at(before, i * cols + j) * at(saved, i * cols + j));
                }
                for (long j = 0; j < cols; j++) {
                    const wide p = at(saved, i * cols + j), g = at(before, i * cols + j);
                    if (info->rowwise)
                        CHECK(fabsl(at(dy, i * row + j) - p * (g - dot)) <= 8 * eps(f64) * p * (fabsl(g) + size),
                              "backward (%ld,%ld) of %ld columns", i, j, cols);
                    else
                        CHECK(same(dy, i * row + j, dflat, i * cols + j), "backward (%ld,%ld) of %ld columns differs from the flat one",
                              i, j, cols);
                }
            }
            free(z.p), free(y.p), free(bias.p), free(flat.p), free(sum.p), free(dy.p), free(dflat.p), free(saved.p), free(before.p);
        }
}

/* ---- losses ------------------------------------------------------------------------------------------------------ */

static wide log_sum_exp(const wide *z, long n) {
    wide top = -INFINITY, sum = 0;
    for (long j = 0; j < n; j++) top = fmaxl(top, z[j]);
    for (long j = 0; j < n; j++) sum += expl(z[j] - top);
    return top + logl(sum);
}
/* the loss of a row, its gradient, and the magnitude against which errors are measured; returns 0 for a name it does
 * not know */
static int loss_reference(const char *name, long n, const wide *o, const wide *t, wide *loss, wide *size, wide *g) {
    *loss = *size = 0;
    if (!strcmp(name, "mse") || !strcmp(name, "sse")) {
        for (long j = 0; j < n; j++) *loss += (o[j] - t[j]) * (o[j] - t[j]), g[j] = 2 * (o[j] - t[j]);
        *size = *loss;
    } else if (!strcmp(name, "cross_entropy")) {
        wide mass = 0, top = -INFINITY;
        const wide lse = log_sum_exp(o, n);
        for (long j = 0; j < n; j++) mass += t[j], top = fmaxl(top, o[j]);
        for (long j = 0; j < n; j++) *loss += t[j] * (lse - o[j]), g[j] = expl(o[j] - lse) * mass - t[j];
        for (long j = 0; j < n; j++) *size += fabsl(t[j]) * (1 + lse - top + (top - o[j]));
    } else if (!strcmp(name, "binary_cross_entropy")) {
        for (long j = 0; j < n; j++) {
            const wide each = softplus_value(o[j]) - o[j] * t[j];
            *loss += each, *size += fabsl(softplus_value(o[j])) + fabsl(o[j] * t[j]), g[j] = logistic(o[j]) - t[j];
        }
    } else return 0;
    return 1;
}

static void test_loss(const nnc_kernels *kernels, int f64, int which, double *loss_worst, double *gradient_worst) {
    const nnc_loss_info *info = &nnc_loss_table[which];
    *loss_worst = *gradient_worst = 0;
    for (int scale_of_o = 0; scale_of_o < 3; scale_of_o++) /* gentle, usual, and huge logits */
        for (long cols = 1; cols <= 70; cols++) {
            const double range = scale_of_o == 0 ? 1 : scale_of_o == 1 ? 10 : 3000;
            const int flat = cols == 1;
            const long rows = flat ? 21 : 3, row = flat ? 1 : padded(cols, f64), t_row = flat ? 1 : cols;
            buffer o = make(rows * row, f64), t = make(rows * t_row, f64), dz = make(rows * row, f64);
            double loss[22], loss2[22];
            loss[rows] = -7;
            for (long i = 0; i < rows; i++) {
                const long hot = (long)(uniform() * (double)cols);
                for (long j = 0; j < cols; j++) {
                    put(o, i * row + j, range * (2 * uniform() - 1));
                    put(t, i * t_row + j, i % 3 == 2 ? uniform() : j == hot);
                }
            }
            buffer o2 = make(rows * row, f64);
            copy(o2, o, rows * row);
            const double scale = 1.0 / 16;
            kernels->loss[which](rows, cols, o.p, row, t.p, t_row, dz.p, row, scale, loss);
            kernels->loss[which](rows, cols, o.p, row, t.p, t_row, NULL, 0, scale, loss2);
            CHECK(!memcmp(loss, loss2, sizeof(double) * (size_t)rows), "loss differs without dz");
            CHECK(loss[rows] == -7, "wrote beyond row_loss");
            if (flat) CHECK(untouched(dz, rows), "wrote beyond a flat dz");
            kernels->loss[which](rows, cols, o2.p, row, t.p, t_row, o2.p, row, scale, loss2); /* in place */
            for (long i = 0; i < rows; i++) {
                wide wo[70], wt[70], g[70], want, size;
                for (long j = 0; j < cols; j++) wo[j] = at(o, i * row + j), wt[j] = at(t, i * t_row + j);
                const int known = loss_reference(info->name, cols, wo, wt, &want, &size, g);
                CHECK(known, "has no reference in tests/ctest/test_math.c");
                if (!known) return;
                CHECK(isfinite(loss[i]), "loss %g of finite numbers", loss[i]);
                const double error = ulps(loss[i], want, size, f64);
                if (error > *loss_worst) *loss_worst = error;
                CHECK(error <= 12, "loss %.17g is not %.17Lg (%.3g ULP, %ld columns)", loss[i], want, error, cols);
                for (long j = 0; j < cols; j++) {
                    const double off = ulps(at(dz, i * row + j), g[j] * scale, scale * (info->link >= 0 ? 1 : 0), f64);
                    if (off > *gradient_worst) *gradient_worst = off;
                    CHECK(off <= 6, "gradient %.17g is not %.17Lg (%ld columns)", at(dz, i * row + j), g[j] * scale, cols);
                    CHECK(same(dz, i * row + j, o2, i * row + j), "gradient in place differs");
                }
            }
            free(o.p), free(t.p), free(dz.p), free(o2.p);
        }
}

/* ---- optimizers -------------------------------------------------------------------------------------------------- */

/* one step as PyTorch writes it; t counts from 1; returns 0 for a name it does not know */
static int optimizer_reference(const char *name, const double *h, int t, int decay, wide *p, wide g, wide *s0, wide *s1) {
    if (!strcmp(name, "sgd")) {
        if (decay) g += h[3] * *p;
        if (h[1] != 0) {
            *s0 = h[1] * *s0 + g;
            g = h[2] != 0 ? g + h[1] * *s0 : *s0;
        }
        *p -= h[0] * g;
    } else if (!strcmp(name, "adam") || !strcmp(name, "adamw")) {
        if (decay && name[4] == 0) g += h[4] * *p;
        if (decay && name[4] == 'w') *p -= h[0] * h[4] * *p;
        *s0 = h[1] * *s0 + (1 - (wide)h[1]) * g;
        *s1 = h[2] * *s1 + (1 - (wide)h[2]) * g * g;
        const wide bc1 = 1 - powl(h[1], t), bc2 = 1 - powl(h[2], t);
        *p -= h[0] / bc1 * *s0 / (sqrtl(*s1) / sqrtl(bc2) + h[3]);
    } else return 0;
    return 1;
}

static int parse_defaults(const char *text, double *hyper) {
    int n = 0;
    for (const char *s = text; (s = strchr(s, '=')) != NULL;) hyper[n++] = strtod(++s, NULL);
    return n;
}

/* variants of hyperparameters: index, value */
static void test_optimizer(const nnc_kernels *kernels, int f64, int which, double *worst) {
    const nnc_optimizer_info *info = &nnc_optimizer_table[which];
    *worst = 0;
    for (int variant = 0; variant < 6; variant++) {
        double hyper[NNC_COEFS] = {0};
        parse_defaults(info->hyperparameters, hyper);
        if (!strcmp(info->name, "sgd")) {
            if (variant == 1 || variant == 2) hyper[1] = 0.9;
            if (variant == 2) hyper[2] = 1;
            if (variant >= 3) hyper[3] = 0.1;
            if (variant == 5) hyper[1] = 0.5;
        } else {
            if (variant == 1) hyper[4] = 0.1;
            if (variant == 2) hyper[3] = 1e-4;
            if (variant == 3) hyper[1] = 0.5, hyper[2] = 0.9;
            if (variant == 4) hyper[0] = 0.5;
        }
        const int decay = variant != 4, slots = info->slots(hyper);
        const double unit = slots == 2 ? NNC_ADAM_UNIT : 1; /* of the first slot */
        for (long cols = 1; cols <= 70; cols++) {
            const int flat = cols % 2;
            const long rows = 3, row = flat ? cols : padded(cols, f64) + 8, n = rows * row;
            buffer p = make(n, f64), g = make(n, f64), s0 = make(n, f64), s1 = make(n, f64);
            wide was[3 * 96], wp[3 * 96], w0[3 * 96] = {0}, w1[3 * 96] = {0};
            double carry[NNC_COEFS], coef[NNC_COEFS] = {0};
            int trouble = 0;
            for (int i = 0; i < NNC_COEFS; i++) carry[i] = 1;
            for (long i = 0; i < rows; i++)
                for (long j = 0; j < cols; j++) {
                    const long k = i * row + j;
                    wp[k] = put(p, k, uniform() < 0.3 ? 0 : uniform() - 0.5);
                    if (slots > 0) put(s0, k, 0);
                    if (slots > 1) put(s1, k, 0);
                }
            for (int t = 1; t <= 6; t++) {
                info->prepare(hyper, carry, coef);
                const double size = pow(10, 12 * uniform() - 8);
                for (long i = 0; i < rows; i++)
                    for (long j = 0; j < cols; j++) {
                        const long k = i * row + j;
                        const double x = put(g, k, uniform() < 0.1 ? 0 : size * (uniform() - 0.5));
                        was[k] = wp[k];
                        if (!optimizer_reference(info->name, hyper, t, decay, &wp[k], x, &w0[k], &w1[k])) {
                            CHECK(0, "has no reference in tests/ctest/test_math.c");
                            return;
                        }
                    }
                kernels->update[which](rows, cols, g.p, row, p.p, s0.p, s1.p, row, coef, decay, &trouble);
                const wide largest = slots == 2 ? 1 : 3 * size; /* of terms that may cancel within a step */
                for (long i = 0; i < rows; i++)
                    for (long j = 0; j < row && i * row + j < n; j++) {
                        const long k = i * row + j;
                        if (j >= cols) {
                            CHECK(untouched(p, k) && untouched(s0, k) && untouched(s1, k), "wrote beyond column %ld", cols);
                            continue;
                        }
                        /* p may be rounded (twice, by adamw); the step, as good as its coefficients (1 - beta2^t is
                         * what double leaves of it) */
                        const wide step = fabsl(wp[k] - was[k]) + 1e-6L * fabsl(was[k]) * hyper[0];
                        const wide off = fabsl(at(p, k) - wp[k]) - 1.02L * eps(f64) * fabsl(wp[k]);
                        const wide loose = slots == 2 ? 2 * t * DBL_EPSILON / (1 - hyper[2]) : 0;
                        const double error = (double)(off / (step + largest * hyper[0]) - loose) / eps(f64);
                        if (error > *worst) *worst = error;
                        CHECK(error <= 6, "p %.9g is not %.9Lg (%.3g eps of the step, step %d, variant %d)", at(p, k), wp[k], error,
                              t, variant);
                        wp[k] = at(p, k); /* errors of one step only */
                        if (slots > 0) w0[k] = at(s0, k) / unit;
                        if (slots > 1) w1[k] = at(s1, k);
                        if (slots < 1) CHECK(untouched(s0, k), "touched a slot that it does not need");
                        if (slots < 2) CHECK(untouched(s1, k), "touched a slot that it does not need");
                    }
                CHECK(untouched(p, n) && untouched(s0, n) && untouched(s1, n), "wrote beyond the end");
            }
            CHECK(trouble == 0, "trouble with finite numbers");
            if (slots < 1) { /* no slots at all */
                kernels->update[which](rows, cols, g.p, row, p.p, NULL, NULL, row, coef, decay, &trouble);
            }
            /* one bad gradient: its weight stays, the others move, trouble is reported */
            const long bad = row + cols / 2;
            const double old = at(p, bad);
            put(g, bad, variant % 2 ? NAN : INFINITY);
            kernels->update[which](rows, cols, g.p, row, p.p, s0.p, s1.p, row, coef, decay, &trouble);
            CHECK(trouble == 1, "a gradient of nan or inf is no trouble");
            CHECK(at(p, bad) == old, "a weight went from %g to %g", old, at(p, bad));
            free(p.p), free(g.p), free(s0.p), free(s1.p);
        }
    }
}

/* Adam's first step from p = 0 is learning_rate * sign(g) for gradients of any size, down to where epsilon takes
 * over. */
static void test_adam_range(const nnc_kernels *kernels, int f64, double *worst) {
    const nnc_optimizer_info *info = &nnc_optimizer_table[NNC_adam];
    static const double epsilons[] = {1e-8, 1e-3, 1e-12, 1e-15};
    for (int e = 0; e < 4; e++) {
        double hyper[NNC_COEFS] = {0}, carry[NNC_COEFS], coef[NNC_COEFS] = {0};
        int trouble = 0;
        enum { N = 40000 };
        parse_defaults(info->hyperparameters, hyper);
        hyper[3] = epsilons[e];
        for (int i = 0; i < NNC_COEFS; i++) carry[i] = 1;
        info->prepare(hyper, carry, coef);
        buffer p = make(N, f64), g = make(N, f64), m = make(N, f64), v = make(N, f64);
        wide want[N], m_want[N], v_want[N];
        for (long i = 0; i < N; i++) {
            double root = pow(10, -23 + 40 * uniform());
            if (i < 10) root = 0;
            else if (i < 20) root = sqrt(1e-41);
            put(p, i, 0), put(g, i, 0);
            m_want[i] = put(m, i, (uniform() - 0.5) * root * 3 * NNC_ADAM_UNIT) / NNC_ADAM_UNIT;
            v_want[i] = put(v, i, root * root);
            want[i] = -(wide)hyper[0] / (1 - (wide)hyper[1]) * (m_want[i] * hyper[1]) /
                      (sqrtl(v_want[i] * hyper[2]) / sqrtl(1 - (wide)hyper[2]) + hyper[3]);
        }
        kernels->update[NNC_adam](1, N, g.p, N, p.p, m.p, v.p, N, coef, 1, &trouble);
        for (long i = 0; i < N; i++) {
            const double error = ulps(at(p, i), want[i], 0, f64);
            const int subnormal = fabsl(m_want[i]) < 32 * tiny(f64) || (v_want[i] > 0 && v_want[i] < 2 * tiny(f64));
            if (!subnormal && error > *worst) *worst = error;
            if (subnormal) CHECK(fabsl(at(p, i) - want[i]) <= fabsl(want[i]) * (epsilons[e] < 1e-13 ? 1e-2 : 1e-4) + 1e-3 * 32 * tiny(f64) / epsilons[e],
                                 "step for v = %Lg, m = %Lg is %.9g, not %.9Lg", v_want[i], m_want[i], at(p, i), want[i]);
            else CHECK(error <= 5, "step for v = %Lg, m = %Lg, epsilon = %g is %.9g, not %.9Lg (%.3g ULP)", v_want[i], m_want[i],
                       epsilons[e], at(p, i), want[i], error);
        }
        CHECK(!trouble, "trouble with finite numbers");
        free(p.p), free(g.p), free(m.p), free(v.p);
    }
}

/* ---- dropout ----------------------------------------------------------------------------------------------------- */

static void test_dropout(const nnc_kernels *kernels, int f64) {
    static const double rates[] = {0, 0.1, 0.5, 0.9};
    const long rows = 400, cols = 333, row = padded(cols, f64);
    buffer x = make(rows * row, f64), y = make(rows * row, f64), part = make(rows * row, f64);
    for (int r = 0; r < 4; r++) {
        const double rate = rates[r], kept = f64 ? 1 / (1 - rate) : (double)(float)(1 / (1 - rate)), n = (double)(rows * cols);
        long dropped = 0, pairs = 0, columns[333] = {0};
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < cols; j++) put(x, i * row + j, 1);
        kernels->dropout(rows, cols, x.p, row, y.p, row, rate, 42, 7);
        kernels->dropout(rows - 5, cols, x.p, row, part.p, row, rate, 42, 12);
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < cols; j++) {
                const double v = at(y, i * row + j);
                CHECK(v == 0 || v == kept, "%g is neither 0 nor %g", v, kept);
                if (v == 0) dropped++, columns[j]++;
                if (j && v == 0 && at(y, i * row + j - 1) == 0) pairs++;
                if (i >= 5) CHECK(same(y, i * row + j, part, (i - 5) * row + j), "depends on where the block begins");
            }
        CHECK(fabs((double)dropped - n * rate) <= 5 * sqrt(n * rate * (1 - rate)), "dropped %ld of %g at rate %g", dropped, n, rate);
        CHECK(fabs((double)pairs - n * rate * rate) <= 6 * sqrt(n * rate * rate) + (double)rows, "%ld neighbours dropped at rate %g", pairs, rate);
        for (long j = 0; j < cols; j++)
            CHECK(fabs((double)columns[j] - (double)rows * rate) <= 6 * sqrt((double)rows * rate * (1 - rate)), "column %ld dropped %ld times", j, columns[j]);
        kernels->dropout(rows, cols, x.p, row, part.p, row, rate, 43, 7);
        long differ = 0;
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < cols; j++) differ += !same(y, i * row + j, part, i * row + j);
        CHECK(rate == 0 ? differ == 0 : differ > 0.8 * 2 * rate * (1 - rate) * n, "another key gives the same mask");
    }
    free(x.p), free(y.p), free(part.p);
}

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

static uint64_t fnv(const void *p, size_t n, uint64_t h) {
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001B3u;
    return h;
}
static uint64_t hash_rows(buffer b, long rows, long cols, long row, uint64_t h) {
    const int size = b.f64 ? 8 : 4;
    for (long i = 0; i < rows; i++) h = fnv((char *)b.p + i * row * size, (size_t)(cols * size), h);
    return h;
}
/* both signs, magnitudes over so many powers of two; without libm, whose last bits differ between machines */
static double scattered(int octaves) {
    const double u = uniform() - 0.5;
    return ldexp(u, (int)(octaves * uniform()));
}
static void hash_kernels(const nnc_kernels *kernels, int f64) {
    enum { ROWS = 37, COLS = 531, ROW = 544, N = ROWS * ROW };
    const uint64_t basis = 0xCBF29CE484222325u;
    buffer x = make(N, f64), b = make(COLS, f64), y = make(N, f64), d = make(N, f64), s = make(N, f64), t = make(N, f64);
    const char *type = f64 ? "float64" : "float32";
    for (int a = 0; a < NNC_ACTIVATIONS; a++) {
        const nnc_activation_info *info = &nnc_activation_table[a];
        seed = 1000;
        for (long i = 0; i < N; i++) put(x, i, scattered(8)), put(d, i, uniform() - 0.5);
        for (long j = 0; j < COLS; j++) put(b, j, uniform() - 0.5);
        kernels->forward[a](ROWS, COLS, x.p, ROW, b.p, y.p, ROW, info->parameter_default);
        kernels->backward[a](ROWS, COLS, d.p, ROW, info->reads == NNC_READS_INPUT ? x.p : y.p, ROW, info->parameter_default);
        printf("%s forward_%s %016llx\n", type, info->name, (unsigned long long)hash_rows(y, ROWS, COLS, ROW, basis));
        printf("%s backward_%s %016llx\n", type, info->name, (unsigned long long)hash_rows(d, ROWS, COLS, ROW, basis));
    }
    for (int l = 0; l < NNC_LOSSES; l++) {
        double loss[ROWS];
        seed = 2000;
        for (long i = 0; i < N; i++) put(x, i, (uniform() - 0.5) * 20), put(t, i, uniform());
        kernels->loss[l](ROWS, COLS, x.p, ROW, t.p, ROW, d.p, ROW, 0.125, loss);
        uint64_t h = fnv(loss, sizeof(loss), basis);
        printf("%s loss_%s %016llx\n", type, nnc_loss_table[l].name, (unsigned long long)hash_rows(d, ROWS, COLS, ROW, h));
    }
    for (int o = 0; o < NNC_OPTIMIZERS; o++) {
        const nnc_optimizer_info *info = &nnc_optimizer_table[o];
        double hyper[NNC_COEFS] = {0}, carry[NNC_COEFS], coef[NNC_COEFS] = {0};
        int trouble = 0;
        parse_defaults(info->hyperparameters, hyper);
        if (o == NNC_sgd) hyper[1] = 0.9;
        for (int i = 0; i < NNC_COEFS; i++) carry[i] = 1;
        seed = 3000;
        for (long i = 0; i < N; i++) put(x, i, uniform() - 0.5), put(s, i, 0), put(t, i, 0);
        for (int step = 0; step < 5; step++) {
            for (long i = 0; i < N; i++) put(d, i, scattered(-20));
            info->prepare(hyper, carry, coef);
            kernels->update[o](ROWS, COLS, d.p, ROW, x.p, s.p, t.p, ROW, coef, 1, &trouble);
        }
        uint64_t h = hash_rows(x, ROWS, COLS, ROW, basis);
        h = hash_rows(s, ROWS, COLS, ROW, h);
        printf("%s update_%s %016llx\n", type, info->name, (unsigned long long)hash_rows(t, ROWS, COLS, ROW, h));
    }
    for (long i = 0; i < N; i++) put(x, i, uniform() - 0.5);
    kernels->dropout(ROWS, COLS, x.p, ROW, y.p, ROW, 0.3, 99, 5);
    printf("%s dropout %016llx\n", type, (unsigned long long)hash_rows(y, ROWS, COLS, ROW, basis));
    free(x.p), free(b.p), free(y.p), free(d.p), free(s.p), free(t.p);
}

int main(int argc, char **argv) {
    const int hash = argc > 1 && !strcmp(argv[1], "--hash");
    for (int isa = 0; isa < NNC_ISAS; isa++)
        for (int f64 = 0; f64 < NNC_DTYPES; f64++) {
            const nnc_kernels *kernels = nnc_kernels_of(isa, (enum nnc_dtype)f64);
            const char *type = f64 ? "float64" : "float32";
            double first, second;
            if (kernels == NULL) continue;
            if (hash) {
                if (!f64) printf("# %s\n", kernels->isa);
                hash_kernels(kernels, f64);
                continue;
            }
            seed = 1;
#define NAMED(name) snprintf(where, sizeof(where), "%s %s %s", kernels->isa, type, name)
            for (int a = 0; a < NNC_ACTIVATIONS; a++) {
                NAMED(nnc_activation_table[a].name);
                test_activation_edges(kernels, f64, a);
                if (nnc_activation_table[a].rowwise) continue;
                test_activation(kernels, f64, a, &first, &second);
                printf("%-36s value %6.3f  slope    %6.3f  ULP\n", where, first, second);
            }
            for (int l = 0; l < NNC_LOSSES; l++) {
                NAMED(nnc_loss_table[l].name);
                test_loss(kernels, f64, l, &first, &second);
                printf("%-36s value %6.3f  gradient %6.3f  ULP\n", where, first, second);
            }
            for (int o = 0; o < NNC_OPTIMIZERS; o++) {
                NAMED(nnc_optimizer_table[o].name);
                test_optimizer(kernels, f64, o, &first);
                second = 0;
                if (o == NNC_adam) test_adam_range(kernels, f64, &second);
                printf("%-36s steps %6.3f  range    %6.3f  ULP\n", where, first, second);
            }
            NAMED("dropout");
            test_dropout(kernels, f64);
        }
    if (failures) printf("%d failures\n", failures);
    else if (!hash) printf("all good\n");
    return failures != 0;
}
