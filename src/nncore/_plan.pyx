"""From a network's layers to C's plan (csrc/plan.h), and Row: a plan over weights that may change, for one sample."""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

import cython
import numpy as np

cimport numpy as cnp

from ._arena import aligned
from ._arrays cimport READABLE, WRITABLE, data_of, is_finite, is_matrix, is_vector, lies_right, rows_of
from ._kernels cimport NNC_ACTIVATIONS, NNC_FULL, kernels, nnc_kernels, nnc_plan_layer, plan_build, plan_bytes

cnp.import_array()


cdef object make_plan(layers, parameters, int storage, bint live, scales=None):
    # The plan's block of memory, an array. layers as in Arena; parameters of the arithmetic's type, whole. live: the plan
    # reads the parameters where they are. scales: per layer None or a float32 array, see nnc_plan_layer.
    cdef:
        cnp.ndarray vector = parameters
        int64_t at = 0, size = vector.dtype.itemsize
        const nnc_kernels *k = kernels(size)
        int count = len(layers), i
        char *base = <char *>cnp.PyArray_DATA(vector)
        nnc_plan_layer *rows
        cnp.ndarray memory, scale
        list kept = []  # scales, while rows hold their addresses
    if count == 0:
        raise ValueError("a plan needs layers")
    rows = <nnc_plan_layer *>malloc(count * sizeof(nnc_plan_layer))
    if rows == NULL:
        raise MemoryError("no memory for the description of the layers")
    try:
        for i, (inputs, outputs, activation, parameter, has_bias, _) in enumerate(layers):
            if inputs < 1 or outputs < 1 or not 0 <= activation < NNC_ACTIVATIONS or i and inputs != rows[i - 1].outputs:
                raise ValueError(f"layers[{i}] ({inputs} to {outputs}, activation {activation}) does not fit")
            rows[i].inputs, rows[i].outputs = inputs, outputs
            rows[i].activation, rows[i].parameter = activation, parameter
            rows[i].weight = base + at * size
            if rows[i].inputs > (vector.size - at) // rows[i].outputs:
                raise ValueError(f"layers[{i}] ({inputs} to {outputs}) is larger than the vector of {vector.size} parameters")
            at += rows[i].inputs * rows[i].outputs
            rows[i].bias = base + at * size if has_bias else NULL
            at += rows[i].outputs if has_bias else 0
            rows[i].scale = NULL
            if scales is not None and scales[i] is not None:
                scale = np.ascontiguousarray(scales[i], np.float32)
                if scale.size != outputs:
                    raise ValueError(f"scales[{i}] has {scale.size} numbers for {outputs} outputs")
                kept.append(scale)
                rows[i].scale = <const float *>cnp.PyArray_DATA(scale)
        if at != vector.size:
            raise ValueError(f"the layers have {at} parameters, the vector holds {vector.size}")
        memory = aligned(plan_bytes(k, storage, count, rows, live), np.uint8)
        plan_build(k, storage, count, rows, base if live else NULL, cnp.PyArray_DATA(memory))
    finally:
        free(rows)
    return memory


cdef void *room(int64_t nbytes) except NULL:
    # scratch for a network so wide that the stack will not do; to be freed with PyMem_RawFree
    cdef void *memory = PyMem_RawMalloc(nbytes)
    if memory == NULL:
        raise MemoryError(f"no memory for a workspace of {nbytes} bytes")
    return memory


@cython.final
cdef class Row:
    """Answers one sample from a network's parameters as they are at the moment: the quick way of ``Network.predict``.

    layers and parameters as in Arena. ``row.answer(x, out)`` is the answer, in out or a new array, or None where x is not one
    plain finite sample of the right type, (inputs,) or (1, inputs), or out does not fit it: then the long way has the checks,
    conversions and words. None too once another instruction set is selected: as other threads may be in it, a Row does not
    change, and the network makes another.
    """
    cdef:
        const nncore_plan *plan
        const nnc_kernels *k
        void *descr
        double work             # multiplications of a call
        object parameters, memory

    def __cinit__(self, layers, parameters):
        cdef:
            cnp.ndarray memory
            long size = parameters.dtype.itemsize
        while self.k != kernels(size):  # again, should another be selected meanwhile
            self.k = kernels(size)
            self.memory = memory = make_plan(layers, parameters, NNC_FULL, True)
        self.parameters = parameters
        self.work = sum(inputs * outputs for inputs, outputs, *_ in layers)
        self.descr = <void *><PyObject *>parameters.dtype
        self.plan = <const nncore_plan *>cnp.PyArray_DATA(memory)

    @property
    def isa(self):
        """The instruction set it was made for."""
        return self.k.isa.decode()

    cpdef object answer(self, object x, object out=None):
        cdef:
            PyObject *source = <PyObject *>x
            PyObject *target = <PyObject *>out
            cnp.npy_intp n[2]
            bint flat
            const void *from_
            void *to
            void *scratch = NULL
        if not lies_right(source, self.descr, READABLE):
            return None
        flat = is_vector(source, self.plan.inputs)
        if not flat and not (is_matrix(source, self.plan.inputs) and rows_of(source) == 1):
            return None
        if self.k != kernels(self.plan.itemsize):
            return None
        if not is_finite(data_of(source), self.plan.inputs, self.plan.itemsize):
            return None
        if out is None:
            n[0], n[1] = 1, self.plan.outputs
            out = cnp.PyArray_SimpleNew(1 if flat else 2, &n[1] if flat else &n[0],
                                        cnp.NPY_FLOAT if self.plan.itemsize == 4 else cnp.NPY_DOUBLE)
            target = <PyObject *>out
        elif not lies_right(target, self.descr, WRITABLE) or not (
                is_vector(target, self.plan.outputs) if flat
                else is_matrix(target, self.plan.outputs) and rows_of(target) == 1):
            return None
        if self.plan.scratch > NNCORE_STACK:
            scratch = room(self.plan.scratch)
        from_, to = data_of(source), data_of(target)
        if self.work >= WORTH_RELEASING:
            with nogil:
                self.plan.run(self.plan, from_, to, scratch)
        else:
            self.plan.run(self.plan, from_, to, scratch)
        if scratch != NULL:
            PyMem_RawFree(scratch)
        return out
