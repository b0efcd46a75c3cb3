cdef int processes            # forks from the one that imported this

cdef class Turn:
    cdef:
        object token              # of the call whose turn it is, or None
        int process               # in this process: a fork has no other's threads
        unsigned long thread      # in this thread
    cpdef int take(self, object token) except -1
    cpdef void give(self, object token) noexcept
    cdef bint taken(self) noexcept
    cdef bint mine(self) noexcept
