# What other Cython code may use of a Predictor: `cimport nncore`, or this file. Compile with nncore.get_include().

from libc.stdint cimport int64_t

from nncore._plan cimport NNCORE_ABI, NNCORE_STACK, nncore_plan

cdef class Predictor:
    cdef:
        const nncore_plan *plan         # lives as long as the Predictor does
        void *vectorcall                # what Python calls, see _predictor.pyx
        void *descr                     # of the arrays it takes: the type's one descriptor
        double work                     # multiplications per sample
        void *spare                     # workspace of a wide network for many samples, one caller's at a time
        int64_t spare_bytes
        char spare_taken                # an atomic flag
        readonly object layers, dtype, storage, report
        object memory
    # out (outputs) = network(x (inputs)), in the network's type; nothing is checked. See nncore.h for scratch.
    cdef char *workspace(self, int64_t nbytes) noexcept
    cdef void run(self, const void *x, void *out) noexcept nogil
    cdef void run_many(self, int64_t n, const void *x, void *out) noexcept nogil
