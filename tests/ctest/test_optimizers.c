/* test_optimizers.c: optimizers and dropout of csrc/ through the kernel table, on every ISA that this machine has, in both
 * types. Built and used like test_math.c. A new optimizer must be given its second statement in optimizer_reference. */
#include "harness.h"

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
        const double unit = slots == 2 ? NNC_ADAM_UNIT : 1, share = slots == 2 ? 1 - hyper[2] : 1; /* of the slots */
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
                        if (slots > 1) w1[k] = at(s1, k) * share;
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
            v_want[i] = put(v, i, root * root / (1 - hyper[2])) * (1 - (wide)hyper[2]);
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

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void hash_kernels(const nnc_kernels *kernels, int f64) {
    enum { ROWS = 37, COLS = 531, ROW = 544, N = ROWS * ROW };
    buffer x = make(N, f64), y = make(N, f64), d = make(N, f64), s = make(N, f64), t = make(N, f64);
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
        uint64_t h = hash_rows(x, ROWS, COLS, ROW, FNV_BASIS);
        h = hash_rows(s, ROWS, COLS, ROW, h);
        print_hash(f64, "update_", info->name, hash_rows(t, ROWS, COLS, ROW, h));
    }
    for (long i = 0; i < N; i++) put(x, i, uniform() - 0.5);
    kernels->dropout(ROWS, COLS, x.p, ROW, y.p, ROW, 0.3, 99, 5);
    print_hash(f64, "", "dropout", hash_rows(y, ROWS, COLS, ROW, FNV_BASIS));
    free(x.p), free(y.p), free(d.p), free(s.p), free(t.p);
}

static void test_kernels(const nnc_kernels *kernels, int f64) {
    for (int o = 0; o < NNC_OPTIMIZERS; o++) {
        double steps, range = 0;
        name_it(kernels, f64, nnc_optimizer_table[o].name);
        test_optimizer(kernels, f64, o, &steps);
        if (o == NNC_adam) test_adam_range(kernels, f64, &range);
        printf("%-36s steps %6.3f  range    %6.3f  ULP\n", where, steps, range);
    }
    name_it(kernels, f64, "dropout");
    test_dropout(kernels, f64);
}

int main(int argc, char **argv) { return on_every_isa(argc, argv, test_kernels, hash_kernels); }
