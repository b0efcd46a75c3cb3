/* lists.h: the three lists of rows, for whoever wants names and no functions (nnc.h). Each row stands in its own
 * file, above its functions; this page only gathers them. */
#include "activations.h"
#include "losses.h"
#include "optimizers.h"
