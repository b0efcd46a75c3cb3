/* nnc.h: the whole contract of nncore's C core. C11, no Python.
 *
 * Two floors stand on this page: loops (outside, in Cython or C) and tiles (here). A loop asks nnc_kernels_get for the table
 * of a type and calls through it; which instruction set answers is decided once (dispatch.c). Names, formulas and defaults of
 * activations, losses and optimizers stand once, as rows in ops/<kind>.h; the enums below, the tables, Python's names and the
 * documentation are expanded from those rows.
 *
 * Kernels cannot fail, allocate, lock or print. Buffers are `void *` to arrays of the table's type. Shapes are rows x cols
 * with a row stride in elements (`_row`). "Padded" buffers have a row stride that is a multiple of 64 bytes and may be read and
 * written, beyond cols, up to the next multiple of 64 bytes; what stands there is garbage and never reaches a result. Every
 * buffer that is only read may be read up to NNC_SLACK bytes beyond its end, but for the samples of products (a of matmul and
 * matvec, x of the others), which may be a caller's own array: of those not a byte more than there is.
 */
#ifndef NNC_H
#define NNC_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include "ops/lists.h"

#define NNC_ALIGN 64  /* bytes: alignment of buffers and of padded rows */
#define NNC_PAGE 4096 /* bytes: addresses that differ by a multiple look alike to a CPU that compares loads with earlier stores */
#define NNC_SLACK 512 /* bytes that must be readable (and in workspace writable) beyond the end of any buffer */
#define NNC_COEFS 8   /* doubles in an optimizer's hyperparameters, carry and coefficients */

/* ---- enums, expanded from the lists ------------------------------------------------------------------------------- */

#define NNC_ENUM_ROW(name, ...) NNC_##name,
enum nnc_activation { NNC_ACTIVATION_LIST(NNC_ENUM_ROW, NNC_ENUM_ROW) NNC_ACTIVATIONS };
enum nnc_loss { NNC_LOSS_LIST(NNC_ENUM_ROW, NNC_ENUM_ROW) NNC_LOSSES };
enum nnc_optimizer { NNC_OPTIMIZER_LIST(NNC_ENUM_ROW) NNC_OPTIMIZERS };
#undef NNC_ENUM_ROW

enum nnc_dtype { NNC_FLOAT32, NNC_FLOAT64, NNC_DTYPES };
enum nnc_reads { NNC_READS_OUTPUT, NNC_READS_INPUT };          /* what an activation's derivative is computed from: y or z */
enum nnc_reduction { NNC_MEAN, NNC_SUM, NNC_MEAN_OF_ROWS };    /* 1/(rows cols), 1, 1/rows */
enum nnc_how {                                                 /* of a product, ored together */
    NNC_ADD = 1,                                               /* C += A B */
    NNC_ASK_NEXT = 2,                                          /* B is far: ask for each panel, or what follows the last, in time */
    NNC_SKIP_ZEROS = 4,                                        /* leave out what meets a zero of A: see skips */
};
enum { NNC_HALF = 9 };                                         /* sixteenths for skips: half, and a little that is gained */
enum nnc_status { NNC_OK, NNC_UNKNOWN_ISA, NNC_UNSUPPORTED_ISA };

/* ---- the registry: what the rows say (registry.c) ------------------------------------------------------------------ */

typedef struct {
    const char *name, *formula, *derivative;
    enum nnc_reads reads;        /* what backward's `saved` must be */
    int rowwise;                 /* couples the columns of a row (softmax): blocks must hold whole rows; output layers only */
    const char *init;            /* default initialiser of a layer with it */
    const char *parameter;       /* name of its parameter, or "" */
    double parameter_default;
} nnc_activation_info;

typedef struct {
    const char *name, *formula, *gradient;
    enum nnc_reduction reduction;
    int link;                    /* the activation it is fused with (its input is then z, before activation), or -1 */
} nnc_loss_info;

typedef struct {
    const char *name, *display, *formula, *source;               /* display: its class in Python */
    const char *hyperparameters; /* "learning_rate=0.01 momentum=0 nesterov=0": names and defaults, in the order of hyper[] */
    int (*slots)(const double *hyper);                                    /* vectors of state it needs, 0..2 */
    void (*prepare)(const double *hyper, double *carry, double *coef);    /* once a step; carry starts as all ones */
    void (*rescale)(const double *before, const double *now, double *scale); /* [2]: what slots are to be multiplied by when hyper
                                                                                changes */
} nnc_optimizer_info;

extern const nnc_activation_info nnc_activation_table[NNC_ACTIVATIONS];
extern const nnc_loss_info nnc_loss_table[NNC_LOSSES];
extern const nnc_optimizer_info nnc_optimizer_table[NNC_OPTIMIZERS];

/* ---- the kernel table ---------------------------------------------------------------------------------------------- */

struct nncore_plan;
typedef struct nnc_kernels {
    const char *isa;
    int itemsize, lanes; /* bytes of an element, elements in a vector */
    int mr, nr;          /* rows and columns of the matrix tile; packed panels are nr columns wide */
    const struct nnc_kernels *const *narrower; /* the table of an ISA with half its vectors, or NULL: see nnc_kernels_for */

    /* C (m,n) = A (m,k) B (k,n). how: of nnc_how. A's element (i,p) is a[i*a_row + p*a_col]. B comes in panels of nr columns,
     * b_panel apart, each (k, nr) with row stride b_row: unpacked B is b_row = its row stride, b_panel = nr. Reads B and writes
     * C in whole vectors: up to LANES-1 elements beyond column n of each row; rows are written in ascending order with the last
     * panel first, so a C with c_row = n in private scratch ends up whole, but not with NNC_ADD, which adds to what it finds. Element
     * (i,j) is summed over p ascending in nnc_chains(k, n) chains (of the whole layer). With NNC_ADD or NNC_ASK_NEXT the caller
     * must say one. */
    void (*matmul)(long m, long n, long k, const void *a, long a_row, long a_col, const void *b, long b_row, long b_panel,
                   void *c, long c_row, int chains, int how);
    /* Whether NNC_SKIP_ZEROS is quicker for A (m,k) with contiguous rows: where fewer than so many sixteenths of a few of them are
     * other than zero, NNC_HALF if B takes no trouble. With it a_col must be 1 and chains 1, B finite, and rows of C have room for
     * whole vectors; the same bits. */
    int (*skips)(long m, long n, long k, const void *a, long a_row, int sixteenths);
    /* C (m,1) = A (m,k) b (k): one output; SPAN interleaved chains. A's rows are contiguous. Writes c[i*c_row] only. */
    void (*matvec)(long m, long k, const void *a, long a_row, const void *b, void *c, long c_row);
    /* z (n) = x (k) W', W (n, k) with rows w_row apart: matmul's sums for one row of X and a W' that nobody copies. Writes z
     * exactly. */
    void (*matvec_t)(long n, long k, const void *x, const void *w, long w_row, void *z);
    /* dst (rows, cols) = src, rows in ascending order; what is written beyond cols (up to LANES-1 elements) the next row overwrites. */
    void (*copy)(long rows, long cols, const void *src, long src_row, void *dst, long dst_row);
    /* dst (cols, rows) = src (rows, cols) transposed. Writes dst exactly. */
    void (*turn)(long rows, long cols, const void *src, long src_row, void *dst, long dst_row);
    /* Panels of nr columns, garbage beyond column n: dst[j/nr][p][j%nr] = src[p*src_row + j], and with pack_t = src[j*src_row + p]. */
    void (*pack)(long k, long n, const void *src, long src_row, void *dst);
    void (*pack_t)(long k, long n, const void *src, long src_row, void *dst);

    /* y = f(z + bias), z and y (rows, cols) padded, bias (cols) or NULL. y may be z. If y is not z, z + bias is left in z.
     * cols == 1 with z_row == y_row == 1 is a plain vector of `rows` elements, written exactly. */
    void (*forward[NNC_ACTIVATIONS])(long rows, long cols, void *z, long z_row, const void *bias, void *y, long y_row,
                                     double parameter);
    /* dz = dy * f'(saved), in place of dy. saved is y or z as the row says. */
    void (*backward[NNC_ACTIVATIONS])(long rows, long cols, void *dy, long dy_row, const void *saved, long saved_row,
                                      double parameter);
    /* row_loss[i] = the sum over row i of the loss; dz (padded) = scale * its gradient, unless dz is NULL. o is the network's
     * output y, or z where the loss has a link. t (rows, cols) target. dz may be o. cols == 1 with strides 1: plain vectors. */
    void (*loss[NNC_LOSSES])(long rows, long cols, const void *o, long o_row, const void *t, long t_row, void *dz, long dz_row,
                             double scale, double *row_loss);
    /* One optimizer step on p (rows, cols) with gradient g. s0, s1: its slots, in p's layout (NULL where not needed). coef from
     * prepare; decay = 0 switches weight decay off (biases). Nothing beyond cols is written. A weight that would turn non-finite
     * keeps its value and *trouble is set to 1. */
    void (*update[NNC_OPTIMIZERS])(long rows, long cols, const void *g, long g_row, void *p, void *s0, void *s1, long p_row,
                                   const double *coef, int decay, int *trouble);
    /* x (n): subnormal numbers become 0. */
    void (*flush)(long n, void *x);
    /* y = x * mask / (1 - rate), mask 0 with probability rate, decided by (key, row0 + i, j) alone. x may be y. */
    void (*dropout)(long rows, long cols, const void *x, long x_row, void *y, long y_row, double rate, uint64_t key, long row0);

    int accumulators; /* vectors that a tile may hold in registers */
    /* One sample through a plan that was built for this table (plan.h): nncore_plan.run. */
    void (*row)(const struct nncore_plan *plan, const void *x, void *out, void *scratch);
    /* Chooses the functions by which `row` takes a stage of a plan whose shape is known. */
    void (*row_choose)(void *stage);
    /* z (m, vecs * lanes) = x (m,k) w, or += with add, for a group of a plan's bfloat16 weights, whose rows are w_row bytes apart. Not
     * for float64. */
    void (*bfloat16)(long m, int vecs, long k, const void *x, long x_row, const char *w, long w_row, void *z, long z_row, int add);
    /* z (rows, outputs) = x (rows, inputs) W for a layer of int8 weights (plan.h), not for float64. [1] takes an instruction
     * that only some CPUs with this ISA have: NULL, or to be called where nnc_quick_dot(k). scratch: nnc_int8_bytes. */
    void (*int8[2])(const void *stage, const void *base, long rows, const void *x, long x_row, void *z, long z_row,
                    void *scratch);
} nnc_kernels;

/* Chains of summation for a layer of k inputs and n outputs: enough to hide the latency of FMA on one sample of a narrow layer. It
 * depends on the layer alone, so that every ISA, batch and thread count sums alike. Up to 64 outputs fill four of the widest
 * vectors, half of what the latency asks for; their chains are two only while the weights are few, for the product with many
 * rows cuts a deep contraction, and only one chain can be cut. n == 1 goes to matvec. */
static inline int nnc_chains(long k, long n) { return n > 64 || (n > 32 && n * k > 4096) ? 1 : n > 16 ? 2 : 4; }

/* Whether what an activation hands on is full of zeros, so that it is worth a look (skips). */
static inline int nnc_makes_zeros(int activation) { return activation == NNC_relu; }

/* The table for a product with so many columns and what follows on it: lanes that are thrown away cost as much as the others
 * where a CPU takes its widest vectors in two halves (Zen 4), and elsewhere narrow vectors are no slower. The same bits. */
static inline const nnc_kernels *nnc_kernels_for(const nnc_kernels *k, long columns) {
    return k->narrower != NULL && columns > 1 && columns <= k->lanes / 2 ? *k->narrower : k;
}

/* ---- choosing an instruction set (dispatch.c) ---------------------------------------------------------------------- */

enum { NNC_ISAS = 4 };
extern const char *const nnc_isa_names[NNC_ISAS];   /* best first, "generic" last */
int nnc_isa_available(int isa);                     /* built in and supported by this CPU */
enum nnc_status nnc_select(const char *name);       /* NULL or "": the best; sets the table that nnc_kernels_get hands out */
const nnc_kernels *nnc_kernels_get(enum nnc_dtype dtype);             /* of the selected ISA (selects the best if none was) */
const nnc_kernels *nnc_kernels_of(int isa, enum nnc_dtype dtype);     /* of one ISA; NULL where it is not available */
int nnc_quick_dot(const nnc_kernels *k);            /* k->int8[1] is there, and this CPU has what it takes */

/* ---- threads (threads.c) ------------------------------------------------------------------------------------------- */

/* Runs work(context, i, team) for i = 0..n-1 on n threads, the caller being 0, and returns when all are done. Fewer than `want`
 * run when the pool is busy with another caller or threads cannot be made; nnc_team_size says how many. Safe after fork(). */
enum { NNC_MOST_THREADS = 250 };                    /* in a team; whoever asks for more gets these */
typedef struct nnc_team nnc_team;
typedef void (*nnc_work)(void *context, int index, nnc_team *team);
void nnc_parallel(int want, nnc_work work, void *context);
int nnc_team_size(const nnc_team *team);
/* Runs work(context, i, first, count) on pieces of n items until all are done; i, less than `want`, is the thread's own. Pieces
 * begin large and end with `grain` items; where there are few items they have fewer, but not less than `least` (the last may). The
 * caller, 0, begins at once, and others come when they wake and while there is something to do. */
typedef void (*nnc_piece)(void *context, int index, int64_t first, int64_t count);
void nnc_pieces(int want, int64_t n, int64_t least, int64_t grain, nnc_piece work, void *context);
void nnc_barrier(nnc_team *team);                   /* all of the team arrive before any goes on */
int nnc_cpu_count(void);                            /* CPUs this process may run on, or as many as its share of their time is worth */
long nnc_cpu_quota(const char *root);               /* CPUs' worth of time that its control group allows (quota.c), 0: no limit; files
                                                       are looked for under root, "" but in tests */
int nnc_threads(void);                              /* the most that a call uses when it is not told: by default one per CPU */
void nnc_set_threads(int most);                     /* 0: one per CPU */

/* A byte that one caller at a time may have, for what is kept from call to call; nobody waits for it. */
static inline int nnc_take(char *flag) { return !__atomic_test_and_set(flag, __ATOMIC_ACQUIRE); }
static inline void nnc_give(char *flag) { __atomic_clear(flag, __ATOMIC_RELEASE); }

/* The same with the taker's process, a number above 0, in place of a flag: what a caller of another process has, and will never
 * give, because this one was forked off in the middle of its call, may be taken. What was kept is then as that caller left it.
 * Returns whether it was free (NNC_FREE), left so (NNC_LEFT), or neither (0). Given back by nnc_give_as. */
enum { NNC_FREE = 1, NNC_LEFT = 2 };
static inline int nnc_take_as(int *owner, int process) {
    int before = __atomic_load_n(owner, __ATOMIC_RELAXED);
    if (before == process || !__atomic_compare_exchange_n(owner, &before, process, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return 0;
    return before == 0 ? NNC_FREE : NNC_LEFT;
}
static inline void nnc_give_as(int *owner) { __atomic_store_n(owner, 0, __ATOMIC_RELEASE); }

/* ---- random numbers (random.c) ------------------------------------------------------------------------------------- */

void nnc_shuffle(int64_t n, int64_t *index, uint64_t *state);         /* Fisher-Yates on splitmix64 */
static inline uint64_t nnc_mix(uint64_t x) {                          /* splitmix64's finaliser: a hash of 64 bits */
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* ---- the machine (machine.c) ------------------------------------------------------------------------------------------ */

long nnc_l2_bytes(void);                            /* of the cache that a core has to itself, 512 KiB where nobody says */
int nnc_wide_in_halves(void);                       /* the widest vectors are worked on half by half: empty lanes cost as much */

static inline void nnc_prefetch(const void *start, long nbytes) {
    for (long i = 0; i < nbytes; i += 64) __builtin_prefetch((const char *)start + i);
}

/* ---- for the files in isa/ only ---------------------------------------------------------------------------------------------- */

#if defined(__x86_64__) || defined(_M_X64)
#define NNC_X86 1
#endif
#if defined(__aarch64__)
#define NNC_ARM64 1
#endif
#if defined(__clang__) /* does the compiler know AVX-VNNI? */
#define NNC_KNOWS_AVX_VNNI (__clang_major__ >= 13)
#else
#define NNC_KNOWS_AVX_VNNI (__GNUC__ >= 11)
#endif
#define NNC_PRAGMA(x) _Pragma(#x)
#define NNC_STRING_(x) #x
#define NNC_STRING(x) NNC_STRING_(x)
#if defined(__clang__)
#define NNC_TARGET_BEGIN(features) NNC_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define NNC_TARGET_END NNC_PRAGMA(clang attribute pop)
#else
#define NNC_TARGET_BEGIN(features) NNC_PRAGMA(GCC push_options) NNC_PRAGMA(GCC target(features))
#define NNC_TARGET_END NNC_PRAGMA(GCC pop_options)
#endif
#define NNC_TABLES(isa) const nnc_kernels *const nnc_tables_##isa[NNC_DTYPES] = {&nnc_table_##isa##_f32, &nnc_table_##isa##_f64};
#define NNC_NO_TABLES(isa) const nnc_kernels *const nnc_tables_##isa[NNC_DTYPES] = {NULL, NULL};

#endif
