from libc.stdint cimport int32_t, int64_t, uint64_t

from ._arena cimport Plan
from ._kernels cimport NNC_COEFS, nnc_team
from ._update cimport Sink

# What a call works on: shared by the team.
cdef struct Job:
    Plan *p
    const char *X               # (samples, inputs)
    const char *T               # (samples, outputs) dense targets, or NULL
    const int32_t *labels       # (samples,) class labels, or NULL
    const double *weights       # (samples,) what each counts in training, or NULL: all the same
    const int64_t *order        # the order of samples, or NULL
    long start, samples, batch  # first sample of the stretch, samples in all, samples a step
    long steps                  # at most, in this stretch
    double factor               # 1, or 1 / outputs: what the loss's reduction divides by besides rows
    bint by_rows                # and whether it divides by rows
    # training
    const double *hyper
    double carry[NNC_COEFS]     # of the optimizer
    uint64_t dropout_key        # 0: no dropout
    int64_t step                # steps so far in the trainer's life
    Sink sink
    # results
    long done                   # steps finished
    long seen                   # samples in them
    double loss_sum             # of all rows since the epoch began, unscaled: added step by step, wherever stretches end
    double last_loss            # of the last step
    bint failed                 # the loss was not finite
    char spoilt                 # a flag: a step would have made a weight nan or inf
    # prediction
    char *Y                     # (samples, outputs), or NULL where only losses are wanted
    double *losses              # (samples,), where there are targets

cdef void train_team(void *context, int index, nnc_team *team) noexcept nogil
cdef void predict_team(void *context, int index, nnc_team *team) noexcept nogil
