from ._arena cimport Plan
from ._share cimport Share

cdef void backward(Plan *p, Share *s, unsigned long long dropout_key) noexcept nogil
cdef void output_gradient(Plan *p, Share *s, double scale, bint weighted) noexcept nogil
