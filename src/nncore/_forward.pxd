from ._arena cimport Plan
from ._share cimport Share

cdef void forward(Plan *p, const char *x, long x_row, Share *s, bint linked, unsigned long long dropout_key) noexcept nogil
