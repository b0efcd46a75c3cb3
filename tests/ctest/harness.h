/* harness.h: what the programs that check kernels number by number have in common: buffers of either type, distances in
 * ULP, random numbers, hashes, and the walk over all instruction sets of this machine. */
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
static inline buffer make(long n, int f64) {
    const size_t bytes = (size_t)n * (f64 ? 8 : 4) + 2 * NNC_SLACK;
    buffer b = {aligned_alloc(NNC_ALIGN, (bytes + NNC_ALIGN - 1) / NNC_ALIGN * NNC_ALIGN), f64};
    memset(b.p, 0xFF, (bytes + NNC_ALIGN - 1) / NNC_ALIGN * NNC_ALIGN); /* nan everywhere */
    return b;
}
static inline double at(buffer b, long i) { return b.f64 ? ((double *)b.p)[i] : (double)((float *)b.p)[i]; }
static inline double put(buffer b, long i, double x) { /* returns what was kept */
    if (b.f64) ((double *)b.p)[i] = x;
    else ((float *)b.p)[i] = (float)x;
    return at(b, i);
}
static inline void copy(buffer to, buffer from, long n) { memcpy(to.p, from.p, (size_t)n * (to.f64 ? 8 : 4)); }
static inline int same(buffer a, long i, buffer b, long j) {
    const int size = a.f64 ? 8 : 4;
    return !memcmp((char *)a.p + i * size, (char *)b.p + j * size, (size_t)size);
}
static inline int untouched(buffer a, long i) {
    static const unsigned char ff[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    const int size = a.f64 ? 8 : 4;
    return !memcmp((char *)a.p + i * size, ff, (size_t)size);
}
static inline double eps(int f64) { return f64 ? DBL_EPSILON : FLT_EPSILON; }
static inline double tiny(int f64) { return f64 ? DBL_MIN : FLT_MIN; }
static inline long padded(long cols, int f64) {
    const long unit = f64 ? 8 : 16;
    return (cols + unit - 1) / unit * unit;
}
static uint64_t seed;
static inline double uniform(void) { return (double)(nnc_mix(seed++) >> 11) * 0x1p-53; } /* [0, 1) */

/* |got - want| in units of the last place of `size` (at least |want|); what is below the normal range counts as zero */
static double flush; /* results of formulas that multiply a vanishing factor by a large one vanish that much earlier */
static inline double ulps(double got, wide want, wide size, int f64) {
    if (isnan(got) || isnan((double)want)) return isnan(got) && isnan((double)want) ? 0 : INFINITY;
    if (isinf(got) || isinf((double)want)) return got == (double)want ? 0 : INFINITY;
    if (fabsl(want) > size) size = fabsl(want);
    const wide error = fabsl((wide)got - want);
    if (error <= (2 + flush) * (wide)tiny(f64)) return 0;
    int exponent;
    frexpl(size, &exponent);
    return (double)(error / ldexpl((wide)eps(f64), exponent - 1));
}

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

#define FNV_BASIS 0xCBF29CE484222325u
static inline uint64_t fnv(const void *p, size_t n, uint64_t h) {
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001B3u;
    return h;
}
static inline uint64_t hash_rows(buffer b, long rows, long cols, long row, uint64_t h) {
    const int size = b.f64 ? 8 : 4;
    for (long i = 0; i < rows; i++) h = fnv((char *)b.p + i * row * size, (size_t)(cols * size), h);
    return h;
}
/* both signs, magnitudes over so many powers of two; without libm, whose last bits differ between machines */
static inline double scattered(int octaves) {
    const double u = uniform() - 0.5;
    return ldexp(u, (int)(octaves * uniform()));
}
static inline void print_hash(int f64, const char *kind, const char *name, uint64_t h) {
    printf("%s %s%s %016llx\n", f64 ? "float64" : "float32", kind, name, (unsigned long long)h);
}

/* ---- every instruction set, both types --------------------------------------------------------------------------- */

/* what is under test from here on, for messages */
static inline void name_it(const nnc_kernels *kernels, int f64, const char *kernel) {
    snprintf(where, sizeof(where), "%s %s %s", kernels->isa, f64 ? "float64" : "float32", kernel);
}

/* main: `test` each, or with --hash on the command line `hash` each; returns the exit code */
static inline int on_every_isa(int argc, char **argv, void (*test)(const nnc_kernels *, int), void (*hash)(const nnc_kernels *, int)) {
    const int hashing = argc > 1 && !strcmp(argv[1], "--hash");
    for (int isa = 0; isa < NNC_ISAS; isa++)
        for (int f64 = 0; f64 < NNC_DTYPES; f64++) {
            const nnc_kernels *kernels = nnc_kernels_of(isa, (enum nnc_dtype)f64);
            if (kernels == NULL) continue;
            if (hashing && !f64) printf("# %s\n", kernels->isa);
            seed = 1;
            (hashing ? hash : test)(kernels, f64);
        }
    if (failures) printf("%d failures\n", failures);
    else if (!hashing) printf("all good\n");
    return failures != 0;
}
