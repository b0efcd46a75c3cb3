/* registry.c: the tables of names, formulas and defaults, expanded from the rows in ops/<kind>.h. Nothing to add
 * here. */
#define NNC_REGISTRY
#include "nnc.h"

#define ELEMENTWISE(name, formula, derivative, reads, init, parameter, value)                                          \
    [NNC_##name] = {#name, formula, derivative, reads, 0, init, parameter, value},
#define ROWWISE(name, formula, derivative, reads, init, parameter, value)                                              \
    [NNC_##name] = {#name, formula, derivative, reads, 1, init, parameter, value},
const nnc_activation_info nnc_activation_table[NNC_ACTIVATIONS] = {NNC_ACTIVATION_LIST(ELEMENTWISE, ROWWISE)};

#define LOSS(name, formula, gradient, reduction, link) [NNC_##name] = {#name, formula, gradient, reduction, link},
const nnc_loss_info nnc_loss_table[NNC_LOSSES] = {NNC_LOSS_LIST(LOSS, LOSS)};

#define OPTIMIZER(name, display, formula, source, hyperparameters)                                                     \
    [NNC_##name] = {#name, display, formula, source, hyperparameters, nnc_##name##_slots, nnc_##name##_prepare,        \
                    nnc_##name##_rescale},
const nnc_optimizer_info nnc_optimizer_table[NNC_OPTIMIZERS] = {NNC_OPTIMIZER_LIST(OPTIMIZER)};
