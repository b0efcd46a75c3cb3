/* nncore.h: a frozen network from C. All there is to call; nothing to link against.
 *
 * A Predictor, made in Python by Network.freeze(), holds a plan: one block of memory with the packed weights, never
 * written again. The plan knows the functions that run it on this machine. They are re-entrant, lock nothing, allocate
 * nothing and cannot fail: any number of threads may run one plan at once, with or without Python's GIL.
 *
 *     const nncore_plan *plan = nncore_plan_of(predictor);      // with Python.h included before; else see below
 *     float x[8], y[1];                                         // inputs and outputs of plan->itemsize bytes each
 *     nncore_run(plan, x, y);
 *
 * The plan lives as long as the Predictor does: hold a reference to it. Without Python.h the address comes from
 * predictor.ctypes, which hands out (function, plan, inputs, outputs, scratch), as for ctypes, cffi and numba.
 */
#ifndef NNCORE_H
#define NNCORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NNCORE_ABI 1                  /* of this page: nncore_plan_of refuses a plan of another */
#define NNCORE_STACK (256 * 1024)     /* the most bytes of scratch that run and run_many take from the stack, where they need some
                                         16 KiB more */
#define NNCORE_CAPSULE "nncore.plan"  /* name of the capsule that predictor.capsule gives */

typedef struct nncore_plan nncore_plan;
struct nncore_plan {                  /* read only */
    int32_t abi;                      /* NNCORE_ABI */
    int32_t itemsize;                 /* of inputs and outputs: 4 is float, 8 is double */
    int64_t inputs, outputs;
    int64_t bytes;                    /* of the whole plan */
    int64_t scratch, scratch_many;    /* bytes that run and run_many work in */

    /* out (outputs) = network(x (inputs)). scratch: that many bytes of the caller's, of any alignment, or NULL: from
     * the stack, which is allowed where plan->scratch is no more than NNCORE_STACK. x may be out. */
    void (*run)(const nncore_plan *plan, const void *x, void *out, void *scratch);

    /* out (n, outputs) = network(x (n, inputs)), rows back to back. scratch: scratch_many bytes, or NULL: from the
     * stack, allowed as for run; there a wide network has room for few rows at a time, and is slower for it. Row i has
     * the same bits as run gives for it. x may not be out. */
    void (*run_many)(const nncore_plan *plan, int64_t n, const void *x, void *out, void *scratch);
};

/* Where plan->scratch is no more than NNCORE_STACK, as in networks of up to some 30,000 units a layer, of doubles 15,000. */
static inline void nncore_run(const nncore_plan *plan, const void *x, void *out) { plan->run(plan, x, out, NULL); }

#ifdef __cplusplus
}
#endif
#endif /* NNCORE_H */

/* Outside of the guard above: this header may have been included before Python's. */
#if defined(Py_PYTHON_H) && !defined(NNCORE_PLAN_OF)
#define NNCORE_PLAN_OF
/* The plan of a Predictor (a borrowed address), or NULL with an exception set: a TypeError if it is none. Once, not per
 * call. */
static inline const nncore_plan *nncore_plan_of(PyObject *predictor) {
    PyObject *capsule = PyObject_GetAttrString(predictor, "capsule");
    if (capsule == NULL ? PyErr_ExceptionMatches(PyExc_AttributeError) : !PyCapsule_IsValid(capsule, NNCORE_CAPSULE)) {
        PyErr_Clear();
        Py_XDECREF(capsule);
        PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(predictor), "__name__");
        if (name != NULL) PyErr_Format(PyExc_TypeError, "a Predictor (net.freeze()) is needed, got %S", name);
        Py_XDECREF(name);
        return NULL;
    }
    if (capsule == NULL) return NULL; /* an empty Predictor */
    const nncore_plan *plan = (const nncore_plan *)PyCapsule_GetPointer(capsule, NNCORE_CAPSULE);
    Py_DECREF(capsule);
    if (plan != NULL && plan->abi != NNCORE_ABI) {
        PyErr_Format(PyExc_ImportError, "built for version %d of nncore.h, the installed nncore has %d: build it again",
                     NNCORE_ABI, (int)plan->abi);
        return NULL;
    }
    return plan;
}
#endif
