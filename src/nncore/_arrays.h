/* What compiled code asks of a numpy array before it reads or writes it as it lies. Some nanoseconds each: typed memoryviews
 * cost more than a small network does. Declared to Cython in _arrays.pxd. */
#ifndef NNCORE_ARRAYS_H
#define NNCORE_ARRAYS_H

#include <numpy/arrayobject.h>
#include <stdint.h>

enum { READABLE = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, WRITABLE = READABLE | NPY_ARRAY_WRITEABLE };

/* array is an ndarray (no subclass) of this type, with these flags. An array that was pickled has a descriptor of its own. */
static inline int lies_right(PyObject *array, void *descr, int flags) {
    if (!PyArray_CheckExact(array) || (PyArray_FLAGS((PyArrayObject *)array) & flags) != flags) return 0;
    PyArray_Descr *const own = PyArray_DESCR((PyArrayObject *)array);
    return (void *)own == descr || (own->type_num == ((PyArray_Descr *)descr)->type_num && PyArray_ISNOTSWAPPED((PyArrayObject *)array));
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

/* Two whole matrices lie in the same place, row for row. */
static inline int in_place(PyObject *a, PyObject *b) {
    return data_of(a) == data_of(b) && PyArray_DIMS((PyArrayObject *)a)[1] == PyArray_DIMS((PyArrayObject *)b)[1];
}

/* x (n), floats of 4 or 8 bytes, holds neither nan nor inf: no exponent of all ones. */
static inline int is_finite(const void *x, int64_t n, int itemsize) {
    typedef uint32_t __attribute__((may_alias)) bits32;
    typedef uint64_t __attribute__((may_alias)) bits64;
    if (itemsize == 4) {
        const bits32 *bits = x, ones = 0x7F800000u;
        uint32_t bad = 0;
        for (int64_t i = 0; i < n; i++) bad |= (bits[i] & ones) == ones;
        return bad == 0;
    }
    const bits64 *bits = x, ones = 0x7FF0000000000000u;
    uint64_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (bits[i] & ones) == ones;
    return bad == 0;
}

/* x (n), floats of 4 or 8 bytes, holds nothing but numbers from 0 to 1. */
static inline int in_unit(const void *x, int64_t n, int itemsize) {
    int good = 1;
    if (itemsize == 4)
        for (int64_t i = 0; i < n; i++) good &= ((const float *)x)[i] >= 0 && ((const float *)x)[i] <= 1;
    else
        for (int64_t i = 0; i < n; i++) good &= ((const double *)x)[i] >= 0 && ((const double *)x)[i] <= 1;
    return good;
}

/* array is an ndarray (rows,) of 32 or 64 bit integers from 0 to classes - 1; labels (rows,): OUT, a copy that nobody else writes. */
static inline int labels_of(PyObject *array, Py_ssize_t rows, int64_t classes, int32_t *labels) {
    if (!PyArray_CheckExact(array) || !PyArray_ISCARRAY_RO((PyArrayObject *)array) || !is_vector(array, rows)) return 0;
    const int type = PyArray_TYPE((PyArrayObject *)array);
    int good = 1;
    if (type == NPY_INT64)
        for (Py_ssize_t i = 0; i < rows; i++) {
            const int64_t label = ((const int64_t *)data_of(array))[i];
            good &= label >= 0 && label < classes;
            labels[i] = (int32_t)label;
        }
    else if (type == NPY_INT32)
        for (Py_ssize_t i = 0; i < rows; i++) {
            const int32_t label = ((const int32_t *)data_of(array))[i];
            good &= label >= 0 && label < classes;
            labels[i] = label;
        }
    else return 0;
    return good;
}

#endif
