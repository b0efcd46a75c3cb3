/* test_math.c: activations and losses of csrc/ through the kernel table, on every ISA that this machine has, in both types.
 *
 *     cc -O2 -std=gnu11 -Icsrc tests/ctest/test_math.c csrc/(all).c csrc/isa/(all).c -lm -lpthread -o test_math
 *     test_math            checks accuracy, special values, edges; prints a table; exit code 1 and FAIL lines when something is off
 *     test_math --hash     one line "<type> <kernel> <hash>" per kernel for each ISA: equal on every ISA that has FMA
 *
 * The references are plain long double and libm: a second statement of every formula. A new row in csrc/ops must be
 * given one here (references or loss_reference), or the test fails; an optimizer has its in test_optimizers.c. */
#include "harness.h"

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

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void hash_kernels(const nnc_kernels *kernels, int f64) {
    enum { ROWS = 37, COLS = 531, ROW = 544, N = ROWS * ROW };
    buffer x = make(N, f64), b = make(COLS, f64), y = make(N, f64), d = make(N, f64), t = make(N, f64);
    for (int a = 0; a < NNC_ACTIVATIONS; a++) {
        const nnc_activation_info *info = &nnc_activation_table[a];
        seed = 1000;
        for (long i = 0; i < N; i++) put(x, i, scattered(8)), put(d, i, uniform() - 0.5);
        for (long j = 0; j < COLS; j++) put(b, j, uniform() - 0.5);
        kernels->forward[a](ROWS, COLS, x.p, ROW, b.p, y.p, ROW, info->parameter_default);
        kernels->backward[a](ROWS, COLS, d.p, ROW, info->reads == NNC_READS_INPUT ? x.p : y.p, ROW, info->parameter_default);
        print_hash(f64, "forward_", info->name, hash_rows(y, ROWS, COLS, ROW, FNV_BASIS));
        print_hash(f64, "backward_", info->name, hash_rows(d, ROWS, COLS, ROW, FNV_BASIS));
    }
    for (int l = 0; l < NNC_LOSSES; l++) {
        double loss[ROWS];
        seed = 2000;
        for (long i = 0; i < N; i++) put(x, i, (uniform() - 0.5) * 20), put(t, i, uniform());
        kernels->loss[l](ROWS, COLS, x.p, ROW, t.p, ROW, d.p, ROW, 0.125, loss);
        uint64_t h = fnv(loss, sizeof(loss), FNV_BASIS);
        print_hash(f64, "loss_", nnc_loss_table[l].name, hash_rows(d, ROWS, COLS, ROW, h));
    }
    free(x.p), free(b.p), free(y.p), free(d.p), free(t.p);
}

static void test_kernels(const nnc_kernels *kernels, int f64) {
    double first, second;
    for (int a = 0; a < NNC_ACTIVATIONS; a++) {
        name_it(kernels, f64, nnc_activation_table[a].name);
        test_activation_edges(kernels, f64, a);
        if (nnc_activation_table[a].rowwise) continue;
        test_activation(kernels, f64, a, &first, &second);
        printf("%-36s value %6.3f  slope    %6.3f  ULP\n", where, first, second);
    }
    for (int l = 0; l < NNC_LOSSES; l++) {
        name_it(kernels, f64, nnc_loss_table[l].name);
        test_loss(kernels, f64, l, &first, &second);
        printf("%-36s value %6.3f  gradient %6.3f  ULP\n", where, first, second);
    }
}

int main(int argc, char **argv) { return on_every_isa(argc, argv, test_kernels, hash_kernels); }
