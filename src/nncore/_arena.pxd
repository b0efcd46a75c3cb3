# The structs that the loops share: the network as they see it, and the workspace of one batch.

cimport numpy as cnp

from ._kernels cimport NNC_ALIGN, NNC_PAGE, nnc_kernels

cdef struct Layer:
    # the layer: y = activation(x W + b)
    long inputs, outputs
    long column             # 0, or where a layer of some of its columns begins: _share
    long weight_row         # row stride of weight, in elements: outputs of the whole layer
    const nnc_kernels *k    # for the product with its weights and what follows on it: see nnc_kernels_for
    int activation
    bint reads_input        # the activation's derivative is computed from z, so z is kept beside y
    bint zeros              # what it reads may be full of zeros
    bint rowwise            # the activation couples the columns of a row
    int chains              # of summation, nnc_chains
    double parameter        # of the activation
    double dropout          # rate, 0 for none
    long offset             # of weight in the vector of parameters, in elements; the bias follows the weight
    char *weight            # (inputs, outputs)
    char *bias              # (outputs,) or NULL
    # its workspace, for Plan.rows rows
    long row                # row stride of all four, in elements
    char *z                 # (rows, outputs) before activation; the same memory as y unless reads_input
    char *y                 # (rows, outputs) after activation
    char *out               # (rows, outputs) what the next layer reads: y, or y after dropout
    char *dz                # (rows, outputs) gradient with respect to z

cdef struct Plan:
    const nnc_kernels *k
    long size               # bytes of an element
    int count               # layers
    Layer *layers
    long rows               # most rows of a batch
    long inputs, outputs
    long length             # of the vector of parameters, in elements
    char *x                 # (rows, inputs) the batch
    long x_row
    char *t                 # (rows, outputs) its targets
    long t_row
    double *row_loss        # (rows,)
    double *row_weight      # (rows,) what each sample counts, where some count for more
    int loss
    bint finite             # all parameters are known to be
    bint linked             # the loss is fused with the output's activation and reads z
    char *one               # the number 1, the "input" of every bias
    char *scratch           # per thread: a packed block of B, a block of gradient, a packed block of A
    long scratch_bytes      # of one thread
    long packed             # elements of its packed block of B, PACKED or more: see WHOLE
    long block              # elements of its block of gradient and of its packed block of A, BLOCK or more
    long l2                 # bytes of this machine's L2

# Blocks, in elements, for L1 of 32 KiB or more and L2 of 512 KiB or more. A panel of DEPTH rows of a packed operand stays in L1
# while a batch of rows passes it; the packed block and what meets it stay in L2.
cdef enum:
    PACKED = 49152          # elements in a packed block of B
    WHOLE = 524288          # elements of a batch's dz that are packed in one block, at most: then whole rows of W are stepped
    DEPTH = 256             # rows of a packed block, at most, where the contraction may be cut
    BLOCK = 16384           # elements in a block of gradient and in a packed block of A, where the packed block of B stays in L2
    SPARE = 1024            # that a kernel may write beyond a block

cdef class Arena:
    cdef Plan plan
    cdef object memory, parameters
    cdef readonly int threads
    cdef readonly bint training
    cdef int kind               # numpy's number of the parameters' type
    cdef void *descr            # and its descriptor
    cdef bint plain(self, object x, int axes, long last) noexcept
    cdef bint finite(self, cnp.ndarray x) noexcept

cdef inline char *scratch_of(Plan *p, int thread) noexcept nogil:
    return p.scratch + thread * p.scratch_bytes

cdef inline char *gradient_of(Plan *p, int thread, const char *stepped) noexcept nogil:
    # a block of gradient for the parameters at `stepped`, three quarters of a page behind them (see `aligned`)
    cdef char *start = scratch_of(p, thread) + (p.packed + SPARE) * p.size
    return start + <size_t>(stepped + 3 * NNC_PAGE // 4 - start) % NNC_PAGE // NNC_ALIGN * NNC_ALIGN

cdef inline char *strip_of(Plan *p, int thread) noexcept nogil:
    return scratch_of(p, thread) + (p.packed + p.block + 2 * SPARE) * p.size + NNC_PAGE
