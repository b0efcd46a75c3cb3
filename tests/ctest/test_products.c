/* test_products.c: matmul, matvec, matvec_t and the packing of every ISA that this machine has, in both types, bit for bit
 * against a plain loop that sums in the order that nnc.h promises. Everything around the operands is nan, so a stray read or write shows.
 *
 *     cc -O2 -std=gnu11 -ffp-contract=off -Icsrc tests/ctest/test_products.c csrc/(all).c csrc/isa/(all).c -lm -lpthread
 *     test_products            exit code 1 and FAIL lines when something is off
 *     test_products --hash     one line "<type> <kernel> <hash>" per kernel for each ISA: equal on every ISA that has FMA */
#include "harness.h"

enum { MOST = 400000 }; /* elements in a buffer */
static const long ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 19};
static const long ns[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 23, 24,  25,  31,  32,
                          33, 34, 40, 47, 48, 49, 63, 64, 65, 71, 80, 95, 96, 97, 111, 127, 128, 129, 191, 193, 257};
static const long ks[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 70};
#define COUNT(list) ((int)(sizeof(list) / sizeof(list[0])))

static int size;                          /* bytes of an element */
static int fused;                         /* does this ISA round a product and sum once */
static char *A, *B, *C, *P, *a0, *b0, *want; /* operands as they are handed over; a0 (m,k) and b0 (k,n) compact; the oracle's C */

static char *room(void) { return make(MOST + 1024, 1).p; }
static void begin(const nnc_kernels *kernels) { /* this ISA and type are under test */
    size = kernels->itemsize;
    fused = strcmp(kernels->isa, "generic") != 0;
#ifdef __FP_FAST_FMA
    fused = 1; /* the machine's baseline has it */
#endif
}
static void poison(char *p, long elements) { memset(p, 0xFF, (size_t)(elements * size)); }
static void lay(char *to, const char *from, long elements) { memcpy(to, from, (size_t)(elements * size)); }
static int is_poison(const char *p) {
    static const unsigned char ff[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    return !memcmp(p, ff, (size_t)size);
}
static void fill(char *p, long n, uint64_t key) { /* numbers on [-1, 1) that use the whole mantissa */
    for (long i = 0; i < n; i++) {
        const uint64_t r = nnc_mix(key * 0x10001 + (uint64_t)i);
        if (size == 4) ((float *)p)[i] = (float)((double)(int64_t)(r >> 40) * 0x1p-23 - 1);
        else ((double *)p)[i] = (double)(r >> 11) * 0x1p-52 - 1;
    }
}

/* ---- the oracles --------------------------------------------------------------------------------------------------------- */

#define ORACLES(real, fma_of)                                                                                          \
    static void matmul_##real(long m, long n, long k, int chains, int add, const real *start) {                        \
        for (long i = 0; i < m; i++)                                                                                   \
            for (long j = 0; j < n; j++) {                                                                             \
                real s[4] = {add ? start[i * n + j] : 0, 0, 0, 0};                                                     \
                for (long p = 0; p < k; p++) {                                                                         \
                    const real x = ((real *)a0)[i * k + p], w = ((real *)b0)[p * n + j];                               \
                    s[p % chains] = fused ? fma_of(x, w, s[p % chains]) : x * w + s[p % chains];                       \
                }                                                                                                      \
                ((real *)want)[i * n + j] = chains == 1 ? s[0] : chains == 2 ? s[0] + s[1] : (s[0] + s[2]) + (s[1] + s[3]); \
            }                                                                                                          \
    }                                                                                                                  \
    static void matvec_##real(long m, long k) {                                                                        \
        for (long i = 0; i < m; i++) {                                                                                 \
            real s[32] = {0};                                                                                          \
            for (long p = 0; p < k; p++) {                                                                             \
                const real x = ((real *)a0)[i * k + p], w = ((real *)b0)[p];                                           \
                s[p % 32] = fused ? fma_of(x, w, s[p % 32]) : x * w + s[p % 32];                                       \
            }                                                                                                          \
            for (int half = 16; half >= 1; half /= 2)                                                                  \
                for (int c = 0; c < half; c++) s[c] += s[c + half];                                                    \
            ((real *)want)[i] = s[0];                                                                                  \
        }                                                                                                              \
    }
ORACLES(float, fmaf)
ORACLES(double, fma)

static void oracle(long m, long n, long k, int chains, int add, const char *start) {
    if (size == 4) matmul_float(m, n, k, chains, add, (const float *)start);
    else matmul_double(m, n, k, chains, add, (const double *)start);
}

/* ---- operands as they are handed over ---------------------------------------------------------------------------------------- */

/* A in rows, or as the columns of a matrix in rows (X' of the gradient), or one scalar for all (the ones of a bias) */
enum { BY_ROWS, BY_COLUMNS, LAYOUTS_OF_A };
static void lay_a(int layout, long m, long k, long *a_row, long *a_col) {
    *a_row = layout == BY_ROWS ? k + 3 : 1;
    *a_col = layout == BY_ROWS ? 1 : m + 5;
    poison(A, (m + 5) * (k + 3) + 16);
    for (long i = 0; i < m; i++)
        for (long p = 0; p < k; p++) lay(A + (i * *a_row + p * *a_col) * size, a0 + (i * k + p) * size, 1);
}

/* B as it lies with a margin, without one, and in panels made by pack and by pack_t */
enum { MARGIN, COMPACT, PACKED, PACKED_T, LAYOUTS_OF_B };
static const char *lay_b(const nnc_kernels *kernels, int layout, long n, long k, long *b_row, long *b_panel) {
    const long row = layout == COMPACT ? n : n + 7, across = k + 5;
    const long panels = (n + kernels->nr - 1) / kernels->nr * kernels->nr * k;
    if (layout == PACKED_T) {
        poison(B, across * n + 600);
        for (long p = 0; p < k; p++)
            for (long j = 0; j < n; j++) lay(B + (j * across + p) * size, b0 + (p * n + j) * size, 1);
    } else {
        poison(B, row * k + 600);
        for (long p = 0; p < k; p++) lay(B + p * row * size, b0 + p * n * size, n);
    }
    *b_row = row;
    *b_panel = kernels->nr;
    if (layout == MARGIN || layout == COMPACT) return B;
    poison(P, panels + 64);
    if (layout == PACKED) kernels->pack(k, n, B, row, P);
    else kernels->pack_t(k, n, B, across, P);
    for (long i = panels; i < panels + 64; i++) CHECK(is_poison(P + i * size), "layout %d n %ld k %ld: wrote beyond the panels", layout, n, k);
    for (long j = 0; j < n; j++)
        for (long p = 0; p < k; p++) {
            const char *got = P + (j / kernels->nr * kernels->nr * k + p * kernels->nr + j % kernels->nr) * size;
            CHECK(!memcmp(got, b0 + (p * n + j) * size, (size_t)size), "layout %d n %ld k %ld: (%ld,%ld) is wrong", layout, n, k, p, j);
        }
    *b_row = kernels->nr;
    *b_panel = kernels->nr * k;
    return P;
}

/* ---- matmul -------------------------------------------------------------------------------------------------------------------- */

static void compare(const nnc_kernels *kernels, long m, long n, long c_row, const char *what) {
    const long reach = (n + kernels->lanes - 1) / kernels->lanes * kernels->lanes; /* whole vectors may be written */
    for (long i = 0; i < m; i++) {
        for (long j = 0; j < n; j++)
            if (memcmp(C + (i * c_row + j) * size, want + (i * n + j) * size, (size_t)size)) {
                CHECK(0, "%s: (%ld,%ld) differs", what, i, j);
                return;
            }
        for (long j = reach; j < c_row && c_row > reach; j++)
            CHECK(is_poison(C + (i * c_row + j) * size), "%s: wrote at (%ld,%ld)", what, i, j);
    }
    for (long x = (m - 1) * c_row + reach; x < m * c_row + 300; x++)
        CHECK(is_poison(C + x * size), "%s: wrote %ld elements beyond the last row", what, x - (m - 1) * c_row - n);
}

static void test_matmul(const nnc_kernels *kernels) {
    static char start[19 * 257 * 8], what[200];
    unsigned turn = 0;
    for (int in = 0; in < COUNT(ns); in++)
        for (int ik = 0; ik < COUNT(ks); ik++)
            for (int layout = 0; layout < LAYOUTS_OF_B; layout++) {
                const long n = ns[in], k = ks[ik];
                long b_row, b_panel;
                fill(b0, k * n, (uint64_t)(n * 1000 + k));
                const char *b = lay_b(kernels, layout, n, k, &b_row, &b_panel);
                for (int im = 0; im < COUNT(ms); im++) {
                    const long m = ms[im];
                    long a_row, a_col;
                    turn++;
                    fill(a0, m * k, (uint64_t)(m * 1000 + k));
                    lay_a((int)(turn % LAYOUTS_OF_A), m, k, &a_row, &a_col);
                    /* chains: 1 for a block of any layer, 2 and 4 only where the layer is narrow; add continues one chain */
                    for (int mode = 0; mode < 4; mode++) {
                        const int chains = mode == 3 ? 1 : 1 << mode, add = mode == 3;
                        const int compact = !add && (turn / LAYOUTS_OF_A + (unsigned)mode) % 2;
                        const long c_row = compact ? n : (n + 15) / 16 * 16 + 16;
                        const int how = (add ? NNC_ADD : 0) | (chains == 1 && (turn / 7 + (unsigned)mode) % 2 ? NNC_ASK_NEXT : 0);
                        if (chains > nnc_chains(k, n)) continue;
                        poison(C, m * c_row + 300);
                        if (add) {
                            fill(start, m * n, (uint64_t)n);
                            for (long i = 0; i < m; i++) lay(C + i * c_row * size, start + i * n * size, n);
                        }
                        oracle(m, n, k, chains, add, start);
                        kernels->matmul(m, n, k, A, a_row, a_col, b, b_row, b_panel, C, c_row, chains, how);
                        snprintf(what, sizeof(what), "m %ld n %ld k %ld chains %d how %d B %d A %u C %s", m, n, k, chains, how, layout,
                                 turn % LAYOUTS_OF_A, compact ? "compact" : "padded");
                        compare(kernels, m, n, c_row, what);
                    }
                }
            }
    kernels->matmul(0, 5, 5, A, 5, 1, B, 5, kernels->nr, C, 5, 1, 0); /* nothing to do, nothing done */
    kernels->matmul(5, 0, 5, A, 5, 1, B, 5, kernels->nr, C, 5, 1, 0);
}

/* One scalar for all of A, which is how the gradient of a bias is summed. */
static void test_ones(const nnc_kernels *kernels) {
    for (int in = 0; in < COUNT(ns); in++)
        for (long k = 1; k < 40; k += 7) {
            const long n = ns[in];
            long b_row, b_panel;
            fill(b0, k * n, (uint64_t)(n + k));
            const char *b = lay_b(kernels, MARGIN, n, k, &b_row, &b_panel);
            poison(A, 64);
            for (long p = 0; p < k; p++) {
                if (size == 4) ((float *)a0)[p] = ((float *)A)[0] = 1;
                else ((double *)a0)[p] = ((double *)A)[0] = 1;
            }
            poison(C, n + 400);
            oracle(1, n, k, 1, 0, NULL);
            kernels->matmul(1, n, k, A, 0, 0, b, b_row, b_panel, C, n, 1, 0);
            compare(kernels, 1, n, n, "ones");
        }
}

/* ---- zeros left out ---------------------------------------------------------------------------------------------------------- */

/* A (m,k) with so many of sixteen elements other than +0 or -0, and products that underflow, some to -0: the sums that a skipped
 * zero could change. */
static void fill_with_zeros(long m, long k, int filled, uint64_t key) {
    fill(a0, m * k, key);
    for (long x = 0; x < m * k; x++) {
        const uint64_t r = nnc_mix(key + (uint64_t)x * 7919);
        const double scale = (int)(r % 16) >= filled ? 0 : r >> 4 & 3 ? 1 : size == 4 ? 0x1p-149 : 0x1p-1074;
        if (size == 4) ((float *)a0)[x] *= (float)scale;
        else ((double *)a0)[x] *= scale;
    }
}

static void test_skipping(const nnc_kernels *kernels) {
    static const long rows[] = {1, 5, 17, 65, 193}, depths[] = {0, 1, 31, 63, 64, 65, 200, 520}, widths[] = {1, 17, 40, 64, 100, 129};
    static const int fills[] = {0, 1, 4, 8, 16};
    static char start[193 * 129 * 8], what[200];
    int turn = 0, minus = 0;
    for (int in = 0; in < COUNT(widths); in++)
        for (int ik = 0; ik < COUNT(depths); ik++)
            for (int im = 0; im < COUNT(rows); im++)
                for (int i = 0; i < COUNT(fills); i++, turn++) {
                    const long n = widths[in], k = depths[ik], m = rows[im], c_row = (n + 15) / 16 * 16 + 16;
                    const int layout = (int)(nnc_mix((uint64_t)turn) % LAYOUTS_OF_B), add = (int)(nnc_mix((uint64_t)turn) >> 32) & 1;
                    long a_row, a_col, b_row, b_panel;
                    if (m * k * n > 600000 || (m * k * n > 60000 && turn % 3)) continue;
                    fill(b0, k * n, (uint64_t)(n * 1000 + k));
                    for (long x = 0; x < k * n && size == 4; x += 5) ((float *)b0)[x] *= 0x1p-10f;
                    const char *b = lay_b(kernels, layout, n, k, &b_row, &b_panel);
                    fill_with_zeros(m, k, fills[i], (uint64_t)turn);
                    lay_a(BY_ROWS, m, k, &a_row, &a_col);
                    poison(C, m * c_row + 300);
                    if (add) {
                        fill(start, m * n, (uint64_t)n);
                        for (long x = 0; x < m; x++) lay(C + x * c_row * size, start + x * n * size, n);
                    }
                    oracle(m, n, k, 1, add, start);
                    for (long x = 0; x < m * n; x++) minus += size == 4 ? !((float *)want)[x] && signbit(((float *)want)[x]) : 0;
                    kernels->matmul(m, n, k, A, a_row, a_col, b, b_row, b_panel, C, c_row, 1, NNC_SKIP_ZEROS | (add ? NNC_ADD : 0));
                    snprintf(what, sizeof(what), "m %ld n %ld k %ld add %d B %d, %d of 16 filled", m, n, k, add, layout, fills[i]);
                    compare(kernels, m, n, c_row, what);
                }
    CHECK(size == 8 || !fused || minus > 100, "only %d sums were -0", minus);
}

/* The look that decides: wide, and fewer than half of A filled. nan counts as filled. */
static void test_skips(const nnc_kernels *kernels) {
    const long m = 24, n = 256, k = 99;
    for (int filled = 0; filled <= 16; filled += filled == 4 ? 8 : 4) {
        fill_with_zeros(m, k, filled, 3);
        const int said = kernels->skips(m, n, k, a0, k, NNC_HALF);
        CHECK(said == (filled < 8), "%d of 16 filled: %d", filled, said);
        CHECK(!kernels->skips(m, n, k, a0, k, 2) == (filled > 0), "%d of 16 filled, 2 wanted", filled);
    }
    fill_with_zeros(m, k, 1, 3);
    CHECK(!kernels->skips(m, 8, k, a0, k, NNC_HALF), "8 columns");
    CHECK(kernels->skips(2, n, k, a0, k, NNC_HALF), "2 rows, nearly empty");
    CHECK(!kernels->skips(1, n, k, a0, k, NNC_HALF), "1 row");
    poison(a0, m * k);
    CHECK(!kernels->skips(m, n, k, a0, k, NNC_HALF), "nan");
}

/* ---- matvec ---------------------------------------------------------------------------------------------------------------------- */

static void test_matvec(const nnc_kernels *kernels) {
    for (int im = 0; im <= COUNT(ms); im++)
        for (long k = 0; k < 140; k += k < 70 ? 1 : 13) {
            const long m = im < COUNT(ms) ? ms[im] : 37, strides[] = {1, 9}; /* 37: two blocks of rows with any vectors */
            fill(a0, m * k, (uint64_t)(m * 1000 + k));
            fill(b0, k, (uint64_t)k);
            if (size == 4) matvec_float(m, k);
            else matvec_double(m, k);
            for (int s = 0; s < 2; s++) {
                const long c_row = strides[s];
                poison(A, m * (k + 2) + 600), poison(B, k + 600), poison(C, m * c_row + 300);
                for (long i = 0; i < m; i++) lay(A + i * (k + 2) * size, a0 + i * k * size, k);
                lay(B, b0, k);
                kernels->matvec(m, k, A, k + 2, B, C, c_row);
                for (long x = 0; x < m * c_row + 300; x++) {
                    if (x % c_row == 0 && x / c_row < m)
                        CHECK(!memcmp(C + x * size, want + x / c_row * size, (size_t)size), "m %ld k %ld: row %ld differs", m, k, x / c_row);
                    else
                        CHECK(is_poison(C + x * size), "m %ld k %ld stride %ld: wrote at %ld", m, k, c_row, x);
                }
            }
        }
}

/* One row times W' as it lies, against the sums of matmul; nothing beyond the n is written. */
static void test_matvec_t(const nnc_kernels *kernels) {
    for (int in = 0; in < COUNT(ns); in++)
        for (long k = 1; k < 140; k += k < 40 ? 1 : 33) {
            const long n = ns[in], row = k + 5;
            fill(a0, k, (uint64_t)(n * 1000 + k));
            fill(b0, k * n, (uint64_t)(n + k));
            poison(A, k + 600), poison(C, n + 300);
            fill(B, n * row + 600, (uint64_t)k); /* numbers, not nan: one that is read and written astray shows among C's nan */
            lay(A, a0, k);
            for (long p = 0; p < k; p++)
                for (long j = 0; j < n; j++) lay(B + (j * row + p) * size, b0 + (p * n + j) * size, 1);
            oracle(1, n, k, 1, 0, NULL);
            kernels->matvec_t(n, k, A, B, row, C);
            CHECK(!memcmp(C, want, (size_t)(n * size)), "n %ld k %ld differs", n, k);
            for (long j = n; j < n + 300; j++) CHECK(is_poison(C + j * size), "n %ld k %ld: wrote at %ld", n, k, j);
        }
}

/* ---- copy ------------------------------------------------------------------------------------------------------------------------ */

static void test_copy(const nnc_kernels *kernels) {
    for (long rows = 1; rows <= 9; rows += 4)
        for (long cols = 1; cols < 70; cols++) { /* compact rows: what one writes beyond its end, the next one overwrites */
            fill(A, rows * (cols + 3) + 600, (uint64_t)cols);
            poison(C, rows * cols + 300);
            kernels->copy(rows, cols, A, cols + 3, C, cols);
            for (long i = 0; i < rows; i++)
                CHECK(!memcmp(C + i * cols * size, A + i * (cols + 3) * size, (size_t)(cols * size)), "%ld x %ld: row %ld differs", rows, cols, i);
            const long beyond = rows * cols + kernels->lanes - 1;
            for (long x = beyond; x < beyond + 200; x++) CHECK(is_poison(C + x * size), "%ld x %ld: wrote at %ld", rows, cols, x);
        }
}

static void test_turn(const nnc_kernels *kernels) {
    for (long rows = 1; rows <= 40; rows += rows < 18 ? 1 : 11)
        for (long cols = 1; cols <= 40; cols += cols < 18 ? 1 : 11) {
            const long row = cols + 3, to = rows + 5;
            poison(A, rows * row + 600), poison(C, cols * to + 300);
            for (long i = 0; i < rows; i++) fill(A + i * row * size, cols, (uint64_t)i);
            kernels->turn(rows, cols, A, row, C, to);
            for (long j = 0; j < cols; j++)
                for (long i = 0; i < to; i++)
                    CHECK(i < rows ? !memcmp(C + (j * to + i) * size, A + (i * row + j) * size, (size_t)size) : is_poison(C + (j * to + i) * size),
                          "%ld x %ld: (%ld,%ld) is wrong", rows, cols, j, i);
        }
}

/* ---- hashes ------------------------------------------------------------------------------------------------------------------------ */

static void hash_products(const nnc_kernels *kernels, int f64) {
    static const char *const names[] = {"matmul", "matmul_compact", "matmul_packed", "matmul_packed_t"};
    uint64_t h;
    begin(kernels);
    for (int layout = 0; layout < LAYOUTS_OF_B; layout++) {
        h = FNV_BASIS;
        for (int in = 0; in < COUNT(ns); in++) {
            const long m = 1 + in % 19, n = ns[in], k = 3 + 11 * in % 97;
            long a_row, a_col, b_row, b_panel;
            fill(a0, m * k, (uint64_t)k);
            fill(b0, k * n, (uint64_t)n);
            lay_a(in % LAYOUTS_OF_A, m, k, &a_row, &a_col);
            const char *b = lay_b(kernels, layout, n, k, &b_row, &b_panel);
            kernels->matmul(m, n, k, A, a_row, a_col, b, b_row, b_panel, C, n, nnc_chains(k, n), 0);
            h = fnv(C, (size_t)(m * n * size), h);
        }
        print_hash(f64, "", names[layout], h);
    }
    h = FNV_BASIS;
    for (long k = 0; k < 140; k++) {
        fill(A, 7 * k, (uint64_t)k);
        fill(B, k, (uint64_t)k + 1);
        kernels->matvec(7, k, A, k, B, C, 1);
        h = fnv(C, (size_t)(7 * size), h);
    }
    print_hash(f64, "", "matvec", h);
}

static void test_products(const nnc_kernels *kernels, int f64) {
    begin(kernels);
    name_it(kernels, f64, "matmul");
    test_matmul(kernels);
    test_ones(kernels);
    name_it(kernels, f64, "skipping");
    test_skipping(kernels);
    test_skips(kernels);
    name_it(kernels, f64, "turn");
    test_turn(kernels);
    name_it(kernels, f64, "matvec");
    test_matvec(kernels);
    name_it(kernels, f64, "matvec_t");
    test_matvec_t(kernels);
    name_it(kernels, f64, "copy");
    test_copy(kernels);
}

int main(int argc, char **argv) {
    A = room(), B = room(), C = room(), P = room(), a0 = room(), b0 = room(), want = room();
    const int code = on_every_isa(argc, argv, test_products, hash_products);
    free(A), free(B), free(C), free(P), free(a0), free(b0), free(want);
    return code;
}
