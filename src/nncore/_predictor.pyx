"""Predictor: an immutable plan for serving.

Design:
a) The plan is C's (csrc/plan.h). What stands here is the border: checks by the arrays' own fields (_arrays.h), then
   straight into the kernel.
b) Python calls an object through its type's tp_call, with a tuple made for each call, unless the type has a vectorcall
   slot. Cython writes the first; `answer` below is the second, put in its slot when the module is loaded.
c) With `out` nothing is allocated and nothing converted. A plan is never written, so threads share it without a lock.
d) Many samples through a wide network want more room than the stack should give: the first such call makes a workspace, which
   is kept. One call at a time has it (an atomic word, nobody waits); others make do with the stack, or where that is too small
   for a single sample with memory of their own.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t

from collections import namedtuple

import cython
import numpy as np

cimport numpy as cnp

from . import _kernels, checks
from ._arrays cimport READABLE, WRITABLE, apart, data_of, is_matrix, is_vector, lies_right, rows_of
from ._kernels cimport (NNC_BFLOAT16, NNC_FULL, NNC_INT8, NNC_LEFT, PART, WORTH_A_THREAD, nnc_give_as, nnc_plan_grain,
                        nnc_plan_least, nnc_plan_rows, nnc_plan_small, nnc_plan_stack_rows, nnc_take_as, pieces, plan_layer, team_for)
from ._plan cimport WORTH_RELEASING, make_plan
from ._turn cimport processes

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
    """
    void set_vectorcall(PyTypeObject *type, Py_ssize_t offset)
    Py_ssize_t PyVectorcall_NARGS(size_t nargs)

cdef object OUT = "out"                 # interned, as the names that a caller's code gives are

Functions = namedtuple("Functions", "function plan inputs outputs scratch", module=__name__)
Report = namedtuple("Report", "storage bytes max_error mean_error small_layers", module=__name__)
Report.__doc__ = """What storing weights in fewer bytes brings and costs: the plan's bytes, the largest and the mean absolute
difference from the network's answers to the sample that `freeze` was given (nan without one), and in how many layers the
weights are stored so."""

STORAGES = {"float32": NNC_FULL, "float64": NNC_FULL, "bfloat16": NNC_BFLOAT16, "int8": NNC_INT8}


# ---- the plan, from Python ------------------------------------------------------------------------------------------------


@cython.final
cdef class Predictor:
    """The answer of a network as it was when it was frozen; later changes of the network do not reach it.

    Made by `Network.freeze`. Safe from any number of threads at once.

    ``predictor(x)`` takes (inputs,) or (n, inputs), of anything array-like; where there is one input also (n,).
    ``predictor(x, out)`` writes into `out`, returns it, allocates nothing and is strict: both must be C-contiguous
    arrays of the plan's dtype and the right shape. (Many samples through a network that is large beside the CPU's L2:
    the first call makes a workspace, which is kept.) Nobody looks for nan or inf: nan gives nan, but infinity, and a
    float64 too large for float32, may give finite answers, as tanh does. Answers have the same bits as the network's
    own, one by one or many at once.

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
    ctypes_many : Functions
        The same for many samples in a call.

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
        if self.plan != NULL:  # other threads may be in it
            raise TypeError("a Predictor does not change; Network.freeze() makes another")
        self.storage = checks.choice("storage", str(parameters.dtype) if storage is None else storage, STORAGES)
        self.dtype = np.dtype("float64" if self.storage == "float64" else "float32")
        self.descr = <void *><PyObject *>self.dtype
        with np.errstate(over="ignore", under="ignore"):
            vector = np.array(parameters, self.dtype)  # a copy, looked at more than once: training in another thread may go on
        if not np.isfinite(vector).all() and (STORAGES[self.storage] != NNC_FULL or np.isfinite(parameters).all()):
            raise ValueError(f"the weights must be finite to be stored as {self.storage}")
        for _, _, _, parameter, *_ in layers:
            checks.within("an activation's parameter", parameter, self.dtype)
        self.layers = tuple(layers)
        self.work = sum(inputs * outputs for inputs, outputs, *_ in layers)
        memory = make_plan(layers, vector, STORAGES[self.storage], False, scales)
        self.plan = <const nncore_plan *>cnp.PyArray_DATA(memory)
        self.memory = memory
        self.report = Report(*report) if report else Report(self.storage, self.plan.bytes, float("nan"), float("nan"),
                                                                  nnc_plan_small(self.plan))

    def __dealloc__(self):
        PyMem_RawFree(self.spare)

    cdef char *borrow(self, int64_t nbytes, bint *kept) except? NULL nogil:
        # The Predictor's workspace if no other call has it (kept), or where the stack will not do memory of the call's own; to be
        # given back. NULL: the stack will have to do.
        cdef bint must = self.plan.scratch > NNCORE_STACK
        cdef char *own
        cdef int how = nnc_take_as(&self.spare_owner, processes + 1)
        if how == NNC_LEFT:  # by a call that was making it anew, perhaps
            self.spare, self.spare_bytes = NULL, 0
        kept[0] = how != 0
        if kept[0]:
            if self.spare_bytes < nbytes:
                PyMem_RawFree(self.spare)
                self.spare = PyMem_RawMalloc(nbytes)
                self.spare_bytes = nbytes if self.spare != NULL else 0
            if self.spare != NULL:
                return <char *>self.spare
            nnc_give_as(&self.spare_owner)
            kept[0] = False
        own = <char *>PyMem_RawMalloc(nbytes) if must else NULL
        if must and own == NULL:
            with gil:
                raise MemoryError(f"no memory for a workspace of {nbytes} bytes")
        return own

    cdef void give_back(self, char *memory, bint kept) noexcept nogil:
        if kept:
            nnc_give_as(&self.spare_owner)
        else:
            PyMem_RawFree(memory)

    def compare(self, X, Y):
        """Set `report` by the answers Y of another plan or network to the samples X; returns it. For `freeze`, while nobody
        else has this Predictor."""
        with np.errstate(all="ignore"):  # inf - inf
            error = np.abs(np.asarray(Y, np.float64) - self(X))
        self.report = Report(self.storage, self.plan.bytes, float(error.max()), float(error.mean()), nnc_plan_small(self.plan))
        return self.report

    def __reduce__(self):
        # By weights and not by the plan, whose layout is of one instruction set; and activations by name.
        cdef:
            int i
            cnp.ndarray weight, bias, scale
        plan_of(self)
        pieces, scales = [], []
        for i, (inputs, outputs, _, _, has_bias, _) in enumerate(self.layers):
            weight, bias = np.empty((inputs, outputs), self.dtype), np.empty(outputs, self.dtype)
            scale = np.empty(outputs, np.float32)
            scaled = plan_layer(self.plan, i, cnp.PyArray_DATA(weight), cnp.PyArray_DATA(bias),
                                <float *>cnp.PyArray_DATA(scale))
            scales.append(scale if scaled else None)
            pieces += [weight.reshape(-1), bias] if has_bias else [weight.reshape(-1)]
        names = list(_kernels.activations())
        layers = [(inputs, outputs, names[index], *more) for inputs, outputs, index, *more in self.layers]
        return unpickled, (layers, np.concatenate(pieces), self.storage, scales, tuple(self.report))

    cdef int run(self, const void *x, void *out) except -1 nogil:
        cdef:
            char *memory = NULL
            bint kept = False
        if self.plan.scratch > NNCORE_STACK:
            memory = self.borrow(self.plan.scratch, &kept)
        self.plan.run(self.plan, x, out, memory)
        if memory != NULL:
            self.give_back(memory, kept)
        return 0

    cdef int run_many(self, int64_t n, const void *x, void *out) except -1 nogil:
        return answer_many(self, n, x, out, 1)

    def __call__(self, x, out=None):
        """The network's answer to `x`, in `out` if it is given."""
        return in_words(self, x, out)

    @property
    def inputs(self):
        """Number of inputs."""
        return plan_of(self).inputs

    @property
    def outputs(self):
        """Number of outputs."""
        return plan_of(self).outputs

    @property
    def ctypes(self):
        """(function, plan, inputs, outputs, scratch): addresses and sizes for ctypes, cffi, numba or any other caller.

        The function is ``void function(const void *plan, const void *x, void *out, void *scratch)``; scratch is that
        many bytes, or NULL where they are at most 256 KiB: then the stack serves. The addresses hold while the
        Predictor does.
        """
        cdef const nncore_plan *plan = plan_of(self)
        return Functions(<size_t>plan.run, <size_t>plan, plan.inputs, plan.outputs, plan.scratch)

    @property
    def ctypes_many(self):
        """As `ctypes`, for many samples in a call on the calling thread.

        The function is ``void function(const void *plan, int64_t n, const void *x, void *out, void *scratch)``; x (n, inputs) and
        out (n, outputs) may not share memory. scratch: as many bytes as said, or NULL where `ctypes` may have NULL, which is slower
        for wide networks.
        """
        cdef const nncore_plan *plan = plan_of(self)
        return Functions(<size_t>plan.run_many, <size_t>plan, plan.inputs, plan.outputs, plan.scratch_many)

    @property
    def capsule(self):
        """The plan for C, a capsule named "nncore.plan" (see nncore.h); it keeps the Predictor alive."""
        capsule = PyCapsule_New(<void *>plan_of(self), "nncore.plan", forget)
        Py_INCREF(self)
        PyCapsule_SetContext(capsule, <void *>self)
        return capsule

    def __getattr__(self, name):
        call = ": call it, as in predictor(x)" if name in ("predict", "predict_proba", "forward", "run") else ""
        raise AttributeError(f"'Predictor' object has no attribute {name!r}{call}")

    def __repr__(self):
        sizes = "-".join(str(size) for size in [self.inputs, *(layer[1] for layer in self.layers)])
        small = STORAGES[self.storage] != NNC_FULL
        where = f" in {nnc_plan_small(plan_of(self))} of {len(self.layers)} layers" if small else ""
        return f"Predictor({sizes}, {self.storage}{where})"


def unpickled(layers, *more):
    """The Predictor of which `__reduce__` told."""
    rows = _kernels.activations()
    return Predictor([(inputs, outputs, rows[checks.choice("activation", name, rows)].index, *rest)
                      for inputs, outputs, name, *rest in layers], *more)


cdef inline const nncore_plan *plan_of(Predictor self) except NULL:
    # of a Predictor that __init__ may never have seen
    if self.plan == NULL:
        raise ValueError("this Predictor is empty; use Network.freeze() to make one")
    return self.plan


cdef void forget(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


# ---- the call -------------------------------------------------------------------------------------------------------------


cdef object answer(Predictor self, PyObject *const *args, size_t nargs, PyObject *names):
    # Predictor's vectorcall: samples that lie right go straight into the kernel, all else to in_words. Nothing here counts a
    # reference to self: where there is no GIL, threads would pass that number to and fro.
    cdef:
        const nncore_plan *plan = self.plan
        Py_ssize_t count = PyVectorcall_NARGS(nargs)
        PyObject *x
        PyObject *out
        cnp.npy_intp shape[2]
        bint flat
    if names != NULL and count == 1 and len(<tuple>names) == 1 and (<tuple>names)[0] is OUT:
        count, names = 2, NULL  # predictor(x, out=out): a value given by name stands behind those given by place
    if names == NULL and 1 <= count <= 2 and plan != NULL and lies_right(args[0], self.descr, READABLE):
        x = args[0]
        flat = is_vector(x, plan.inputs)
        if flat or is_matrix(x, plan.inputs):
            shape[0], shape[1] = 1 if flat else rows_of(x), plan.outputs
            if count == 1:
                made = cnp.PyArray_SimpleNew(1 if flat else 2, &shape[1] if flat else &shape[0],
                                             cnp.NPY_FLOAT if plan.itemsize == 4 else cnp.NPY_DOUBLE)
                some_samples(self, shape[0], data_of(x), data_of(<PyObject *>made))
                return made
            out = args[1]
            if lies_right(out, self.descr, WRITABLE) and (
                    is_vector(out, plan.outputs) if flat
                    else is_matrix(out, plan.outputs) and rows_of(out) == shape[0] and apart(x, out)):
                some_samples(self, shape[0], data_of(x), data_of(out))
                return <object>out
    return from_vector(self, args, count, names)


cdef inline int one_sample(Predictor self, const void *x, void *out) except -1:
    if self.work >= WORTH_RELEASING:
        with nogil:
            self.run(x, out)
    else:
        self.run(x, out)
    return 0


cdef object from_vector(Predictor self, PyObject *const *args, Py_ssize_t count, PyObject *names):
    # the arguments (x, out=None) by place or by name
    cdef:
        list given = [<object>args[i] for i in range(count)]
        dict named = {}
        Py_ssize_t i
    if names != NULL:
        for i, name in enumerate(<object>names):
            named[name] = <object>args[count + i]
    if count > 2 or not named.keys() <= set(("x", "out")[count:]) or (count == 0 and "x" not in named):
        got = ", ".join(["..."] * count + [f"{name}=..." for name in named])
        raise TypeError(f"expected predictor(x) or predictor(x, out), got predictor({got}): "
                        "x is one sample or an array of samples, out an array for the answer")
    return in_words(self, *given, **named)


def in_words(Predictor self, x, out=None):
    """``predictor(x, out)`` with every check, conversion and message."""
    cdef:
        cnp.ndarray array
        cnp.ndarray target
        int64_t n
    plan_of(self)
    if out is None:
        array, was_1d = checks.as_inputs(x, self.plan.inputs, self.dtype, finite=False, least=0)
    else:
        require_x(x, self.plan.inputs, self.dtype)
        was_1d = x.ndim == 1
        array = np.asarray(x).reshape(-1, self.plan.inputs)
    n = array.shape[0]
    shape = tuple([self.plan.outputs] if was_1d else [n, self.plan.outputs])
    out = checks.out_or_new(out, shape, self.dtype)
    target = np.asarray(out)
    if n > 1 and np.may_share_memory(array, target):
        raise ValueError("x and out share memory: give out memory of its own")
    if n > 0:
        some_samples(self, n, cnp.PyArray_DATA(array), cnp.PyArray_DATA(target))
    return out


def require_x(x, inputs, dtype):
    """Raise unless `x` can be read as it lies: what ``predictor(x, out)`` asks of it, with the words that say how to get it."""
    fix = f"use np.ascontiguousarray(x, np.{dtype})"
    if not isinstance(x, np.ndarray):
        raise TypeError(f"with out given, x must be an ndarray, got {checks.short(x)}: {fix}")
    checks.require_unmasked(x, "x")
    if x.dtype != dtype:
        raise TypeError(f"x has dtype {x.dtype}, the plan takes {dtype}: {fix}")
    if x.ndim not in (1, 2) or x.shape[-1] != inputs:
        raise ValueError(f"x has shape {x.shape}, but the network takes ({inputs},), or (n, {inputs})")
    if not x.flags.c_contiguous or not x.flags.aligned:
        raise ValueError(f"x is not {'C-contiguous' if x.flags.aligned else 'aligned in memory'}: {fix}")


# ---- many samples ---------------------------------------------------------------------------------------------------------

cdef struct Job:
    const nncore_plan *plan
    const char *x
    char *out
    char *scratch               # per thread, or NULL: from the stack


cdef void some_rows(void *context, int index, int64_t first, int64_t count) noexcept nogil:
    cdef:
        Job *j = <Job *>context
        const nncore_plan *p = j.plan
    p.run_many(p, count, j.x + first * p.inputs * p.itemsize, j.out + first * p.outputs * p.itemsize,
               j.scratch + index * p.scratch_many if j.scratch != NULL else NULL)


cdef int answer_many(Predictor self, int64_t n, const void *x, void *out, int team) except -1 nogil:
    cdef:
        Job job
        bint kept = False
    job.plan, job.x, job.out, job.scratch = self.plan, <const char *>x, <char *>out, NULL
    if self.plan.scratch_many > NNCORE_STACK and n > nnc_plan_stack_rows(self.plan):
        job.scratch = self.borrow(self.plan.scratch_many * team, &kept)
    pieces(team, n, nnc_plan_least(self.plan), nnc_plan_grain(self.plan), some_rows, &job)
    if job.scratch != NULL:
        self.give_back(job.scratch, kept)
    return 0


cdef inline int some_samples(Predictor self, int64_t n, const void *x, void *out) except -1:
    return one_sample(self, x, out) if n == 1 else many_samples(self, n, x, out)


cdef int many_samples(Predictor self, int64_t n, const void *x, void *out) except -1:
    cdef:
        double work = self.work * n
        int team
    if work < WORTH_RELEASING:
        return answer_many(self, n, x, out, 1)
    team = team_for(work, WORTH_A_THREAD, 0)
    if work > PART:
        return in_parts(self, n, <const char *>x, <char *>out, team)
    with nogil:
        answer_many(self, n, x, out, team)
    return 0


cdef int in_parts(Predictor self, int64_t n, const char *x, char *out, int team) except -1:
    # so many samples at a time that Ctrl-C need not wait; whole blocks of rows, for each reads all of the weights
    cdef:
        const nncore_plan *p = self.plan
        int64_t block = team * nnc_plan_rows(p), most = (1 + <int64_t>(PART / (self.work + 1)) // block) * block, some
    while n > 0:
        some = n if n < most else most
        with nogil:
            answer_many(self, some, x, out, team)
        x += some * p.inputs * p.itemsize
        out += some * p.outputs * p.itemsize
        n -= some
        if n > 0:
            PyErr_CheckSignals()
    return 0


cdef void install() noexcept:
    cdef Predictor empty = Predictor.__new__(Predictor)
    set_vectorcall(<PyTypeObject *>Predictor, <char *>&empty.vectorcall - <char *><PyObject *>empty)

install()
