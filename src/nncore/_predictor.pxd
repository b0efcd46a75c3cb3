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
        int spare_owner                 # the process of the call that has it, or 0: nnc_take_as
        readonly object layers, dtype, storage, report
        object memory, __weakref__
    cdef char *borrow(self, int64_t nbytes, bint *kept) except? NULL nogil
    cdef void give_back(self, char *memory, bint kept) noexcept nogil
    # out (outputs) = network(x (inputs)), in the network's type, and out (n, outputs) = network(x (n, inputs)) on the calling
    # thread; nothing is checked. An exception, MemoryError, comes only of networks with layers of tens of thousands.
    cdef int run(self, const void *x, void *out) except -1 nogil
    cdef int run_many(self, int64_t n, const void *x, void *out) except -1 nogil
