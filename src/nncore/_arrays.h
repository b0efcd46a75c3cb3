/* What compiled code asks of a numpy array before it reads or writes it as it lies. Some nanoseconds each: typed memoryviews
 * cost more than a small network does. Declared to Cython in _arrays.pxd. */
#ifndef NNCORE_ARRAYS_H
#define NNCORE_ARRAYS_H

#include <numpy/arrayobject.h>
#include <stdint.h>

enum { READABLE = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, WRITABLE = READABLE | NPY_ARRAY_WRITEABLE };

/* array is an ndarray (no subclass) of this type, with these flags. */
static inline int lies_right(PyObject *array, void *descr, int flags) {
    return PyArray_CheckExact(array) && (void *)PyArray_DESCR((PyArrayObject *)array) == descr &&
           (PyArray_FLAGS((PyArrayObject *)array) & flags) == flags;
}

/* Of an ndarray: it is (n,), or (any number but 0, n). */
static inline int is_vector(PyObject *array, Py_ssize_t n) {
    return PyArray_NDIM((PyArrayObject *)array) == 1 && PyArray_DIMS((PyArrayObject *)array)[0] == n;
}
static inline int is_matrix(PyObject *array, Py_ssize_t n) {
    return PyArray_NDIM((PyArrayObject *)array) == 2 && PyArray_DIMS((PyArrayObject *)array)[1] == n &&
           PyArray_DIMS((PyArrayObject *)array)[0] > 0;
}

static inline void *data_of(PyObject *array) { return PyArray_DATA((PyArrayObject *)array); }
static inline Py_ssize_t rows_of(PyObject *array) { return PyArray_DIMS((PyArrayObject *)array)[0]; }

/* Two whole ndarrays share no memory. */
static inline int apart(PyObject *a, PyObject *b) {
    const char *p = data_of(a), *q = data_of(b);
    return p + PyArray_NBYTES((PyArrayObject *)a) <= q || q + PyArray_NBYTES((PyArrayObject *)b) <= p;
}

/* x (n), floats of 4 or 8 bytes, holds neither nan nor inf: no exponent of all ones. */
static inline int is_finite(const void *x, int64_t n, int itemsize) {
    if (itemsize == 4) {
        const uint32_t *bits = x, ones = 0x7F800000u;
        uint32_t bad = 0;
        for (int64_t i = 0; i < n; i++) bad |= (bits[i] & ones) == ones;
        return bad == 0;
    }
    const uint64_t *bits = x, ones = 0x7FF0000000000000u;
    uint64_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (bits[i] & ones) == ones;
    return bad == 0;
}

#endif
