from ._arena cimport Layer, Plan

cdef void times_transposed(Plan *p, Layer *l, long rows, const char *dz, long dz_row, char *dx, long dx_row,
                           int thread) noexcept nogil
