# C's plan of a network: its public face (nncore.h), and what makes one.

from libc.stdint cimport int32_t, int64_t

cdef extern from "nncore.h" nogil:
    enum: NNCORE_ABI, NNCORE_STACK
    ctypedef struct nncore_plan:
        int32_t abi
        int32_t itemsize                # of inputs and outputs: 4 is float, 8 is double
        int64_t inputs, outputs
        int64_t bytes, scratch, scratch_many
        void (*run)(const nncore_plan *plan, const void *x, void *out, void *scratch) noexcept nogil
        void (*run_many)(const nncore_plan *plan, int64_t n, const void *x, void *out, void *scratch) noexcept nogil

cdef enum:
    WORTH_RELEASING = 50000  # multiplications: some microseconds, against a tenth for the GIL

cdef object make_plan(layers, parameters, int storage, bint live, scales=*)
cdef void *room(int64_t nbytes) except NULL
