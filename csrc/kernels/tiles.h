/* tiles.h: every tile, in the words of one ISA and one type, and the table that hands them out.
 *
 * Included twice by each isa/<name>.c. To add a kernel: a field in nnc_kernels (nnc.h), a file here, a line in the table. */
#include "../words.h"
#include "../vmath.h"
#include "walk.h"
#include "../ops/activations.h"
#include "../ops/losses.h"
#include "../ops/optimizers.h"
#include "two_outputs.h"
#include "matmul.h"
#include "zeros.h"
#include "pack.h"
#include "matvec.h"
#include "maps.h"
#include "steps.h"
#include "row.h"
#include "bfloat16.h"

#define ROW_FORWARD(name, ...) [NNC_##name] = FN(forward_##name),
#define ROW_BACKWARD(name, ...) [NNC_##name] = FN(backward_##name),
#define ROW_LOSS(name, ...) [NNC_##name] = FN(loss_##name),
#define ROW_UPDATE(name, ...) [NNC_##name] = FN(update_##name),
static const nnc_kernels FN(table) = {
    .isa = NNC_STRING(NNC_ISA),
    .itemsize = sizeof(real),
    .lanes = LANES,
    .mr = MR,
    .nr = NR,
#ifdef NNC_NARROWER
    .narrower = NNC_NARROWER,
#endif
    .matmul = FN(matmul),
    .skips = FN(skips_zeros),
    .matvec = FN(matvec),
    .matvec_t = FN(matvec_t),
    .copy = FN(copy),
    .turn = FN(turn),
    .pack = FN(pack),
    .pack_t = FN(pack_t),
    .forward = {NNC_ACTIVATION_LIST(ROW_FORWARD, ROW_FORWARD)},
    .backward = {NNC_ACTIVATION_LIST(ROW_BACKWARD, ROW_BACKWARD)},
    .loss = {NNC_LOSS_LIST(ROW_LOSS, ROW_LOSS)},
    .update = {NNC_OPTIMIZER_LIST(ROW_UPDATE)},
    .flush = FN(flush),
    .dropout = FN(dropout),
    .accumulators = NNC_ACC,
    .row = FN(row),
    .row_choose = FN(row_choose),
#if NNC_REAL == 32
    .bfloat16 = FN(bfloat16),
    .int8 = {FN(int8_layer_plain), INT8_QUICK},
#endif
};
#undef ROW_FORWARD
#undef ROW_BACKWARD
#undef ROW_LOSS
#undef ROW_UPDATE

#include "../words_end.h"
