"""Predictor: an immutable plan for serving, and Row, which answers one sample from weights that may change.

Design:
a) The plan is C's (csrc/plan.h). What stands here is the border: checks with the numpy C-API (typed memoryviews cost
   more than a small network does), then straight into the kernel.
b) Python calls an object through its type's tp_call, with a tuple made for each call, unless the type has a vectorcall
   slot. Cython writes the first; `answer` below is the second, put in its slot when the module is loaded.
c) With `out` nothing is allocated and nothing converted. A plan is never written, so threads share it without a lock.
d) Many samples through a wide network want more room than the stack should give: the first such call makes a workspace, which
   is kept. One call at a time has it (an atomic flag, nobody waits); others make do with the stack.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from collections import namedtuple

import cython
import numpy as np

cimport numpy as cnp

from . import _kernels, checks
from ._arena import aligned
from ._kernels cimport (NNC_BFLOAT16, NNC_FLOAT32, NNC_FLOAT64, NNC_FULL, NNC_INT8, default_threads, kernels,
                        nnc_kernels, nnc_plan_layer, nnc_team, parallel, plan_build, plan_bytes, plan_layer, plan_stack_rows,
                        team_size)

cnp.import_array()

cdef extern from *:
    """
    /* The slot that Cython does not write: `offset` is where an object holds its vectorcall function. */
    static void set_vectorcall(PyTypeObject *type, Py_ssize_t offset) {
        type->tp_vectorcall_offset = offset;
        type->tp_call = PyVectorcall_Call;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(type);
    }
    /* array is an ndarray (no subclass) of this type as it lies in memory, with these flags. */
    static inline int lies_right(PyObject *array, void *descr, int flags) {
        return PyArray_CheckExact(array) && (void *)PyArray_DESCR((PyArrayObject *)array) == descr &&
               (PyArray_FLAGS((PyArrayObject *)array) & flags) == flags;
    }
    static inline int is_vector(PyObject *array, Py_ssize_t n) {
        return PyArray_NDIM((PyArrayObject *)array) == 1 && PyArray_DIMS((PyArrayObject *)array)[0] == n;
    }
    static inline int is_matrix(PyObject *array, Py_ssize_t n) {
        return PyArray_NDIM((PyArrayObject *)array) == 2 && PyArray_DIMS((PyArrayObject *)array)[1] == n &&
               PyArray_DIMS((PyArrayObject *)array)[0] > 0;
    }
    static inline void *data_of(PyObject *array) { return PyArray_DATA((PyArrayObject *)array); }
    static inline int apart(PyObject *a, PyObject *b) {
        const char *p = data_of(a), *q = data_of(b);
        return p + PyArray_NBYTES((PyArrayObject *)a) <= q || q + PyArray_NBYTES((PyArrayObject *)b) <= p;
    }
    static inline int take_flag(char *flag) { return !__atomic_test_and_set(flag, __ATOMIC_ACQUIRE); }
    static inline void give_flag(char *flag) { __atomic_clear(flag, __ATOMIC_RELEASE); }
    static inline Py_ssize_t rows_of(PyObject *array) { return PyArray_DIMS((PyArrayObject *)array)[0]; }
    """
    void set_vectorcall(PyTypeObject *type, Py_ssize_t offset)
    bint lies_right(PyObject *array, void *descr, int flags) noexcept
    bint is_vector(PyObject *array, Py_ssize_t n) noexcept
    bint is_matrix(PyObject *array, Py_ssize_t n) noexcept
    bint apart(PyObject *a, PyObject *b) noexcept
    void *data_of(PyObject *array) noexcept
    bint take_flag(char *flag) noexcept
    void give_flag(char *flag) noexcept
    Py_ssize_t rows_of(PyObject *array) noexcept
    Py_ssize_t PyVectorcall_NARGS(size_t nargs)

cdef int READ = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
cdef int WRITE = READ | cnp.NPY_ARRAY_WRITEABLE
cdef double WORTH_RELEASING = 5e4       # multiplications: some microseconds, against a tenth for the GIL
cdef double WORTH_A_THREAD = 1.5e6      # multiplications per thread below which a thread costs more than it does

Functions = namedtuple("Functions", "function plan inputs outputs scratch")
Report = namedtuple("Report", "storage bytes max_error mean_error")
Report.__doc__ = """What storing weights in fewer bytes costs: the plan's bytes, and the largest and the mean absolute
difference from the network's answers to the sample that `freeze` was given (nan without one)."""


# ---- building -------------------------------------------------------------------------------------------------------------

STORAGES = {"float32": NNC_FULL, "float64": NNC_FULL, "bfloat16": NNC_BFLOAT16, "int8": NNC_INT8}


cdef object build(layers, cnp.ndarray parameters, int storage, bint live, scales=None):
    # The plan's block of memory, an array. layers as in Arena; parameters of the arithmetic's type, whole. scales: per
    # layer None or a float32 array, see nnc_plan_layer.
    cdef:
        const nnc_kernels *k = kernels(NNC_FLOAT32 if parameters.dtype.itemsize == 4 else NNC_FLOAT64)
        int count = len(layers), i
        int64_t at = 0, size = parameters.dtype.itemsize
        char *base = <char *>cnp.PyArray_DATA(parameters)
        nnc_plan_layer *rows = <nnc_plan_layer *>malloc(count * sizeof(nnc_plan_layer))
        cnp.ndarray memory, scale
    if rows == NULL:
        raise MemoryError("no memory for the description of the layers")
    try:
        for i, (inputs, outputs, activation, parameter, has_bias, _) in enumerate(layers):
            rows[i].inputs, rows[i].outputs = inputs, outputs
            rows[i].activation, rows[i].parameter = activation, parameter
            rows[i].weight = base + at * size
            at += rows[i].inputs * rows[i].outputs
            rows[i].bias = base + at * size if has_bias else NULL
            at += rows[i].outputs if has_bias else 0
            rows[i].scale = NULL
            if scales is not None and scales[i] is not None:
                scale = scales[i]
                rows[i].scale = <const float *>cnp.PyArray_DATA(scale)
        if at != parameters.size:
            raise ValueError(f"the layers have {at} parameters, the vector holds {parameters.size}")
        memory = aligned(plan_bytes(k, storage, count, rows, live), np.uint8)
        plan_build(k, storage, count, rows, base if live else NULL, cnp.PyArray_DATA(memory))
    finally:
        free(rows)
    return memory


# ---- the plan, from Python ------------------------------------------------------------------------------------------------


@cython.final
cdef class Predictor:
    """The answer of a network as it was when it was frozen; later changes of the network do not reach it.

    Made by `Network.freeze`. Safe from any number of threads at once.

    ``predictor(x)`` takes (inputs,) or (n, inputs), of anything array-like. ``predictor(x, out)`` writes into `out`,
    returns it, allocates nothing and is strict: both must be C-contiguous arrays of the plan's dtype and the right
    shape. (Many samples through a network too wide for the stack: the first call makes a workspace, which is kept.) An input that is nan gives nan. Answers have the same bits as the network's own, one by one or many at once.

    Attributes
    ----------
    inputs, outputs : int
    dtype : dtype
        Of inputs, outputs and arithmetic.
    storage : str
        Of the weights: "float32", "float64", "bfloat16" or "int8".
    report : Report
        Bytes of the plan, and what the storage costs in accuracy.
    ctypes : Functions
        Addresses for callers that do not go through Python; see `nncore.get_include`.

    Examples
    --------
    >>> import nncore
    >>> predict = nncore.Network([2, 8, 1], seed=0).freeze()
    >>> predict([0.5, -0.5]).shape
    (1,)
    """

    def __cinit__(self, *args):
        self.vectorcall = <void *>answer

    def __init__(self, layers, parameters, storage=None, scales=None, report=None):
        cdef:
            cnp.ndarray vector, memory
        self.storage = str(parameters.dtype) if storage is None else storage
        self.dtype = np.dtype("float64" if self.storage == "float64" else "float32")
        self.descr = <void *><PyObject *>self.dtype
        vector = np.ascontiguousarray(parameters, self.dtype)
        if not np.isfinite(vector).all() and STORAGES[self.storage] != NNC_FULL:
            raise ValueError(f"the weights must be finite to be stored as {self.storage}")
        self.layers = tuple(layers)
        self.work = sum(inputs * outputs for inputs, outputs, *_ in layers)
        memory = build(layers, vector, STORAGES[self.storage], False, scales)
        self.plan = <const nncore_plan *>cnp.PyArray_DATA(memory)
        self.memory = memory
        self.report = Report(*report) if report else Report(self.storage, self.plan.bytes, float("nan"), float("nan"))

    def __dealloc__(self):
        PyMem_RawFree(self.spare)

    cdef char *workspace(self, int64_t nbytes) noexcept:
        # for whoever holds spare_taken; kept, so that the next call allocates nothing. NULL: then the stack serves, slowly.
        if self.spare_bytes < nbytes:
            PyMem_RawFree(self.spare)
            self.spare = PyMem_RawMalloc(nbytes)
            self.spare_bytes = nbytes if self.spare != NULL else 0
        return <char *>self.spare

    def compare(self, X, Y):
        """Set `report` by the answers Y of another plan or network to the samples X; returns it."""
        error = np.abs(np.asarray(Y, np.float64) - self(X))
        self.report = Report(self.storage, self.plan.bytes, float(error.max()), float(error.mean()))
        return self.report

    def __reduce__(self):
        # By weights and not by the plan, whose layout is of one instruction set.
        cdef:
            int i
            cnp.ndarray weight, bias, scale
        pieces, scales = [], []
        for i, (inputs, outputs, _, _, has_bias, _) in enumerate(self.layers):
            weight, bias = np.empty((inputs, outputs), self.dtype), np.empty(outputs, self.dtype)
            scale = np.empty(outputs, np.float32)
            scaled = plan_layer(self.plan, i, cnp.PyArray_DATA(weight), cnp.PyArray_DATA(bias),
                                <float *>cnp.PyArray_DATA(scale))
            scales.append(scale if scaled else None)
            pieces += [weight.reshape(-1), bias] if has_bias else [weight.reshape(-1)]
        return Predictor, (self.layers, np.concatenate(pieces), self.storage, scales, tuple(self.report))

    cdef void run(self, const void *x, void *out) noexcept nogil:
        self.plan.run(self.plan, x, out, NULL)

    cdef void run_many(self, int64_t n, const void *x, void *out) noexcept nogil:
        self.plan.run_many(self.plan, n, x, out, NULL)

    def __call__(self, x, out=None):
        """The network's answer to `x`, in `out` if it is given."""
        return in_words(self, x, out)

    @property
    def inputs(self):
        """Number of inputs."""
        return self.plan.inputs

    @property
    def outputs(self):
        """Number of outputs."""
        return self.plan.outputs

    @property
    def ctypes(self):
        """(function, plan, inputs, outputs, scratch): addresses and sizes for ctypes, cffi, numba or any other caller.

        The function is ``void function(const void *plan, const void *x, void *out, void *scratch)``; scratch is that
        many bytes, or NULL where they are at most 256 KiB: then the stack serves. The addresses hold while the
        Predictor does.
        """
        return Functions(<size_t>self.plan.run, <size_t>self.plan, self.plan.inputs, self.plan.outputs,
                         self.plan.scratch)

    @property
    def capsule(self):
        """The plan for C, a capsule named "nncore.plan" (see nncore.h); it keeps the Predictor alive."""
        capsule = PyCapsule_New(<void *>self.plan, "nncore.plan", forget)
        Py_INCREF(self)
        PyCapsule_SetContext(capsule, <void *>self)
        return capsule

    def __repr__(self):
        sizes = "-".join(str(size) for size in [self.inputs, *(layer[1] for layer in self.layers)])
        return f"Predictor({sizes}, {self.storage})"


cdef void forget(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


# ---- the call -------------------------------------------------------------------------------------------------------------


cdef object answer(PyObject *callable, PyObject *const *args, size_t nargs, PyObject *names):
    # Predictor's vectorcall: samples that lie right go straight into the kernel, all else to in_words.
    cdef:
        Predictor self = <Predictor>callable
        const nncore_plan *plan = self.plan
        Py_ssize_t count = PyVectorcall_NARGS(nargs)
        PyObject *x
        PyObject *out
        cnp.npy_intp n
    if names == NULL and count >= 1 and plan != NULL:
        x = args[0]
        if lies_right(x, self.descr, READ) and is_vector(x, plan.inputs):
            if count == 2:
                out = args[1]
                if lies_right(out, self.descr, WRITE) and is_vector(out, plan.outputs):
                    one_sample(self, data_of(x), data_of(out))
                    return <object>out
            elif count == 1:
                n = plan.outputs
                made = cnp.PyArray_SimpleNew(1, &n, cnp.NPY_FLOAT if plan.itemsize == 4 else cnp.NPY_DOUBLE)
                one_sample(self, data_of(x), data_of(<PyObject *>made))
                return made
        elif count == 2 and lies_right(x, self.descr, READ) and is_matrix(x, plan.inputs):
            out = args[1]
            if (lies_right(out, self.descr, WRITE) and is_matrix(out, plan.outputs) and rows_of(out) == rows_of(x)
                    and apart(x, out)):
                many_samples(self, rows_of(x), data_of(x), data_of(out))
                return <object>out
    return from_vector(self, args, count, names)


cdef inline int one_sample(Predictor self, const void *x, void *out) except -1:
    cdef void *scratch = NULL
    if self.plan.scratch > NNCORE_STACK:
        scratch = room(self.plan.scratch)
    if self.work >= WORTH_RELEASING:
        with nogil:
            self.plan.run(self.plan, x, out, scratch)
    else:
        self.plan.run(self.plan, x, out, scratch)
    if scratch != NULL:
        PyMem_RawFree(scratch)
    return 0


cdef void *room(int64_t nbytes) except NULL:
    # for networks so wide that the stack will not do
    cdef void *memory = PyMem_RawMalloc(nbytes)
    if memory == NULL:
        raise MemoryError(f"no memory for a workspace of {nbytes} bytes")
    return memory


cdef object from_vector(Predictor self, PyObject *const *args, Py_ssize_t count, PyObject *names):
    # the arguments (x, out=None) by place or by name
    cdef:
        list given = [<object>args[i] for i in range(count)]
        dict named = {}
        Py_ssize_t i
    if names != NULL:
        for i, name in enumerate(<object>names):
            named[name] = <object>args[count + i]
    if count > 2 or any(name not in ("x", "out") for name in named):
        raise TypeError("a Predictor is called as predictor(x) or predictor(x, out)")
    return in_words(self, *given, **named)


def in_words(Predictor self, x, out=None):
    """``predictor(x, out)`` with every check, conversion and message."""
    cdef:
        cnp.ndarray array
        cnp.ndarray target
        int64_t n
    if self.plan == NULL:
        raise ValueError("this Predictor is empty; use Network.freeze() to make one")
    if out is None:
        array, was_1d = checks.as_inputs(x, self.plan.inputs, self.dtype, finite=False)
    else:
        require_x(x, self.plan.inputs, self.dtype)
        was_1d = x.ndim == 1
        array = np.asarray(x).reshape(-1, self.plan.inputs)
    n = array.shape[0]
    shape = tuple([self.plan.outputs] if was_1d else [n, self.plan.outputs])
    if out is None:
        out = np.empty(shape, self.dtype)
    else:
        checks.require_out(out, shape, self.dtype)
    target = np.asarray(out)
    if not target.flags.aligned:
        raise ValueError(f"out is not aligned in memory: use np.empty({shape}, np.{self.dtype})")
    if n > 1 and np.may_share_memory(array, target):
        raise ValueError("x and out share memory: give out memory of its own")
    many_samples(self, n, cnp.PyArray_DATA(array), cnp.PyArray_DATA(target))
    return out


def require_x(x, inputs, dtype):
    """Raise unless `x` can be read as it lies: what ``predictor(x, out)`` asks of it, with the words that say how to get it."""
    fix = f"use np.ascontiguousarray(x, np.{dtype})"
    if not isinstance(x, np.ndarray):
        raise TypeError(f"with out given, x must be an ndarray, got {checks.short(x)}: {fix}")
    if x.dtype != dtype:
        raise TypeError(f"x has dtype {x.dtype}, the plan takes {dtype}: {fix}")
    if x.ndim not in (1, 2) or x.shape[-1] != inputs or x.shape[0] == 0:
        raise ValueError(f"x has shape {x.shape}, but the network takes ({inputs},), or (n, {inputs}) with n >= 1")
    if not x.flags.c_contiguous or not x.flags.aligned:
        raise ValueError(f"x is not {'C-contiguous' if x.flags.aligned else 'aligned in memory'}: {fix}")


# ---- many samples ---------------------------------------------------------------------------------------------------------

cdef struct Job:
    const nncore_plan *plan
    int64_t n
    const char *x
    char *out
    char *scratch               # per thread, or NULL: from the stack


cdef void many_team(void *context, int index, nnc_team *team) noexcept nogil:
    # each thread its own stretch of rows
    cdef:
        Job *j = <Job *>context
        const nncore_plan *p = j.plan
        int size = team_size(team)
        int64_t first = j.n * index // size
        int64_t last = j.n * (index + 1) // size
    p.run_many(p, last - first, j.x + first * p.inputs * p.itemsize, j.out + first * p.outputs * p.itemsize,
               j.scratch + index * p.scratch_many if j.scratch != NULL else NULL)


cdef int many_samples(Predictor self, int64_t n, const void *x, void *out) except -1:
    if n == 1:
        return one_sample(self, x, out)
    cdef:
        Job job
        double work = self.work * n
        int team = default_threads()
    if team > work / WORTH_A_THREAD:
        team = <int>(work / WORTH_A_THREAD)
    if team < 1:
        team = 1
    job.plan, job.n, job.x, job.out, job.scratch = self.plan, n, <const char *>x, <char *>out, NULL
    cdef bint wide = (self.plan.scratch_many > NNCORE_STACK and n > plan_stack_rows(self.plan)
                      and take_flag(&self.spare_taken))
    if wide:
        job.scratch = self.workspace(self.plan.scratch_many * team)
    if work < WORTH_RELEASING:
        self.plan.run_many(self.plan, n, x, out, job.scratch)
    else:
        with nogil:
            parallel(team, many_team, &job)
    if wide:
        give_flag(&self.spare_taken)
    return 0


# ---- one sample from weights that may change --------------------------------------------------------------------------------


@cython.final
cdef class Row:
    """Answers one sample from a network's parameters as they are at the moment: the quick way of ``Network.predict``.

    layers and parameters as in Arena. ``row.answer(x, out)`` is the answer, in out or a new array, or None where x is not one
    plain finite sample of the right type, (inputs,) or (1, inputs), or out does not fit it: then the long way has the checks,
    conversions and words.
    """
    cdef:
        const nncore_plan *plan
        const nnc_kernels *k
        void *descr
        object layers, parameters, memory

    def __init__(self, layers, parameters):
        self.layers = layers
        self.parameters = parameters
        self.descr = <void *><PyObject *>parameters.dtype
        self.prepare()

    cdef int prepare(self) except -1:
        cdef cnp.ndarray memory = build(self.layers, self.parameters, NNC_FULL, True)
        self.k = kernels(NNC_FLOAT32 if self.parameters.dtype.itemsize == 4 else NNC_FLOAT64)
        self.memory = memory
        self.plan = <const nncore_plan *>cnp.PyArray_DATA(memory)
        return 0

    cpdef object answer(self, object x, object out=None):
        cdef:
            PyObject *source = <PyObject *>x
            PyObject *target = <PyObject *>out
            cnp.npy_intp n[2]
            bint flat
            void *scratch = NULL
        if not lies_right(source, self.descr, READ):
            return None
        flat = is_vector(source, self.plan.inputs)
        if not flat and not (is_matrix(source, self.plan.inputs) and rows_of(source) == 1):
            return None
        if not is_finite(self.plan, data_of(source)):
            return None
        if self.k != kernels(NNC_FLOAT32 if self.plan.itemsize == 4 else NNC_FLOAT64):
            self.prepare()  # another instruction set was selected
        if out is None:
            n[0], n[1] = 1, self.plan.outputs
            out = cnp.PyArray_SimpleNew(1 if flat else 2, &n[1] if flat else &n[0],
                                        cnp.NPY_FLOAT if self.plan.itemsize == 4 else cnp.NPY_DOUBLE)
            target = <PyObject *>out
        elif not lies_right(target, self.descr, WRITE) or not (
                is_vector(target, self.plan.outputs) if flat
                else is_matrix(target, self.plan.outputs) and rows_of(target) == 1):
            return None
        if self.plan.scratch > NNCORE_STACK:
            scratch = room(self.plan.scratch)
        self.plan.run(self.plan, data_of(source), data_of(target), scratch)
        if scratch != NULL:
            PyMem_RawFree(scratch)
        return out


cdef bint is_finite(const nncore_plan *plan, const void *x) noexcept nogil:
    # whether x (inputs) holds neither nan nor inf: no exponent of all ones
    cdef:
        int64_t i
        uint32_t bad32 = 0
        uint64_t bad64 = 0
        const uint32_t *a = <const uint32_t *>x
        const uint64_t *b = <const uint64_t *>x
    if plan.itemsize == 4:
        for i in range(plan.inputs):
            bad32 |= (a[i] & 0x7F800000u) == 0x7F800000u
        return bad32 == 0
    for i in range(plan.inputs):
        bad64 |= (b[i] & 0x7FF0000000000000u) == 0x7FF0000000000000u
    return bad64 == 0


cdef void install() noexcept:
    cdef Predictor empty = Predictor.__new__(Predictor)
    set_vectorcall(<PyTypeObject *>Predictor, <char *>&empty.vectorcall - <char *><PyObject *>empty)

install()
