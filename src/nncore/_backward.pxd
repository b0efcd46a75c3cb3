from ._arena cimport Plan

cdef void backward(Plan *p, long first, long rows, unsigned long long dropout_key, int thread) noexcept nogil
cdef void output_gradient(Plan *p, long first, long rows, double scale, bint wanted) noexcept nogil
