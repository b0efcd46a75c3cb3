/* test_plan.c: plans on every ISA that this machine has: one sample against many, with and without zeros among the
 * inputs, live against frozen, a plan against the one built again from what it holds, int8 with and without a special
 * instruction; all bit for bit. And plans of which few rows, or not one, fit the stack.
 *
 *     cc -O2 -std=gnu11 -ffp-contract=off -Icsrc tests/ctest/test_plan.c csrc/(all).c csrc/isa/(all).c -lm -lpthread
 *     test_plan            exit code 1 and FAIL lines when something is off
 *     test_plan --hash     one line "<storage> <type> <network> <hash>" each for every ISA: equal on those that have FMA */
#include "plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 3, ROWS = 7, WIDEST = 2200, PARAMETERS = 700000 };

static int failures;
static uint64_t state;
static double uniform(void) { return (double)(int64_t)nnc_mix(state++) / 9223372036854775808.0; } /* -1 .. 1 */

static void put(const nnc_kernels *k, void *p, long i, double value) {
    if (k->itemsize == 4) ((float *)p)[i] = (float)value;
    else ((double *)p)[i] = value;
}

static void *aligned(int64_t bytes) {
    void *p = aligned_alloc(NNC_ALIGN, (size_t)nnc_round_up(bytes, NNC_ALIGN));
    memset(p, 0, (size_t)bytes);
    return p;
}

static uint64_t hash(uint64_t h, const void *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) h = (h ^ ((const unsigned char *)p)[i]) * 1099511628211u;
    return h;
}

static const int networks[][LAYERS + 2] = { /* inputs, outputs of each layer, activation of the hidden ones */
    {3, 5, 1, 2, NNC_tanh},       {8, 16, 1, 1, NNC_sigmoid},         {17, 64, 64, 6, NNC_tanh},
    {64, 128, 64, 1, NNC_relu},   {100, 33, 20, 17, NNC_gelu},        {200, 16, 70, 24, NNC_relu},
    {90, 300, 40, 2, NNC_relu},   {70, 32, 257, 100, NNC_leaky_relu}, {2200, 40, 9, 3, NNC_softplus},
    {130, 65, 129, 47, NNC_silu},
};
enum { NETWORKS = sizeof networks / sizeof networks[0] };
static const char *const storages[] = {"full", "bfloat16", "int8"};

static uint64_t check(const nnc_kernels *k, int storage, int which) {
    const int *n = networks[which], size = k->itemsize;
    char *parameters = aligned(PARAMETERS * 8 + NNC_SLACK);
    nnc_plan_layer layers[LAYERS], again[LAYERS];
    long at = 0;
    state = (uint64_t)which << 32;
    for (int i = 0; i < LAYERS; i++) {
        const int last = i == LAYERS - 1, softmax = last && n[i + 1] > 1;
        nnc_plan_layer *l = &layers[i];
        const int activation = softmax ? NNC_softmax : last ? NNC_identity : n[LAYERS + 1];
        *l = (nnc_plan_layer){n[i], n[i + 1], activation, 0.1, NULL, NULL, NULL};
        l->weight = parameters + at * size;
        for (long j = 0; j < (long)n[i] * n[i + 1]; j++) put(k, parameters, at++, uniform() / 4);
        l->bias = i == 1 ? NULL : parameters + at * size;
        if (l->bias)
            for (long j = 0; j < n[i + 1]; j++) put(k, parameters, at++, uniform());
    }
    void *frozen = aligned(nnc_plan_bytes(k, storage, LAYERS, layers, 0));
    nnc_plan_build(k, storage, LAYERS, layers, NULL, frozen);
    const nncore_plan *plan = frozen;
    const long inputs = n[0], outputs = n[LAYERS];
    char *x = aligned(ROWS * inputs * size + NNC_SLACK);
    char *many = aligned(ROWS * outputs * size), *one = aligned(outputs * size);
    for (long i = 0; i < ROWS * inputs; i++) { /* from dense rows to nearly empty ones */
        const double value = uniform(), chance = uniform();
        put(k, x, i, chance * ROWS > (double)(i / inputs) * 2 - ROWS ? value : 0);
    }
    plan->run_many(plan, ROWS, x, many, NULL);

    for (int i = 0; i < LAYERS; i++) {
        char *weight = aligned((long)n[i] * n[i + 1] * size), *bias = aligned(n[i + 1] * size + NNC_SLACK);
        float *scale = aligned(n[i + 1] * 4);
        again[i] = layers[i];
        again[i].scale = nnc_plan_layer_of(plan, i, weight, bias, scale) ? scale : NULL;
        again[i].weight = weight;
        again[i].bias = layers[i].bias ? bias : NULL;
    }
    void *rebuilt = aligned(nnc_plan_bytes(k, storage, LAYERS, again, 0));
    nnc_plan_build(k, storage, LAYERS, again, NULL, rebuilt);
    void *live = aligned(nnc_plan_bytes(k, NNC_FULL, LAYERS, layers, 1));
    nnc_plan_build(k, NNC_FULL, LAYERS, layers, parameters, live);
    /* int8 by the instructions that every CPU with this ISA has, and by the quicker one where this CPU has it */
    nnc_plan *plain = memcpy(aligned(plan->bytes), plan, (size_t)plan->bytes);
    plain->int8 = k->int8[0];
    const nncore_plan *plans[] = {plan, rebuilt, storage == NNC_FULL ? live : plan, &plain->head};
    char *again_many = aligned(ROWS * outputs * size);
    plain->head.run_many(&plain->head, ROWS, x, again_many, NULL);
    if (memcmp(many, again_many, (size_t)(ROWS * outputs * size)) != 0 && failures++ < 40)
        printf("FAIL %s %s network %d: two ways to the dot product differ\n", k->isa, storages[storage], which);
    for (int p = 0; p < 4; p++)
        for (long i = 0; i < ROWS; i++) {
            memset(one, 0xFF, (size_t)(outputs * size));
            plans[p]->run(plans[p], x + i * inputs * size, one, NULL);
            if (memcmp(one, many + i * outputs * size, (size_t)(outputs * size)) != 0 && failures++ < 40)
                printf("FAIL %s f%d %s network %d plan %d row %ld\n", k->isa, size * 8, storages[storage], which, p, i);
        }
    return hash(14695981039346656037u, many, (size_t)(ROWS * outputs * size)); /* memory is freed by the program's end */
}

/* inputs, hidden units, outputs of plans with rows of hundreds of kilobytes */
static const int wide[][3] = {{10, 30000, 1}, {12, 40000, 4}, {8, 33000, 2}, {9, 8000, 3}, {1, 800000, 1}};
enum { WIDE = sizeof wide / sizeof wide[0], FEW = 4 };

/* Many samples in the scratch that the plan asks for, and on the stack where that is allowed, give what one by one gives. */
static void check_wide(const nnc_kernels *k, int storage, const int *n) {
    const int size = k->itemsize;
    const long weights = (long)n[1] * (n[0] + n[2]);
    char *w = aligned(weights * size + NNC_SLACK), *x = aligned((long)FEW * n[0] * size + NNC_SLACK);
    for (long i = 0; i < weights; i++) put(k, w, i, (double)(i % 1999) / 4000 - 0.25);
    for (long i = 0; i < (long)FEW * n[0]; i++) put(k, x, i, uniform());
    const nnc_plan_layer layers[2] = {{n[0], n[1], NNC_tanh, 0, w, NULL, NULL},
                                      {n[1], n[2], NNC_identity, 0, w + (long)n[0] * n[1] * size, NULL, NULL}};
    nnc_plan *plan = aligned(nnc_plan_bytes(k, storage, 2, layers, 0));
    nnc_plan_build(k, storage, 2, layers, NULL, plan);
    const nncore_plan *head = &plan->head;
    const size_t answer = (size_t)n[2] * size;
    char *want = aligned(FEW * (long)answer), *got = aligned(FEW * (long)answer), *scratch = aligned(head->scratch);
    char *scratch_many = aligned(head->scratch_many); /* so long and no longer: a sanitizer looks */
    for (long i = 0; i < FEW; i++) head->run(head, x + i * n[0] * size, want + (size_t)i * answer, scratch);
    for (int stack = 0; stack <= (head->scratch <= NNCORE_STACK); stack++) {
        memset(got, 0xFF, FEW * answer);
        head->run_many(head, FEW, x, got, stack ? NULL : scratch_many);
        if (memcmp(got, want, FEW * answer) != 0 && failures++ < 40)
            printf("FAIL %s f%d %s %d-%d-%d, %s\n", k->isa, size * 8, storages[storage], n[0], n[1], n[2], stack ? "stack" : "scratch");
    }
    if ((plan->rows < 1 || (plan->rows > 1 && head->scratch_many > (48 << 20))) && failures++ < 40)
        printf("FAIL %d-%d-%d: %ld rows at a time in %ld bytes\n", n[0], n[1], n[2], (long)plan->rows, (long)head->scratch_many);
    free(scratch_many), free(scratch), free(got), free(want), free(plan), free(x), free(w);
}

int main(int argc, char **argv) {
    const int hashes = argc > 1 && strcmp(argv[1], "--hash") == 0;
    for (int isa = 0; isa < NNC_ISAS; isa++) {
        if (!nnc_isa_available(isa)) continue;
        if (hashes) printf("# %s\n", nnc_isa_names[isa]);
        for (int dtype = 0; dtype < NNC_DTYPES; dtype++)
            for (int storage = 0; storage < (dtype == NNC_FLOAT32 ? NNC_STORAGES : 1); storage++)
                for (int which = 0; which < NETWORKS; which++) {
                    const uint64_t h = check(nnc_kernels_of(isa, dtype), storage, which);
                    const char *type = dtype == NNC_FLOAT32 ? "f32" : "f64";
                    if (hashes) printf("%s %s network %d %016llx\n", storages[storage], type, which, (unsigned long long)h);
                }
        for (int i = 0; i < (hashes ? 0 : WIDE); i++)
            for (int storage = 0; storage < NNC_STORAGES; storage++) check_wide(nnc_kernels_of(isa, NNC_FLOAT32), storage, wide[i]);
    }
    if (!hashes) printf(failures ? "%d failures\n" : "all good\n", failures);
    return failures != 0;
}
