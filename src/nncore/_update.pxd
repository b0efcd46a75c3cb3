from ._arena cimport Plan

# What becomes of a block of gradient: the optimizer's step on those parameters, or a copy into a vector of gradients.
cdef struct Sink:
    int optimizer           # or -1: copy
    const double *coef      # of this step
    char *parameters        # the vector of parameters, and in the same order:
    char *slot0             # the optimizer's slots (NULL where not needed)
    char *slot1
    char *gradient          # where a copy goes
    int trouble             # OUT: set to 1 when a weight would have turned non-finite

cdef void update(Plan *p, const char *x, long x_row, long batch, Sink *sink, int thread, int threads) noexcept nogil
