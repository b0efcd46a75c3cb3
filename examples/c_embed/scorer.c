/* scorer.c: a Python module in plain C that scores rows with a frozen network. Two lines of it are nncore: where the plan is
 * asked for, once, and where it runs. */
#include <Python.h>
#include <nncore.h>

/* total(predictor, buffer): the sum of the first output over all rows of a contiguous float32 buffer. */
static PyObject *total(PyObject *self, PyObject *args) {
    PyObject *predictor;
    Py_buffer rows;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy*", &predictor, &rows)) return NULL;
    const nncore_plan *plan = nncore_plan_of(predictor);
    double sum = 0;
    float out[64];
    if (plan == NULL || plan->itemsize != 4 || plan->outputs > 64 || plan->scratch > NNCORE_STACK) {
        if (plan != NULL) PyErr_SetString(PyExc_ValueError, "a float32 network of at most 64 outputs is needed");
        PyBuffer_Release(&rows);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    const Py_ssize_t step = (Py_ssize_t)plan->inputs * 4;
    for (Py_ssize_t at = 0; at + step <= rows.len; at += step) {
        nncore_run(plan, (const char *)rows.buf + at, out);
        sum += out[0];
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&rows);
    return PyFloat_FromDouble(sum);
}

static PyMethodDef methods[] = {{"total", total, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "scorer", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_scorer(void) {
    PyObject *made = PyModule_Create(&module);
#ifdef Py_GIL_DISABLED /* says that the GIL may stay off: total() shares nothing that changes */
    if (made != NULL) PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
    return made;
}
