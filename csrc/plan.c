/* plan.c: builds plans, and runs many samples through one. One sample is kernels/row.h's; what a plan holds is in
 * plan.h. */
#include "plan.h"
#include <math.h>
#include <string.h>

enum {
    WIDE_BYTES = 32768,            /* of weights: a layer with more lies in panels */
    SHARED_BYTES = 4 << 20,        /* of a plan of which a cache that is shared with others may not hold all */
    FAR_BYTES = 16 << 20,          /* of a plan that no cache holds: every reading of it is to serve many rows */
    ROWS = 96,                     /* taken through all layers at a time, where there is room for them */
    MOST_ROWS = 384,               /* the same where weights come from beyond L2 */
    MOST_BYTES = 32 << 20,         /* of what so many rows work in, unless one has more */
    DEPTH = 256,                   /* rows of weights that many samples go by at a time, about */
};

/* Whether a layer with full storage lies in panels of nr columns. */
static int in_panels(const nnc_stage *s) {
    return s->storage == NNC_FULL && s->chains == 1 && s->inputs * s->outputs * s->k->itemsize > WIDE_BYTES;
}

/* The shape of a layer in a plan, all but the offsets. */
static nnc_stage shape_of(const nnc_kernels *all, enum nnc_storage storage, const nnc_plan_layer *layer, int live) {
    const nnc_kernels *k = nnc_kernels_for(all, layer->outputs == 1 ? layer->inputs : layer->outputs);
    nnc_stage s = {.k = k, .inputs = layer->inputs, .outputs = layer->outputs, .chains = nnc_chains(layer->inputs, layer->outputs)};
    s.activation = layer->activation;
    s.parameter = layer->parameter;
    s.storage = s.chains > 1 || (storage == NNC_INT8 && s.inputs > NNC_INT8_INPUTS) ? NNC_FULL : storage;
    if (s.outputs == 1) return s;
    const int fit = s.chains == 4 ? k->accumulators / 4 : NNC_ROW_VECS, most = fit < NNC_ROW_VECS ? fit : NNC_ROW_VECS;
    const int64_t vecs = (s.outputs + k->lanes - 1) / k->lanes, panels = in_panels(&s) && !live;
    const int64_t to = s.storage == NNC_BFLOAT16 ? 2 : panels ? k->nr / k->lanes : 1;
    s.groups = (int32_t)((vecs + most - 1) / most);
    s.vecs = (int32_t)nnc_round_up((vecs + s.groups - 1) / s.groups, to);
    s.groups = (int32_t)((vecs + s.vecs - 1) / s.vecs);
    s.last_vecs = (int32_t)nnc_round_up(vecs - (int64_t)(s.groups - 1) * s.vecs, to);
    const int64_t row = (int64_t)s.vecs * k->lanes * k->itemsize, panel = k->nr * k->itemsize;
    s.row = live || s.outputs == 2 ? s.outputs * k->itemsize : panels ? panel : s.storage == NNC_BFLOAT16 ? row / 2 : row;
    s.panel = panels ? panel * s.inputs : panel;
    s.group = live ? row : panels ? s.panel * (row / panel) : s.row * (s.storage == NNC_INT8 ? (s.inputs + 3) / 4 : s.inputs);
    return s;
}

static int64_t padded(const nnc_kernels *k, int64_t n) { return nnc_round_up(n * k->itemsize, NNC_ALIGN) + NNC_SLACK; }

static int64_t weight_bytes(const nnc_stage *s) {
    return s->outputs == 1 ? padded(s->k, s->inputs) : nnc_round_up(s->group * s->groups, NNC_ALIGN);
}

/* Bytes of the parts that a layer has in the plan; a live one has only a bias of -0 where the network has none. */
static int64_t stage_bytes(const nnc_stage *s, const nnc_plan_layer *layer, int live) {
    int64_t bytes = live && layer->bias ? 0 : padded(s->k, s->outputs);
    if (!live) bytes += weight_bytes(s);
    if (s->storage == NNC_INT8) bytes += padded(s->k, s->outputs);
    return bytes;
}

static int64_t head_bytes(int count) {
    return nnc_round_up((int64_t)(sizeof(nnc_plan) + (size_t)count * sizeof(nnc_stage)), NNC_ALIGN);
}

int64_t nnc_plan_bytes(const nnc_kernels *k, enum nnc_storage storage, int count, const nnc_plan_layer *layers,
                       int live) {
    int64_t bytes = head_bytes(count) + NNC_SLACK;
    for (int i = 0; i < count; i++) {
        const nnc_stage s = shape_of(k, storage, &layers[i], live);
        bytes += stage_bytes(&s, &layers[i], live);
    }
    return bytes;
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

static double element(const nnc_kernels *k, const void *a, int64_t i) {
    return k->itemsize == 4 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

static void set_element(const nnc_kernels *k, void *a, int64_t i, double value) {
    if (k->itemsize == 4) ((float *)a)[i] = (float)value;
    else ((double *)a)[i] = value;
}

/* The upper half of x, rounded to nearest even. x is finite; one that would become infinite is cut off instead. */
static uint32_t to_bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (rounded & 0x7F80) == 0x7F80 ? bits >> 16 : rounded;
}

/* int8: weight = q * scale with |q| <= 127, one scale per output. Where a column is zero, or next to it, so are q and
 * scale. */
static void column_scales(const nnc_stage *s, const float *weight, float *scale) {
    for (int64_t p = 0; p < s->inputs; p++)
        for (int64_t j = 0; j < s->outputs; j++) {
            const float size = fabsf(weight[p * s->outputs + j]);
            if (size > scale[j]) scale[j] = size;
        }
    for (int64_t j = 0; j < s->outputs; j++) scale[j] = scale[j] < 0x1p-90f ? 0 : scale[j] / 127;
}

/* Where small weight (p, j) stands in dst: 2 bytes of bfloat16 (row.h, row_weights), or one (row_int8.h). */
static char *small_place(const nnc_stage *s, const char *dst, int64_t p, int64_t j) {
    const int64_t lanes = s->k->lanes, columns = s->vecs * lanes, v = j % columns / lanes, lane = j % lanes;
    const char *group = dst + j / columns * s->group;
    if (s->storage == NNC_INT8) return (char *)group + p / 4 * s->row + (v * lanes + lane) * 4 + p % 4;
    const int upper = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v % 2 : 1 - v % 2;
    return (char *)group + p * s->row + (v / 2 * lanes + lane) * 4 + upper * 2;
}

/* whole: weight holds whole numbers of scale already */
static void pack_small(const nnc_stage *s, const float *weight, const float *scale, int whole, char *dst) {
    for (int64_t p = 0; p < s->inputs; p++)
        for (int64_t j = 0; j < s->outputs; j++) {
            const float x = weight[p * s->outputs + j], unit = whole ? 1 : s->storage == NNC_INT8 ? scale[j] : 0;
            char *at = small_place(s, dst, p, j);
            if (s->storage == NNC_BFLOAT16) memcpy(at, &(uint16_t){(uint16_t)to_bfloat16(x)}, 2);
            else *at = (char)(unit > 0 ? lrintf(x / unit) : 0);
        }
}

static void pack_full(const nnc_stage *s, const char *weight, char *dst) {
    const int64_t size = s->k->itemsize, panels = in_panels(s);
    /* columns in one piece, and bytes to the next */
    const int64_t width = s->row / size, step = panels ? s->panel : s->group;
    for (int64_t j = 0; j < s->outputs; j += width, dst += step) {
        const int64_t n = s->outputs - j < width ? s->outputs - j : width;
        for (int64_t p = 0; p < s->inputs; p++)
            memcpy(dst + p * s->row, weight + (p * s->outputs + j) * size, (size_t)(n * size));
    }
}

/* Zeros are looked for where they are likely: in what comes in, and behind relu. Not where a weight is not finite, for
 * 0 times it is not 0; nor where the layer is too small to repay the look. */
static int scan_pays(const nnc_stage *s, const nnc_plan_layer *layers, int i) {
    if (i > 0 && !nnc_makes_zeros(layers[i - 1].activation)) return 0;
    if (s->inputs < 64 || s->outputs == 1 || (s->chains > 1 && s->inputs / s->chains > NNC_LISTED)) return 0;
    for (int64_t j = 0; j < s->inputs * s->outputs; j++)
        if (!isfinite(element(s->k, layers[i].weight, j))) return 0;
    return 1;
}

static int has_minus_zero(const nnc_kernels *k, const nnc_plan_layer *layer) {
    if (layer->bias == NULL) return 1;
    for (int64_t j = 0; j < layer->outputs; j++) {
        const double b = element(k, layer->bias, j);
        if (b == 0 && signbit(b)) return 1;
    }
    return 0;
}

/* Where the next part of a layer goes; `at` moves behind it. */
static int64_t take(int64_t *at, int64_t bytes) {
    const int64_t here = *at;
    *at += bytes;
    return here;
}

int nnc_plan_layer_of(const nncore_plan *head, int i, void *weight, void *bias, float *scale) {
    const nnc_plan *plan = (const nnc_plan *)head;
    const nnc_kernels *k = plan->k;
    const nnc_stage *s = &plan->stages[i];
    const char *from = (const char *)plan + s->weight;
    memcpy(bias, (const char *)plan + s->bias, (size_t)(s->outputs * k->itemsize));
    if (s->storage == NNC_INT8) memcpy(scale, (const char *)plan + s->scale, (size_t)s->outputs * sizeof(float));
    const int64_t width = s->outputs == 1 ? 1 : s->row / k->itemsize, step = in_panels(s) ? s->panel : s->group;
    for (int64_t p = 0; p < s->inputs; p++)
        for (int64_t j = 0; j < s->outputs; j++) {
            char *to = (char *)weight + (p * s->outputs + j) * k->itemsize;
            if (s->storage == NNC_FULL) {
                const int64_t row = s->outputs == 1 ? k->itemsize : s->row;
                memcpy(to, from + p * row + j / width * step + j % width * k->itemsize, (size_t)k->itemsize);
                continue;
            }
            const char *at = small_place(s, from, p, j);
            if (s->storage == NNC_INT8) {
                *(float *)to = (float)*(const signed char *)at;
                continue;
            }
            uint16_t upper;
            memcpy(&upper, at, 2);
            const uint32_t bits = (uint32_t)upper << 16;
            memcpy(to, &bits, 4);
        }
    return s->storage == NNC_INT8;
}

/* Bytes that run_many works in, taking so many rows at a time: two buffers of floats, and what small weights want. */
static int64_t many_bytes(const nnc_plan *plan, int64_t rows) {
    const int64_t small = plan->deepest ? nnc_int8_bytes(rows, plan->deepest) + NNC_ALIGN : 0;
    return 2 * (rows * plan->width * plan->k->itemsize + NNC_SLACK) + NNC_ALIGN + small;
}

static void run_many(const nncore_plan *head, int64_t n, const void *x, void *out, void *scratch);

void nnc_plan_build(const nnc_kernels *k, enum nnc_storage storage, int count, const nnc_plan_layer *layers,
                    const void *base, void *block) {
    nnc_plan *plan = block;
    const int live = base != NULL;
    int64_t at = head_bytes(count), widest = 0, deepest = 0; /* deepest: inputs of an int8 layer */
    plan->k = k;
    plan->base = base;
    plan->count = count;
    for (int i = 0; i < count; i++) {
        const nnc_plan_layer *layer = &layers[i];
        nnc_stage *s = &plan->stages[i];
        *s = shape_of(k, storage, layer, live);
        s->k->row_choose(s);
        s->bias_in_plan = !(live && layer->bias);
        s->bias = s->bias_in_plan ? take(&at, padded(k, s->outputs)) : (const char *)layer->bias - (const char *)base;
        if (s->bias_in_plan)
            for (int64_t j = 0; j < (padded(k, s->outputs) - NNC_SLACK) / k->itemsize; j++)
                set_element(k, (char *)plan + s->bias, j,
                            layer->bias && j < s->outputs ? element(k, layer->bias, j) : -0.0);
        if (live) {
            s->weight = (const char *)layer->weight - (const char *)base;
            s->streams = s->chains == 1 && s->inputs * s->outputs * k->itemsize > WIDE_BYTES;
        } else {
            s->scale = s->storage == NNC_INT8 ? take(&at, padded(k, s->outputs)) : 0;
            s->weight = take(&at, weight_bytes(s));
            char *weight = (char *)plan + s->weight;
            float *scale = (float *)((char *)plan + s->scale);
            if (s->storage == NNC_INT8 && !layer->scale) column_scales(s, layer->weight, scale);
            if (s->storage == NNC_INT8 && layer->scale) memcpy(scale, layer->scale, (size_t)s->outputs * sizeof(float));
            if (s->outputs == 1) memcpy(weight, layer->weight, (size_t)(s->inputs * k->itemsize));
            else if (s->storage == NNC_FULL) pack_full(s, layer->weight, weight);
            else pack_small(s, layer->weight, scale, layer->scale != NULL, weight);
            s->scan = scan_pays(s, layers, i);
            s->zero_sign = s->scan && has_minus_zero(k, layer);
        }
        if (s->storage == NNC_INT8 && s->inputs > deepest) deepest = s->inputs;
        int64_t wide = s->outputs == 1 ? 1 : (int64_t)s->groups * s->vecs * s->k->lanes;
        if (wide > widest) widest = wide;
    }
    plan->width = nnc_round_up(widest * k->itemsize + NNC_ALIGN, NNC_ALIGN) / k->itemsize;
    if (plan->width * k->itemsize % 1024 == 0) plan->width += NNC_ALIGN / k->itemsize;
    plan->deepest = deepest;
    plan->stack_rows = ROWS;
    while (plan->stack_rows > 0 && many_bytes(plan, plan->stack_rows) > NNCORE_STACK)
        plan->stack_rows -= plan->stack_rows > k->mr ? k->mr : 1;
    /* Weights that do not stay in L2 are to serve as many rows as fill two thirds of it with their buffers; those that no cache
     * holds, as many as fill three eighths of it with a part of their columns (product), or half of that where panels are
     * narrow. */
    plan->rows = plan->stack_rows > k->mr ? plan->stack_rows : k->mr;
    if (at > nnc_l2_bytes() / 2) {
        const int64_t each = at < FAR_BYTES ? 3 * plan->width : 16 * DEPTH / 3, room = nnc_l2_bytes() / (each * k->itemsize);
        const int64_t least = at < FAR_BYTES ? plan->rows : ROWS;
        plan->rows = room > MOST_ROWS ? MOST_ROWS : room / k->mr * k->mr;
        if (plan->rows < least) plan->rows = least;
    }
    const int64_t most = MOST_BYTES / (2 * plan->width * k->itemsize);
    if (plan->rows > most) plan->rows = most > 0 ? most : 1;
    /* Where threads share out many samples: the farther the weights are, the more are to share a reading of them. */
    plan->least = at > nnc_l2_bytes() ? 4 : 1;
    plan->grain = at > nnc_l2_bytes() ? ROWS : at > nnc_l2_bytes() / 2 ? ROWS / 4 : k->mr;
    nncore_plan *head = &plan->head;
    head->abi = NNCORE_ABI;
    head->itemsize = k->itemsize;
    head->inputs = layers[0].inputs;
    head->outputs = layers[count - 1].outputs;
    head->bytes = at + NNC_SLACK;
    plan->int8 = k->int8[nnc_quick_dot(k)];
    head->scratch = 2 * plan->width * k->itemsize + (deepest ? nnc_int8_bytes(1, deepest) : 0) + NNC_SLACK + NNC_ALIGN;
    head->scratch_many = many_bytes(plan, plan->rows);
    head->run = k->row;
    head->run_many = live ? NULL : run_many;
}

/* ---- many samples ----------------------------------------------------------------------------------------------- */

/* Z (rows, n) = X W */
static void product(const nnc_plan *plan, const nnc_stage *s, long rows, const char *x, long x_row, char *z, long z_row,
                    char *scratch) {
    const nnc_kernels *k = s->k;
    const char *w = (const char *)plan + s->weight;
    const long size = k->itemsize, panel = (long)s->vecs * k->lanes, depth = s->inputs, n = s->outputs;
    if (s->storage == NNC_INT8) {
        plan->int8(s, plan, rows, x, x_row, z, z_row, scratch);
        return;
    }
    if (s->scan && s->storage == NNC_FULL && s->chains == 1 && k->skips(rows, n, depth, x, x_row, NNC_HALF)) {
        const long columns = in_panels(s) ? n : panel;
        for (long j = 0; j < n; j += columns, w += s->group)
            k->matmul(rows, n - j < columns ? n - j : columns, depth, x, x_row, 1, w, s->row / size, in_panels(s) ? s->panel / size : k->nr,
                      z + j * size, z_row, 1, NNC_SKIP_ZEROS);
        return;
    }
    if (in_panels(s)) {
        /* Cut so that a piece of a panel stays in L1, or near it, while all rows go by; with few, reading it is all there is to do.
         * Panel after panel, as long as X stays in L2; else part after part of X's columns. */
        const int few = rows <= 2 * k->mr, far = !few && rows * depth * size > nnc_l2_bytes() / 2;
        const long most = far && k->nr * size >= 256 ? 2 * DEPTH : DEPTH, columns = few || far ? n : k->nr;
        const long parts = !few && depth > most ? (depth + most / 2) / most : 1, cut = (depth + parts - 1) / parts;
        const int ask = plan->head.bytes > (few ? FAR_BYTES : SHARED_BYTES) ? NNC_ASK_NEXT : 0;
        for (long j = 0; j < n; j += columns, w += s->panel)
            for (long p = 0; p < depth; p += cut)
                k->matmul(rows, n - j < columns ? n - j : columns, depth - p < cut ? depth - p : cut, x + p * size, x_row, 1,
                          w + p * s->row, k->nr, s->panel / size, z + j * size, z_row, 1, (p > 0 ? NNC_ADD : 0) | ask);
        return;
    }
    for (long g = 0, j = 0; g < s->groups; g++, j += panel, w += s->group) {
        const long width = n - j < panel ? n - j : panel;
        if (s->storage == NNC_FULL) {
            k->matmul(rows, width, depth, x, x_row, 1, w, s->row / size, k->nr, z + j * size, z_row, s->chains, 0);
            continue;
        }
        const int vecs = g == s->groups - 1 ? s->last_vecs : s->vecs;
        for (long p = 0; p < depth; p += DEPTH)
            k->bfloat16(rows, vecs, depth - p < DEPTH ? depth - p : DEPTH, x + p * size, x_row, w + p * s->row, s->row,
                        z + j * size, z_row, p > 0);
    }
}

static void run_many(const nncore_plan *head, int64_t n, const void *x_, void *out_, void *scratch) {
    const nnc_plan *plan = (const nnc_plan *)head;
    const long size = plan->k->itemsize;
    const int64_t room = scratch ? plan->rows : plan->stack_rows, most = room < n ? room : n;
    const char *from = x_;
    char *out = out_;
    if (most == 0) { /* the stack has room for one sample, but not for what many want besides */
        for (; n > 0; n--, from += head->inputs * size, out += head->outputs * size) head->run(head, from, out, NULL);
        return;
    }
    char *memory = scratch ? scratch : __builtin_alloca((size_t)many_bytes(plan, most));
    memory = (char *)(((uintptr_t)memory + NNC_ALIGN - 1) & ~(uintptr_t)(NNC_ALIGN - 1));
    char *buffers[2] = {memory, memory + most * plan->width * size + NNC_SLACK};
    char *wholes = buffers[1] + most * plan->width * size + NNC_SLACK;
    wholes = (char *)(((uintptr_t)wholes + NNC_ALIGN - 1) & ~(uintptr_t)(NNC_ALIGN - 1));
    while (n > 0) {
        const long rows = n < most ? (long)n : (long)most;
        const char *x = from;
        long x_row = (long)head->inputs;
        for (int i = 0; i < plan->count; i++) {
            const nnc_stage *s = &plan->stages[i];
            char *z = buffers[i & 1];
            const long z_row = s->outputs == 1 ? 1 : (long)plan->width;
            const char *bias = (const char *)plan + s->bias;
            if (s->outputs == 1) s->k->matvec(rows, s->inputs, x, x_row, (const char *)plan + s->weight, z, 1);
            else product(plan, s, rows, x, x_row, z, z_row, wholes);
            s->k->forward[s->activation](rows, s->outputs, z, z_row, bias, z, z_row, s->parameter);
            x = z;
            x_row = z_row;
        }
        const long row = (long)head->outputs * size;
        if (x_row * size == row) memcpy(out, x, (size_t)(rows * row)); /* one output: side by side already */
        else for (long i = 0; i < rows; i++) memcpy(out + i * row, x + i * x_row * size, (size_t)row);
        out += rows * row;
        from += rows * head->inputs * size;
        n -= rows;
    }
}
