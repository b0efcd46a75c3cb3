"""Derivatives of the outputs with respect to the inputs: Jacobians, and sums of their rows.

    ahead:  T = W1 f'(z1), T = (T W2) f'(z2), ...    one row per input;  T ends as J transposed
    back:   S = f'(zL),    S = (S WL') f'(zL-1), ... one row per output; S W1' is J

Design:
a) Both give J; which is cheaper follows from the network's shape alone. Ahead reads W as it lies, back packs it.
b) The rows of one sample share its activations: kernels read them with a row stride of 0.
c) Some samples go through a layer together, so that a packed block of W serves them all; sums are those of one alone.
d) One sample from Python costs two checks through numpy's C-API and no allocation with `out`.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.string cimport memcpy, memset

import numpy as np

cimport numpy as cnp

from . import checks
from ._arena import aligned
from ._arena cimport Arena, Layer, Plan, scratch_of
from ._arrays cimport apart
from ._backward cimport backward
from ._forward cimport forward
from ._kernels cimport NNC_ALIGN, NNC_identity, PART, WORTH_A_THREAD, nnc_team, parallel, team_for, team_size
from ._product cimport times, times_transposed
from ._share cimport Share, alone

cnp.import_array()

cdef enum:
    ROOM = 64       # samples of one thread that go through the layers together, at most
    ROWS = 96       # and as many of them as give a product about so many rows

# What a call works on: shared by the team.
cdef struct Task:
    Plan *p
    const char *X           # (samples, inputs)
    long samples
    char *out               # (samples, outputs, inputs), or for a gradient (samples, inputs); whole
    const char *weights     # of the outputs, (samples, outputs); NULL: the Jacobian is wanted
    long weights_row        # 0: one row for all samples
    bint ahead
    long directions         # rows of one sample: inputs when going ahead, else outputs
    char *buffers           # per thread two: `directions` rows, or those of some samples, as wide as what lies in them
    long buffer_bytes       # of one


cdef inline long stride(long cols, long row, long size) noexcept nogil:
    # the arena's row stride, but a row of its own vector where that is a plain column
    return row if cols > 1 else NNC_ALIGN // size


# ---- the two ways ----------------------------------------------------------------------------------------------------


cdef inline void back_through(Plan *p, Layer *l, long rows, const char *dz, long dz_row, char *dx, long dx_row,
                              int thread) noexcept nogil:
    # dX = dZ W'
    times_transposed(p.k, rows, l.inputs, l.outputs, dz, dz_row, l.weight, l.outputs, dx, dx_row, 0, scratch_of(p, thread))


cdef void times_slope(Plan *p, Layer *l, long first, long samples, long directions, char *t, long row) noexcept nogil:
    # T = T * f'(z) of layer l: `directions` rows of T for each sample. For a softmax too, whose Jacobian is symmetric.
    cdef:
        long s
        const char *saved = l.z if l.reads_input else l.y
    if l.activation == NNC_identity:
        return
    for s in range(samples):
        p.k.backward[l.activation](directions, l.outputs, t + s * directions * row * p.size, row,
                                   saved + (first + s) * l.row * p.size, 0, l.parameter)


cdef void go_ahead(Task *task, long at, long first, long samples, int thread) noexcept nogil:
    # out[at..at+samples] from the activations in rows first..first+samples of the workspace
    cdef:
        Plan *p = task.p
        Layer *l = &p.layers[0]
        long size = p.size, n = p.inputs
        long i, s, o, row = stride(l.outputs, l.row, size), next_row
        char *t = task.buffers + 2 * thread * task.buffer_bytes
        char *other = t + task.buffer_bytes
        char *scratch = scratch_of(p, thread)
        char *out
        const char *source
    for s in range(samples):
        for i in range(n):
            memcpy(t + (s * n + i) * row * size, l.weight + i * l.outputs * size, l.outputs * size)
    times_slope(p, l, first, samples, n, t, row)
    for i in range(1, p.count):
        l = &p.layers[i]
        next_row = stride(l.outputs, l.row, size)
        times(p.k, samples * n, l.outputs, l.inputs, t, row, l.weight, l.outputs, other, next_row, l.chains, 0, scratch)
        times_slope(p, l, first, samples, n, other, next_row)
        t, other = other, t
        row = next_row
    for s in range(samples):
        out = task.out + (at + s) * p.outputs * n * size
        source = t + s * n * row * size
        if size == 4:
            for o in range(p.outputs):
                for i in range(n):
                    (<float *>out)[o * n + i] = (<const float *>source)[i * row + o]
        else:
            for o in range(p.outputs):
                for i in range(n):
                    (<double *>out)[o * n + i] = (<const double *>source)[i * row + o]


cdef void go_back(Task *task, long at, long first, long samples, int thread) noexcept nogil:
    # as go_ahead
    cdef:
        Plan *p = task.p
        Layer *l = &p.layers[p.count - 1]
        long size = p.size, n = p.outputs, x_row = stride(p.inputs, p.x_row, size)
        long i, row = stride(l.outputs, l.row, size), below_row
        char *t = task.buffers + 2 * thread * task.buffer_bytes
        char *other = t + task.buffer_bytes
        Layer *below
    memset(t, 0, samples * n * row * size)
    for i in range(samples * n):
        memcpy(t + (i * row + i % n) * size, p.one, size)
    times_slope(p, l, first, samples, n, t, row)
    for i in range(p.count - 1, 0, -1):
        below = &p.layers[i - 1]
        below_row = stride(below.outputs, below.row, size)
        back_through(p, &p.layers[i], samples * n, t, row, other, below_row, thread)
        times_slope(p, below, first, samples, n, other, below_row)
        t, other = other, t
        row = below_row
    back_through(p, &p.layers[0], samples * n, t, row, other, x_row, thread)
    for i in range(samples * n):
        memcpy(task.out + (at * n + i) * p.inputs * size, other + i * x_row * size, p.inputs * size)


cdef void pull(Task *task, long at, long first, long samples, int thread) noexcept nogil:
    # out[at..at+samples] = weights J, by one backpropagation
    cdef:
        Plan *p = task.p
        Layer *l = &p.layers[p.count - 1]
        long size = p.size, x_row = stride(p.inputs, p.x_row, size)
        long i
        char *dz = l.dz + first * l.row * size
        char *dx = task.buffers + 2 * thread * task.buffer_bytes
        Share share = alone(first, samples, thread)
    for i in range(samples):
        memcpy(dz + i * l.row * size, task.weights + (at + i) * task.weights_row * size, p.outputs * size)
    p.k.backward[l.activation](samples, l.outputs, dz, l.row, (l.z if l.reads_input else l.y) + first * l.row * size,
                               l.row, l.parameter)
    backward(p, &share, 0)
    l = &p.layers[0]
    back_through(p, l, samples, l.dz + first * l.row * size, l.row, dx, x_row, thread)
    for i in range(samples):
        memcpy(task.out + (at + i) * p.inputs * size, dx + i * x_row * size, p.inputs * size)


cdef void some_samples(Task *task, int index, int size) noexcept nogil:
    # thread `index` of `size` takes its samples, some at a time
    cdef:
        Plan *p = task.p
        long at = task.samples * index // size, end = task.samples * (index + 1) // size
        long samples, most = ROOM, first = ROOM * index
        Share share
    if task.weights == NULL:
        most = ROWS // task.directions
        most = 1 if most < 1 else ROOM if most > ROOM else most
    while at < end:
        samples = end - at if end - at < most else most
        share = alone(first, samples, index)
        forward(p, task.X + at * p.inputs * p.size, p.inputs, &share, False, 0)
        if task.weights != NULL:
            pull(task, at, first, samples, index)
        elif task.ahead:
            go_ahead(task, at, first, samples, index)
        else:
            go_back(task, at, first, samples, index)
        at += samples


cdef void team_work(void *context, int index, nnc_team *team) noexcept nogil:
    some_samples(<Task *>context, index, team_size(team))


# ---- from Python -----------------------------------------------------------------------------------------------------


cdef class Jacobian(Arena):
    """Workspace for the derivatives of one network's outputs with respect to its inputs; for one caller at a time.

    layers and parameters as for Arena, without dropout; threads: the most that a call may use.
    """
    cdef:
        Task task
        object buffers
        long back_work, ahead_work  # multiplications per sample

    def __init__(self, layers, parameters, int threads):
        super().__init__(layers, parameters, ROOM * threads, threads, True)
        cdef:
            Plan *p = &self.plan
            Layer *l
            cnp.ndarray block
            long i, samples, rows
            long lanes = 16 if p.size == 4 else 8  # of the widest ISA, whichever is here: the way that is taken decides bits
            long ahead = 0, back = 0, packed = 0, across = stride(p.inputs, p.x_row, p.size), widest = 0
        for i in range(p.count):
            l = &p.layers[i]
            if stride(l.outputs, l.row, p.size) > widest:
                widest = stride(l.outputs, l.row, p.size)
            if i > 0:
                ahead += l.inputs * ((l.outputs + lanes - 1) // lanes * lanes)
            back += l.outputs * ((l.inputs + lanes - 1) // lanes * lanes)
            packed += l.inputs * l.outputs
        self.ahead_work = ahead * p.inputs
        self.back_work = back * p.outputs
        self.task.p = p
        # an element packed costs about as much as eight that are multiplied
        self.task.ahead = self.ahead_work <= self.back_work + 8 * packed
        self.task.directions = p.inputs if self.task.ahead else p.outputs
        samples = ROWS // self.task.directions
        rows = self.task.directions * (1 if samples < 1 else ROOM if samples > ROOM else samples)
        if not self.task.ahead and across > widest:  # ahead, with a row for each input, none is as long as X's
            widest = across
        self.task.buffer_bytes = max((rows + 1) * widest, (ROOM + 1) * across) * p.size
        self.buffers = aligned(2 * threads * self.task.buffer_bytes, np.uint8)
        block = self.buffers
        self.task.buffers = <char *>cnp.PyArray_DATA(block)

    cdef int run(self, cnp.ndarray X, long samples, cnp.ndarray out, int wanted) except -1:
        # X (samples, inputs) and out are whole and of the network's type
        cdef:
            Task *t = &self.task
            int team
            double work
            long outputs = 1 if t.weights != NULL else self.plan.outputs  # rows of out for a sample
            long most
        t.X = <const char *>cnp.PyArray_DATA(X)
        t.out = <char *>cnp.PyArray_DATA(out)
        work = 3.0 * self.plan.inputs * self.plan.layers[0].outputs
        if t.weights == NULL:
            work += self.ahead_work if t.ahead else self.back_work
        else:
            work += self.back_work / self.plan.outputs
        team = 1 if samples == 1 else team_for(work * samples, WORTH_A_THREAD, wanted)
        if team > self.threads:
            team = self.threads
        most = (1 + <long>(PART / (work + 1)) // (ROOM * team)) * ROOM * team
        while samples > 0:  # so many at a time that Ctrl-C need not wait
            t.samples = samples if samples < most else most
            with nogil:
                if team > 1:
                    parallel(team, team_work, t)
                else:
                    some_samples(t, 0, 1)
            t.X += t.samples * self.plan.inputs * self.plan.size
            t.out += t.samples * outputs * self.plan.inputs * self.plan.size
            if t.weights != NULL:
                t.weights += t.samples * t.weights_row * self.plan.size
            samples -= t.samples
            if samples > 0:
                PyErr_CheckSignals()
        return 0

    def jacobian(self, X, out=None, int threads=0):
        """(outputs, inputs) for one sample X (inputs,), (n, outputs, inputs) for X (n, inputs)."""
        cdef:
            cnp.npy_intp shape[2]
            cnp.ndarray array
            long samples = 1
            bint single = self.plain(X, 1, self.plan.inputs) and self.finite(X)
        if single:
            array = X
        else:
            array, single = checks.as_inputs(X, self.plan.inputs, self.parameters.dtype, least=0)
            samples = array.shape[0]
        if single and out is None:
            shape[0], shape[1] = self.plan.outputs, self.plan.inputs
            out = cnp.PyArray_EMPTY(2, shape, self.kind, 0)
        elif not (single and self.plain(out, 2, self.plan.inputs) and cnp.PyArray_DIM(<cnp.ndarray>out, 0) ==
                  self.plan.outputs and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out) and apart(<PyObject *>array, <PyObject *>out)):
            expected = [self.plan.outputs, self.plan.inputs]
            out = checks.out_or_new(out, tuple(expected if single else [samples, *expected]), self.parameters.dtype, array)
        self.task.weights = NULL
        self.run(array, samples, out, threads)
        return out

    def gradient(self, X, out=None, output=None, weights=None, int threads=0):
        """(inputs,) for one sample X (inputs,), (n, inputs) for X (n, inputs): of one, or a weighted sum of all."""
        cdef cnp.ndarray array, given
        array, single = checks.as_inputs(X, self.plan.inputs, self.parameters.dtype, least=0)
        given = self.weights_of_outputs(output, weights, array.shape[0])
        shape = [self.plan.inputs] if single else [array.shape[0], self.plan.inputs]
        out = checks.out_or_new(out, tuple(shape), self.parameters.dtype, array)
        if np.may_share_memory(given, out):
            given = given.copy()
        self.task.weights = <const char *>cnp.PyArray_DATA(given)
        self.task.weights_row = 0 if given.ndim == 1 else self.plan.outputs
        self.run(array, array.shape[0], out, threads)
        return out

    def weights_of_outputs(self, output, weights, long samples):
        """What each output counts: (outputs,) for all samples or (samples, outputs), whole, of the network's type."""
        cdef long outputs = self.plan.outputs
        if weights is None:
            if output is None:
                return np.ones(outputs, self.parameters.dtype)
            try:
                index = output.__index__()
            except AttributeError:
                raise TypeError(f"output must be the number of an output, got {checks.short(output)}") from None
            if not -outputs <= index < outputs:
                raise ValueError(f"output {index} is not one of the network's {outputs} outputs, 0 to {outputs - 1}")
            result = np.zeros(outputs, self.parameters.dtype)
            result[index] = 1
            return result
        if output is not None:
            raise ValueError("give output or weights, not both")
        source = checks.numeric(weights, "weights")
        if source.shape != (outputs,) and source.shape != (samples, outputs):
            raise ValueError(f"weights has shape {source.shape}, expected ({outputs},) or ({samples}, {outputs}): "
                             "one number per output")
        result = checks.convert(source.reshape(-1, outputs), self.parameters.dtype)
        checks.require_finite(result.reshape(source.shape), "weights", source)
        return result[0] if source.ndim == 1 else result
