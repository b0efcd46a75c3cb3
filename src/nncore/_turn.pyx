"""Whose turn it is: a Trainer trains for one call at a time.

Design:
a) A second call is refused and does not wait: it would step on what the first one is in the middle of.
b) A call is known by a token of its own, and gives back only what it was given: Ctrl-C strikes between any two lines of Python, so
   that a call may end without knowing whether it had got its turn.

       token = object()
       try:
           turn.take(token)
           ...
       finally:
           turn.give(token)

c) After fork() the child has none of the threads that may have had it.
"""

from cpython.pythread cimport PyThread_get_thread_ident

import os

import cython

AT_WORK = "this Trainer is at work in another call; one at a time may train with it"

processes = 0


def _forked():
    global processes
    processes += 1


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_forked)


cdef class Turn:
    """One call at a time. The critical sections stand for the GIL where there is none."""

    cpdef int take(self, object token) except -1:
        """Others are refused (RuntimeError) until `give` of this token."""
        cdef bint free
        with cython.critical_section(self):
            free = self.token is None or self.process != processes
            if free:
                self.token, self.process, self.thread = token, processes, PyThread_get_thread_ident()
        if not free:
            raise RuntimeError(AT_WORK)
        return 0

    cpdef void give(self, object token) noexcept:
        """Ends the turn that was taken with this token, if it was."""
        with cython.critical_section(self):
            if self.token is token:
                self.token = None

    cdef bint taken(self) noexcept:
        # whether some call has it
        cdef bint there
        with cython.critical_section(self):
            there = self.token is not None and self.process == processes
        return there

    cdef bint mine(self) noexcept:
        # whether a call of this thread has it
        return self.taken() and self.thread == PyThread_get_thread_ident()
