"""The workspace of one network for batches up to some size: one aligned block of memory, made once.

What lies in it, for `rows` rows: each layer's z, y, (dropped y,) dz; the batch x and its targets t; a loss per row; and per thread a
block for packed operands with a block of gradient behind it. Row strides are padded to 64 bytes, and by 64 more where they
would be a multiple of 1 KiB, so that a column of rows does not fall into one set of the cache.
"""

from cpython.object cimport PyObject
from libc.stdlib cimport calloc, free

import numpy as np

cimport numpy as cnp

from ._arrays cimport READABLE, is_finite, is_matrix, is_vector, lies_right
from ._kernels cimport (NNC_ALIGN, NNC_PAGE, NNC_READS_INPUT, NNC_SLACK, activation_info,
                        kernels, l2_bytes, nnc_chains, nnc_kernels_for, nnc_makes_zeros)

cnp.import_array()


def aligned(count, dtype, beside=None, quarter=0):
    """A zeroed 1-D array on a 64-byte boundary, with slack behind it that kernels may read (NNC_SLACK).

    beside: one of these that is walked together with the new one, which then lies `quarter` quarters of a page behind it.
    Addresses that agree in their last 12 bits look alike to a CPU: a load waits for what was just stored in the other array.
    """
    dtype = np.dtype(dtype)
    nbytes = count * dtype.itemsize
    raw = np.empty(nbytes + NNC_PAGE + NNC_SLACK, np.uint8)
    raw.fill(0)  # not np.zeros: the pages are touched here, not one by one in the first step
    start = -raw.ctypes.data % NNC_ALIGN
    if beside is not None:
        start = (beside.ctypes.data + quarter * NNC_PAGE // 4 - raw.ctypes.data) % NNC_PAGE
    return raw[start:start + nbytes].view(dtype)


cdef long padded(long cols, long size) noexcept nogil:
    # row stride in elements for rows of `cols`
    if cols == 1:
        return 1
    cdef long nbytes = (cols * size + NNC_ALIGN - 1) // NNC_ALIGN * NNC_ALIGN
    return (nbytes + (NNC_ALIGN if nbytes % 1024 == 0 else 0)) // size


cdef class Arena:
    """A Plan (the network as the loops see it) over `parameters`, with workspace for `rows` rows on `threads` threads.

    layers is a list of (inputs, outputs, activation index, parameter, has bias, dropout), in order.
    parameters is the network's vector, from `aligned`; it is kept alive and read and written in place.
    """

    def __cinit__(self, layers, *args, **kwargs):
        self.plan.layers = <Layer *>calloc(len(layers), sizeof(Layer))
        if self.plan.layers == NULL:
            raise MemoryError("no memory for the description of the layers")

    def __dealloc__(self):
        free(self.plan.layers)

    def __init__(self, layers, parameters, long rows, int threads, bint training):
        cdef:
            Plan *p = &self.plan
            Layer *l
            long offset = 0, at, total = 0
            int i, step
            char *base
            cnp.ndarray vector = parameters
        self.parameters = parameters
        self.threads = threads
        self.training = training
        p.size = vector.dtype.itemsize
        self.kind = cnp.PyArray_TYPE(vector)
        self.descr = <void *>cnp.PyArray_DESCR(vector)
        p.k = kernels(p.size)
        p.count = len(layers)
        p.rows = rows
        for i, (inputs, outputs, activation, parameter, has_bias, dropout) in enumerate(layers):
            l = &p.layers[i]
            l.k = nnc_kernels_for(p.k, inputs if outputs == 1 else outputs)
            l.inputs, l.outputs, l.activation, l.parameter, l.dropout = inputs, outputs, activation, parameter, dropout
            l.reads_input = activation_info(activation).reads == NNC_READS_INPUT
            l.column, l.weight_row = 0, outputs
            l.zeros = i == 0 or nnc_makes_zeros(p.layers[i - 1].activation) or training and p.layers[i - 1].dropout > 0
            l.rowwise = activation_info(activation).rowwise
            l.chains = nnc_chains(l.inputs, l.outputs)
            l.row = padded(l.outputs, p.size)
            l.offset = offset
            l.weight = <char *>cnp.PyArray_DATA(vector) + offset * p.size
            offset += l.inputs * l.outputs
            l.bias = <char *>cnp.PyArray_DATA(vector) + offset * p.size if has_bias else NULL
            offset += l.outputs if has_bias else 0
        if offset != vector.size:
            raise ValueError(f"the layers have {offset} parameters, the vector holds {vector.size}")
        p.length = offset
        p.inputs = p.layers[0].inputs
        p.outputs = p.layers[p.count - 1].outputs
        p.x_row = padded(p.inputs, p.size)
        p.t_row = padded(p.outputs, p.size)
        p.packed = PACKED
        for i in range(p.count):
            if training and p.packed < rows * p.layers[i].row:
                p.packed = rows * p.layers[i].row if rows * p.layers[i].row < WHOLE else WHOLE
        p.l2 = l2_bytes()
        p.block = BLOCK
        if training and p.packed * p.size > p.l2 // 2 and p.l2 // 8 > BLOCK * p.size:
            p.block = p.l2 // 8 // p.size
        p.scratch_bytes = (p.packed + 2 * p.block + 3 * SPARE) * p.size + NNC_PAGE
        base = NULL
        for step in range(2):  # first count the bytes, then hand them out
            at = 0
            for i in range(p.count):
                l = &p.layers[i]
                l.y = take(base, &at, rows * l.row * p.size)
                l.z = take(base, &at, rows * l.row * p.size) if l.reads_input else l.y
                l.out = take(base, &at, rows * l.row * p.size) if training and l.dropout > 0 else l.y
                l.dz = take(base, &at, rows * l.row * p.size) if training else NULL
            p.x = take(base, &at, rows * p.x_row * p.size)
            p.t = take(base, &at, rows * p.t_row * p.size)
            p.row_loss = <double *>take(base, &at, rows * sizeof(double))
            p.one = take(base, &at, NNC_ALIGN)
            p.scratch = take(base, &at, threads * p.scratch_bytes)
            p.row_weight = <double *>take(base, &at, rows * sizeof(double))
            if step == 0:
                self.memory = aligned(at, np.uint8)
                base = <char *>cnp.PyArray_DATA(self.memory)
        if p.size == 4:
            (<float *>p.one)[0] = 1
        else:
            (<double *>p.one)[0] = 1

    @property
    def rows(self):
        """The largest batch it has room for."""
        return self.plan.rows

    @property
    def isa(self):
        """The instruction set it was made for."""
        return self.plan.k.isa.decode()

    cdef bint plain(self, object x, int axes, long last) noexcept:
        # an array (of no subclass) of the parameters' type that can be read as it lies: what needs no words and no conversion
        return lies_right(<PyObject *>x, self.descr, READABLE) and (is_vector(<PyObject *>x, last) if axes == 1
                                                                    else is_matrix(<PyObject *>x, last))

    cdef bint finite(self, cnp.ndarray x) noexcept:
        # whether x, of the parameters' type and whole, holds neither nan nor inf
        return is_finite(cnp.PyArray_DATA(x), cnp.PyArray_SIZE(x), self.plan.size)


cdef char *take(char *base, long *at, long nbytes) noexcept nogil:
    # the next nbytes of the block and some slack, on a 64-byte boundary
    cdef char *start = base + at[0]
    at[0] += (nbytes + NNC_SLACK + NNC_ALIGN - 1) // NNC_ALIGN * NNC_ALIGN
    return start
