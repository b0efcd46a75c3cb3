"""One pass of a training step with everything kept: the loops of training, run once, and each array copied out.

Design:
a) It is the forward, backward and update loops themselves: what a trace shows is what a step computes, to the bit.
b) Only two things differ: z has memory of its own in every layer, and the gradient is copied out instead of used up.
"""

from libc.string cimport memcpy

import numpy as np

cimport numpy as cnp

from ._arena import aligned
from ._arena cimport Arena, Layer, Plan, scratch_of
from ._backward cimport backward, output_gradient
from ._forward cimport forward
from ._kernels cimport NNC_ALIGN, NNC_MEAN, NNC_SLACK, NNC_SUM, NNC_identity, loss_info
from ._product cimport times_transposed
from ._share cimport Share, alone
from ._update cimport Sink, update

cnp.import_array()


cdef class Recorder(Arena):
    """Workspace for one pass over `rows` samples; layers and parameters as for Arena, without dropout."""
    cdef object kept

    def __init__(self, layers, parameters, long rows):
        super().__init__(layers, parameters, rows, 1, True)
        cdef:
            Plan *p = &self.plan
            Layer *l
            int i
            cnp.ndarray block
        self.kept = []
        for i in range(p.count):
            l = &p.layers[i]
            if l.z == l.y:
                block = aligned(rows * l.row * p.size + NNC_SLACK, np.uint8)
                self.kept.append(block)
                l.z = <char *>cnp.PyArray_DATA(block)

    cdef cnp.ndarray copy_of(self, const char *start, long cols, long row):
        # (rows, cols) of workspace as an array of its own
        cdef:
            cnp.ndarray out = np.empty((self.plan.rows, cols), self.parameters.dtype)
            char *data = <char *>cnp.PyArray_DATA(out)
            long i
        for i in range(self.plan.rows):
            memcpy(data + i * cols * self.plan.size, start + i * row * self.plan.size, cols * self.plan.size)
        return out

    def run(self, cnp.ndarray X, cnp.ndarray T, int loss):
        """The pass over X (rows, inputs) and T (rows, outputs), dense; both whole and of the network's type.

        Returns
        -------
        z, y, dz : list of ndarray
            (rows, outputs) of each layer.
        losses : ndarray
            (rows,) float64, each row's share of the loss as the loss's formula has it: a mean over outputs is taken,
            one over rows is not.
        total : float
        vector : ndarray
            Gradient of the parameters, in their order.
        dx : ndarray
            (rows, inputs).
        """
        cdef:
            Plan *p = &self.plan
            Layer *l
            Sink sink
            Share share = alone(0, p.rows, 0)
            long i, rows = p.rows, dx_row = p.x_row if p.inputs > 1 else NNC_ALIGN // p.size
            double factor, scale, total = 0
            bint linked
            cnp.ndarray vector = np.empty(self.parameters.size, self.parameters.dtype)
            cnp.ndarray block
            const char *z
        p.loss = loss
        p.linked = linked = loss_info(loss).link == p.layers[p.count - 1].activation
        factor = 1.0 / p.outputs if loss_info(loss).reduction == NNC_MEAN else 1.0
        scale = factor if loss_info(loss).reduction == NNC_SUM else factor / rows
        for i in range(rows):
            memcpy(p.x + i * p.x_row * p.size, <char *>cnp.PyArray_DATA(X) + i * p.inputs * p.size, p.inputs * p.size)
            memcpy(p.t + i * p.t_row * p.size, <char *>cnp.PyArray_DATA(T) + i * p.outputs * p.size, p.outputs * p.size)
        forward(p, p.x, p.x_row, &share, False, 0)
        zs, ys, dzs = [], [], []
        for i in range(p.count):
            l = &p.layers[i]
            z = l.y if l.activation == NNC_identity else l.z
            zs.append(self.copy_of(z, l.outputs, l.row))
            ys.append(self.copy_of(l.y, l.outputs, l.row))
        l = &p.layers[p.count - 1]
        if linked:  # such a loss reads z, from y's place
            memcpy(l.y, l.z, rows * l.row * p.size)
        output_gradient(p, &share, scale, False)
        losses = np.empty(rows)
        for i in range(rows):
            losses[i] = p.row_loss[i] * factor
            total += p.row_loss[i]
        backward(p, &share, 0)
        for i in range(p.count):
            l = &p.layers[i]
            dzs.append(self.copy_of(l.dz, l.outputs, l.row))
        sink.optimizer = -1
        sink.gradient = <char *>cnp.PyArray_DATA(vector)
        sink.trouble = 0
        update(p, p.x, p.x_row, rows, &sink, 0, 1)
        block = aligned(rows * dx_row * p.size + NNC_SLACK, np.uint8)
        l = &p.layers[0]
        times_transposed(p.k, rows, l.inputs, l.outputs, l.dz, l.row, l.weight, l.outputs,
                         <char *>cnp.PyArray_DATA(block), dx_row, 0, scratch_of(p, 0))
        dx = self.copy_of(<char *>cnp.PyArray_DATA(block), p.inputs, dx_row)
        return zs, ys, dzs, losses, total * scale, vector, dx
