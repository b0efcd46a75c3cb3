/* row.h: one sample through all layers of a plan (../plan.h).
 *
 * a) A tile takes up to 8 vectors of outputs through the whole contraction in registers; bias and activation follow
 *    while they are in L1. Every element is summed as the matrix tile sums it (p ascending, nnc_chains chains), so one
 *    sample and many have the same bits.
 * b) Inputs that are +0 can be left out: x = 0 adds +0 or -0 to a sum that started at +0, which changes it only if it
 *    had become -0, by underflow. That would show in the answer only where the bias is missing or -0 (stage.zero_sign):
 *    there a layer with a sum of -0 is done again in full. Weights must be finite, which the builder sees to
 *    (stage.scan).
 * c) A layer without a bias has one of -0, which changes nothing: x + -0 = x for every x.
 */
#include "../plan.h"

/* ---- weights: how a row of V vectors is read -------------------------------------------------------------------- */

/* bfloat16 is the upper half of a float32: vectors 2i and 2i+1 lie in the lower and upper halves of 32-bit words. int8 is
 * row_int8.h's. */
#define ROW_WORDS(q) (*(const FN(loose_bits) *)(q))
typedef ibits FN(loose_bits) __attribute__((vector_size(VBYTES), may_alias, aligned(1)));

INLINE void FN(row_weights)(const int V, const int storage, const char *q, long panel, vec *w) {
    if (storage == NNC_FULL) {
        UNROLL for (int v = 0; v < V; v++) w[v] = v_load((const real *)(q + v / NR_VECS * panel) + v % NR_VECS * LANES);
        return;
    }
    (void)panel;
#if NNC_REAL == 32
    UNROLL for (int v = 0; v < V; v += 2) {
        const ivec bits = ROW_WORDS(q + v / 2 * VBYTES);
        w[v] = (vec)(bits << 16);
        w[v + 1] = (vec)(bits & i_set(0xFFFF0000u));
    }
#endif
}

/* Asks for the row of weights at q, into L1. */
INLINE void FN(row_ask)(const int V, const int storage, const char *q, long panel) {
    const int bytes = storage == NNC_FULL ? V * VBYTES : V / 2 * VBYTES, piece = storage == NNC_FULL ? NR_VECS * VBYTES : bytes;
    UNROLL for (int b = 0; b < bytes; b += 64) __builtin_prefetch(q + b / piece * panel + b % piece);
}

/* ---- the tile --------------------------------------------------------------------------------------------------- */

/* z (V vectors) = x (k) W (k, V vectors) as far as it is in chains from..to of S, or += with add. W's rows are w_row bytes apart,
 * its panels of NR columns w_panel. list: the rows (where S > 1, the first of each S rows) to visit, `count` of them, instead of
 * all; what k leaves over after blocks of S is always done. */
INLINE void FN(row_chains)(const int V, const int S, const int from, const int to, const int storage, const int listed, long k,
                           const real *x, const char *w, long w_row, long w_panel, real *z, int add, const uint16_t *list,
                           long count) {
    vec acc[4][NNC_ROW_VECS], column[NNC_ROW_VECS];
    UNROLL for (int s = from; s < to; s++)
        UNROLL for (int v = 0; v < V; v++) acc[s][v] = S == 1 && add ? v_load(z + v * LANES) : v_zero();
    const long whole = k & -(long)S;
    const long steps = listed ? count : whole / S;
    const char *q = w;
    const real *xs = x;
    for (long i = 0; i < steps; i++) {
        if (listed) {
            q = w + list[i] * w_row;
            xs = x + list[i];
            if (S == 1) FN(row_ask)(V, storage, w + list[i + NNC_ROWS_AHEAD] * w_row, w_panel);
        } else if (storage == NNC_BFLOAT16) {
            FN(row_ask)(V, storage, q + NNC_AHEAD, w_panel);
        }
        UNROLL for (int s = from; s < to; s++) {
            const vec one = v_set(xs[s]);
            FN(row_weights)(V, storage, q + s * w_row, w_panel, column);
            UNROLL for (int v = 0; v < V; v++) acc[s][v] = v_fma(one, column[v], acc[s][v]);
        }
        q += S * w_row;
        xs += S;
    }
    if (whole < k) {
        UNROLL for (int s = from; s < to; s++) {
            if (s == S - 1 || whole + s >= k) break;
            const vec one = v_set(x[whole + s]);
            FN(row_weights)(V, storage, w + (whole + s) * w_row, w_panel, column);
            UNROLL for (int v = 0; v < V; v++) acc[s][v] = v_fma(one, column[v], acc[s][v]);
        }
    }
    UNROLL for (int v = 0; v < V; v++) {
        vec sum = acc[from][v];
        if (to - from == 2) sum = acc[0][v] + acc[1][v];
        if (to - from == 4) sum = (acc[0][v] + acc[2][v]) + (acc[1][v] + acc[3][v]);
        if (S > 1 && add) sum = v_load(z + v * LANES) + sum;
        v_store(z + v * LANES, sum);
    }
}

/* z (V vectors) = x (k) W, or += with add (S == 1 only): all chains side by side where the registers hold them, or two one after
 * the other, which still is quicker than half the columns at a time: those would read x twice. */
INLINE void FN(row_tile)(const int V, const int S, const int storage, const int listed, long k, const real *x,
                         const char *w, long w_row, long w_panel, real *z, int add, const uint16_t *list, long count) {
    if (S > 1) w_panel = NR_VECS * VBYTES; /* as it is there: such layers lie in one piece (plan.h) */
    if (V * S <= NNC_ACC) {
        FN(row_chains)(V, S, 0, S, storage, listed, k, x, w, w_row, w_panel, z, S == 1 && add, list, count);
    } else if (S == 2) { /* of four, so many are never asked for */
        FN(row_chains)(V, S, 0, 1, storage, listed, k, x, w, w_row, w_panel, z, 0, list, count);
        FN(row_chains)(V, S, 1, 2, storage, listed, k, x, w, w_row, w_panel, z, 1, list, count);
    }
}

#define ROW_ARGUMENTS                                                                                                  \
    long k, const void *x, const char *w, long w_row, long w_panel, void *z, int add, const uint16_t *list, long count

#define ROW_TILE(V, S, storage)                                                                                        \
    static void FN(row_all_##V##_##S##_##storage)(ROW_ARGUMENTS) {                                                     \
        FN(row_tile)(V, S, storage, 0, k, x, w, w_row, w_panel, z, add, list, count);                                  \
    }                                                                                                                  \
    static void FN(row_some_##V##_##S##_##storage)(ROW_ARGUMENTS) {                                                    \
        FN(row_tile)(V, S, storage, 1, k, x, w, w_row, w_panel, z, add, list, count);                                  \
    }
#define ROW_NAMES(V, S, storage) {FN(row_all_##V##_##S##_##storage), FN(row_some_##V##_##S##_##storage)}
#define ROW_NONE {0, 0}

#define ROW_EVERY(X, S)                                                                                                \
    X(1, S, NNC_FULL) X(2, S, NNC_FULL) X(3, S, NNC_FULL) X(4, S, NNC_FULL) X(5, S, NNC_FULL) X(6, S, NNC_FULL)        \
    X(7, S, NNC_FULL) X(8, S, NNC_FULL)
#define ROW_ENTRY(V, S, storage) ROW_NAMES(V, S, storage),
ROW_EVERY(ROW_TILE, 1)
ROW_EVERY(ROW_TILE, 2)
ROW_EVERY(ROW_TILE, 4)

/* of full storage: [chains / 2][V - 1][listed] */
static const nnc_row_tile FN(row_full)[3][NNC_ROW_VECS][2] = {
    {ROW_EVERY(ROW_ENTRY, 1)}, {ROW_EVERY(ROW_ENTRY, 2)}, {ROW_EVERY(ROW_ENTRY, 4)}};
#if NNC_REAL == 32
ROW_TILE(2, 1, NNC_BFLOAT16)
ROW_TILE(4, 1, NNC_BFLOAT16)
ROW_TILE(6, 1, NNC_BFLOAT16)
ROW_TILE(8, 1, NNC_BFLOAT16)
static const nnc_row_tile FN(row_small)[NNC_ROW_VECS][2] = {
    ROW_NONE, ROW_NAMES(2, 1, NNC_BFLOAT16), ROW_NONE, ROW_NAMES(4, 1, NNC_BFLOAT16),
    ROW_NONE, ROW_NAMES(6, 1, NNC_BFLOAT16), ROW_NONE, ROW_NAMES(8, 1, NNC_BFLOAT16)};
#endif

#if TWO_OUTPUTS
static void FN(row_two_outputs)(ROW_ARGUMENTS) {
    (void)w_row, (void)w_panel, (void)add, (void)list, (void)count;
    FN(two_outputs_of)(1, k, x, 0, (const real *)w, z, 0);
}
#endif

/* ---- one output ------------------------------------------------------------------------------------------------- */

/* All lanes the one output: as FN(matvec). w (k). */
INLINE vec FN(row_dot)(long k, const real *x, const real *w) {
    vec s[SPAN_VECS];
    FN(dot_chains)(k, x, w, s);
    return FN(fold_all)(s);
}

/* ---- weights as a network has them ------------------------------------------------------------------------------- */

/* z (n) = x (k) W, W's rows w_row bytes apart: a few rows at a time, each read from end to end, as the CPU foresees it.
 * With every row z goes through L1 once more, which costs little beside reading W out of order. Short rows are asked for
 * before they begin: what the CPU foresees ends with the row. */
#define ROW_STREAMS 4
INLINE void FN(row_stream)(const int R, const int V, long j, const vec *one, const char *w, long w_row, real *z, int add) {
    vec acc[4];
    UNROLL for (int v = 0; v < V; v++) acc[v] = add ? v_load(z + j + v * LANES) : v_zero();
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < V; v++)
            acc[v] = v_fma(one[r], v_load((const real *)(w + r * w_row) + j + v * LANES), acc[v]);
    UNROLL for (int v = 0; v < V; v++) v_store(z + j + v * LANES, acc[v]);
}

static __attribute__((noinline)) void FN(row_streams)(long k, const real *x, const char *w, long w_row, long n, real *z) {
    const int ask = w_row <= 2048;
    vec one[ROW_STREAMS];
    long p = 0;
    for (; p + ROW_STREAMS <= k; p += ROW_STREAMS, w += ROW_STREAMS * w_row) {
        UNROLL for (int r = 0; r < ROW_STREAMS; r++) one[r] = v_set(x[p + r]);
        long j = 0;
        for (; j + 4 * LANES <= n; j += 4 * LANES) {
            if (ask)
                UNROLL for (int r = 0; r < ROW_STREAMS; r++)
                    FN(row_ask)(4, NNC_FULL, w + (ROW_STREAMS + r) * w_row + j * (long)sizeof(real), NR_VECS * VBYTES);
            FN(row_stream)(ROW_STREAMS, 4, j, one, w, w_row, z, p > 0);
        }
        for (; j < n; j += LANES) FN(row_stream)(ROW_STREAMS, 1, j, one, w, w_row, z, p > 0);
    }
    for (; p < k; p++, w += w_row) {
        one[0] = v_set(x[p]);
        for (long j = 0; j < n; j += LANES) FN(row_stream)(1, 1, j, one, w, w_row, z, p > 0);
    }
}

/* ---- zeros ------------------------------------------------------------------------------------------------------ */

/* list = where x (k) has an element other than +0, or with step > 1 a block of `step` that holds one; returns how many.
 * k is a multiple of step. Writes LANES entries beyond. Where nearly all are other than +0 it may return k and no list. */
INLINE long FN(row_nonzero)(long k, int step, const real *x_, uint16_t *list) {
    typedef ibits __attribute__((may_alias)) bits;
    const bits *x = (const bits *)x_;
    long count = 0, p = 0;
    if (step == 1) {
#ifdef v_list_nonzero
        if (k >= LANES && v_count_nonzero(v_load(x_)) == LANES) { /* likely dense, and to count is quicker */
            for (; p + LANES <= k; p += LANES) count += v_count_nonzero(v_load(x_ + p));
            if (count * 8 > k * 7) return k;
            count = p = 0;
        }
        for (; p + LANES <= k; p += LANES) count += v_list_nonzero(v_load(x_ + p), (uint16_t)p, list + count);
#endif
        for (; p < k; p++) {
            list[count] = (uint16_t)p;
            count += x[p] != 0;
        }
    } else if (step == 2) {
        for (; p < k; p += 2) {
            list[count] = (uint16_t)p;
            count += (x[p] | x[p + 1]) != 0;
        }
    } else {
        for (; p < k; p += 4) {
            list[count] = (uint16_t)p;
            count += ((x[p] | x[p + 1]) | (x[p + 2] | x[p + 3])) != 0;
        }
    }
    return count;
}

#if NNC_REAL == 32
#include "row_int8.h"
#endif

/* ---- a layer, and all of them ----------------------------------------------------------------------------------- */

/* z = x W, rows first..first+k of it, added to z unless first is 0. */
INLINE void FN(row_columns)(const nnc_stage *s, int listed, long first, long k, const real *x, const char *w, real *z,
                            const uint16_t *list, long count) {
    const nnc_row_tile tile = s->tile[listed];
    w += first * s->row;
    x += first;
    int g = 0;
    for (; g < s->groups - 1; g++, w += s->group, z += s->vecs * LANES)
        tile(k, x, w, s->row, s->panel, z, first > 0, list, count);
    s->last_tile[listed](k, x, w, s->row, s->panel, z, first > 0, list, count);
}

/* The same, zeros left out. Apart, so that layers that do not ask for it do not pay for its list. */
static __attribute__((noinline)) void FN(row_sparse)(const nnc_stage *s, const real *x, const char *w, real *z) {
    const long k = s->inputs;
    uint16_t list[NNC_LISTED + LANES];
    const int step = s->chains;
    const long reach = step == 1 ? NNC_LISTED : k; /* step > 1: k / step <= NNC_LISTED, the builder saw to it */
    int skipped = 0;
    for (long p = 0; p < k; p += reach) {
        const long rows = k - p < reach ? k - p : reach;
        const long count = FN(row_nonzero)(rows - rows % step, step, x + p, list);
        const int some = count * step * 8 < rows * 7; /* a listed row costs a little more than the next one */
        FN(row_columns)(s, some, p, rows, x, w, z, list, count);
        skipped |= some;
    }
    if (skipped && s->zero_sign) {
        ivec minus = i_set(0);
        for (long j = 0; j < s->outputs; j += LANES)
            minus |= (ivec)((ivec)v_load(z + j) == i_set(I_SIGN)) & FN(first)(s->outputs - j);
        if (FN(any)(minus)) FN(row_columns)(s, 0, 0, k, x, w, z, NULL, 0);
    }
}

/* y = f(z + bias); exact: nothing beyond cols is written */
#define ROW_FINISH_ARGUMENTS long cols, void *z, const void *bias, void *y, int exact, double parameter
INLINE void FN(row_map)(long cols, const real *z, const real *bias, real *y, int exact, vec a, vec (*f)(vec, vec)) {
    for (long j = 0; j < cols; j += LANES) FN(put)(y + j, f(v_load(z + j) + v_load(bias + j), a), cols - j, exact);
}
INLINE void FN(row_copy)(long cols, const real *z, real *y, int exact) {
    for (long j = 0; j < cols; j += LANES) FN(put)(y + j, v_load(z + j), cols - j, exact);
}
#define ROW_ELEMENTWISE(name, ...)                                                                                     \
    static void FN(row_##name)(ROW_FINISH_ARGUMENTS) {                                                                 \
        FN(row_map)(cols, z, bias, y, exact, v_set((real)parameter), FN(name##_value));                                \
    }
#define ROW_ROWWISE(name, ...)                                                                                         \
    static void FN(row_##name)(ROW_FINISH_ARGUMENTS) {                                                                 \
        (void)parameter;                                                                                               \
        FN(name##_row)(cols, z, bias, z, 0);                                                                           \
        if (y != z) FN(row_copy)(cols, z, y, exact);                                                                   \
    }
NNC_ACTIVATION_LIST(ROW_ELEMENTWISE, ROW_ROWWISE)
#define ROW_NAME(name, ...) [NNC_##name] = FN(row_##name),
static const nnc_row_finish FN(row_finish)[NNC_ACTIVATIONS] = {NNC_ACTIVATION_LIST(ROW_NAME, ROW_NAME)};

/* nnc_kernels.row_choose */
static void FN(row_choose)(void *stage) {
    nnc_stage *s = stage;
    s->finish = FN(row_finish)[s->activation];
    if (s->outputs == 1 || s->storage == NNC_INT8) return; /* row_dot, row_int8.h */
    const nnc_row_tile(*tiles)[2] = FN(row_full)[s->chains / 2];
#if NNC_REAL == 32
    if (s->storage == NNC_BFLOAT16) tiles = FN(row_small);
#endif
    for (int listed = 0; listed < 2; listed++) {
        s->tile[listed] = tiles[s->vecs - 1][listed];
        s->last_tile[listed] = tiles[s->last_vecs - 1][listed];
    }
#if TWO_OUTPUTS
    if (s->outputs == 2) s->last_tile[0] = FN(row_two_outputs);
#endif
}

/* nncore_plan.run */
static void FN(row)(const nncore_plan *head, const void *x_, void *out, void *scratch) {
    const nnc_plan *plan = (const nnc_plan *)head;
    const char *base = plan->base ? plan->base : (const char *)plan;
    char *memory = scratch ? scratch : __builtin_alloca((size_t)head->scratch);
    real *z = (real *)(((uintptr_t)memory + NNC_ALIGN - 1) & ~(uintptr_t)(NNC_ALIGN - 1)), *other = z + plan->width;
    char *wholes = (char *)(other + plan->width);
    const real *x = x_;
    for (const nnc_stage *s = plan->stages; s < plan->stages + plan->count; s++) {
        const real *bias = (const real *)((s->bias_in_plan ? (const char *)plan : base) + s->bias);
        if (s->storage == NNC_INT8) plan->int8(s, base, 1, x, 0, z, 0, wholes);
        else if (s->outputs == 1) v_store(z, FN(row_dot)(s->inputs, x, (const real *)(base + s->weight)));
        else if (s->streams) FN(row_streams)(s->inputs, x, base + s->weight, s->row, s->outputs, z);
        else if (s->scan) FN(row_sparse)(s, x, base + s->weight, z);
        else FN(row_columns)(s, 0, 0, s->inputs, x, base + s->weight, z, NULL, 0);
        const int last = s == plan->stages + plan->count - 1;
        s->finish(s->outputs, z, bias, last ? out : z, last, s->parameter);
        real *next = other;
        other = z;
        x = z;
        z = next;
    }
}
