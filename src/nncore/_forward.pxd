from ._arena cimport Plan

cdef void forward(Plan *p, const char *x, long x_row, long first, long rows, bint linked, unsigned long long dropout_key,
                  int thread) noexcept nogil
