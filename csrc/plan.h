/* plan.h: what stands in a plan, the frozen network that nncore.h shows from outside.
 *
 * A plan is one block of memory, NNC_ALIGN aligned: this struct, its stages, then weights and biases at offsets from
 * its start, so that it may be copied as it is. Weights are packed once, for one sample and many alike. A tile
 * (kernels/row.h) takes a group of `vecs` vectors of outputs. Where a layer fits L1, a group lies in one piece,
 * (inputs, vecs * lanes); a larger one lies in panels of nr columns, as the matrix tile likes them, and a group is some
 * of those side by side.
 *
 * A live plan has no weights of its own: its stages point into a network's parameters as they lie, which may change at
 * any time. It runs one sample at a time.
 */
#ifndef NNC_PLAN_H
#define NNC_PLAN_H

#include "nnc.h"
#include "../src/nncore/include/nncore.h"

/* How a layer's weights are stored. The two small ones are for float32 only, and for layers with one chain of summation
 * (nnc_chains): the others are small already and stay as they are. bfloat16 is storage alone, the arithmetic
 * is float32's; int8 layers multiply whole numbers (kernels/row_int8.h). */
enum nnc_storage { NNC_FULL, NNC_BFLOAT16, NNC_INT8, NNC_STORAGES };

enum {
    NNC_ROW_VECS = 8,                 /* vectors of outputs in a group, at most: enough to hide the latency of FMA */
    NNC_LISTED = 2048,                /* rows of weights in a list of those to visit, at most */
    NNC_AHEAD = 1024,                 /* bytes of small weights to ask for ahead: the CPU's own prefetch ends at each page */
    NNC_ROWS_AHEAD = 4,               /* listed rows of weights to ask for ahead, which no CPU can foresee; what stands behind
                                         the list's end may be anything, for asking harms nobody */
    NNC_INT8_INPUTS = 132104,         /* most for int8: 127 * 128 times as many fits 32 bits; beyond, float32 stays */
};

/* z (outputs of a group) = x (k) W, or += with add (kernels/row.h); and y = f(z + bias), y as long as z unless exact. */
typedef void (*nnc_row_tile)(long k, const void *x, const char *w, long w_row, long w_panel, void *z, int add,
                             const uint16_t *list, long count);
typedef void (*nnc_row_finish)(long cols, void *z, const void *bias, void *y, int exact, double parameter);

typedef struct {
    const nnc_kernels *k;             /* of the plan, or with narrower vectors where those hold all */
    int64_t inputs, outputs;
    int64_t weight, bias, scale;      /* bytes from the base, or bias from the plan; scale: of int8, per output */
    int64_t row, panel, group;        /* bytes from a row, a panel of nr columns, and a group of columns, to the next; of
                                         int8 a row is four inputs */
    int32_t vecs, groups, last_vecs;  /* vectors in a group, groups, vectors in the last one */
    int32_t chains, activation, storage;
    int32_t bias_in_plan;
    int32_t streams;                  /* live weights of more than L1: row by row */
    int32_t scan;                     /* look for zeros among the inputs: they are likely, and may be skipped */
    int32_t zero_sign;                /* skipping may turn +0 into -0 and that would show: see row.h */
    double parameter;                 /* of the activation */
    nnc_row_tile tile[2], last_tile[2]; /* of one sample: for each group but the last, and for that; [1]: listed rows only */
    nnc_row_finish finish;
} nnc_stage;

typedef struct {
    nncore_plan head;
    const nnc_kernels *k;
    const char *base;                 /* where weights are: NULL for the plan itself, the parameters of a live plan */
    int64_t width;                    /* elements in a row of scratch: the widest layer, padded */
    int64_t rows, stack_rows;         /* that run_many takes through all layers at a time, with scratch and without; stack_rows
                                         may be 0: then it goes by run */
    int64_t least, grain;             /* samples in a piece that a thread takes: nnc_pieces */
    int64_t deepest;                  /* inputs of the deepest int8 layer; 0: has none */
    void (*int8)(const void *stage, const void *base, long rows, const void *x, long x_row, void *z, long z_row,
                 void *scratch);      /* one of k->int8 */
    int32_t count;
    nnc_stage stages[];
} nnc_plan;

/* A layer as the builder is told of it. bias may be NULL. */
typedef struct {
    int64_t inputs, outputs;
    int activation;
    double parameter;
    const void *weight, *bias;        /* (inputs, outputs) row by row, and (outputs) */
    const float *scale;               /* NULL; or of int8, per output: weight then holds whole numbers of it */
} nnc_plan_layer;

/* Bytes of a plan, and the plan itself in `block` (that many bytes, zeroed, NNC_ALIGN aligned). live: see above; `base`
 * is then the start of the parameters that weight and bias point into, and must have NNC_SLACK behind it. */
int64_t nnc_plan_bytes(const nnc_kernels *k, enum nnc_storage storage, int count, const nnc_plan_layer *layers,
                       int live);
void nnc_plan_build(const nnc_kernels *k, enum nnc_storage storage, int count, const nnc_plan_layer *layers,
                    const void *base, void *block);

/* The parameters of layer i as the plan holds them: what its description would have to hold for the same plan, in every
 * bit, on any instruction set. weight (inputs, outputs), bias (outputs) in the table's type; scale (outputs). Returns
 * whether scale was written. Not for a live plan. */
int nnc_plan_layer_of(const nncore_plan *plan, int i, void *weight, void *bias, float *scale);

/* The most samples for which run_many needs no scratch to be as quick as it can be. */
static inline int64_t nnc_plan_stack_rows(const nncore_plan *plan) { return ((const nnc_plan *)plan)->stack_rows; }

/* Samples that run_many with scratch takes through all layers at a time. */
static inline int64_t nnc_plan_rows(const nncore_plan *plan) { return ((const nnc_plan *)plan)->rows; }

static inline int64_t nnc_round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* Samples in a piece of many that threads share out: at least, and where there are more than enough. */
static inline int64_t nnc_plan_least(const nncore_plan *plan) { return ((const nnc_plan *)plan)->least; }
static inline int64_t nnc_plan_grain(const nncore_plan *plan) { return ((const nnc_plan *)plan)->grain; }

/* How many layers have weights stored small. */
static inline int nnc_plan_small(const nncore_plan *plan) {
    int small = 0;
    for (int i = 0; i < ((const nnc_plan *)plan)->count; i++) small += ((const nnc_plan *)plan)->stages[i].storage != NNC_FULL;
    return small;
}

/* Scratch of an int8 layer: 8 bytes per row of what turns its sums into numbers, then rows of whole numbers, each part
 * aligned. */
static inline int64_t nnc_int8_bytes(int64_t rows, int64_t inputs) {
    return nnc_round_up(rows * 8, NNC_ALIGN) + rows * nnc_round_up(inputs, NNC_ALIGN) + NNC_ALIGN;
}

#endif
