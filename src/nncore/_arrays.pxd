# _arrays.h as Cython sees it. Only `lies_right` and `labels_of` take any object; the others want an array that has passed it.

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t

cdef extern from "_arrays.h" nogil:
    enum: READABLE, WRITABLE
    bint lies_right(PyObject *array, void *descr, int flags) noexcept
    bint is_vector(PyObject *array, Py_ssize_t n) noexcept
    bint is_matrix(PyObject *array, Py_ssize_t n) noexcept
    bint apart(PyObject *a, PyObject *b) noexcept
    bint in_place(PyObject *a, PyObject *b) noexcept
    void *data_of(PyObject *array) noexcept
    Py_ssize_t rows_of(PyObject *array) noexcept
    bint in_unit(const void *x, int64_t n, int itemsize) noexcept
    bint labels_of(PyObject *array, Py_ssize_t rows, int64_t classes, int32_t *labels) noexcept
    bint is_finite(const void *x, int64_t n, int itemsize) noexcept
