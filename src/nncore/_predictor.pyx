"""Predictor: an immutable plan for serving."""

import numpy as np

cimport numpy as cnp

from . import checks
from ._arena import aligned
from ._engine import Engine

cnp.import_array()


cdef class Predictor:
    """The answer of a network as it was when it was frozen; later changes of the network do not reach it.

    Made by `Network.freeze`. Safe from any number of threads at once.

    ``predictor(x)`` takes (inputs,) or (n, inputs); ``predictor(x, out)`` writes into `out` and is strict: both must be
    C-contiguous arrays of the network's type and the right shape.

    Examples
    --------
    >>> import nncore
    >>> predict = nncore.Network([2, 8, 1], seed=0).freeze()
    >>> predict([0.5, -0.5]).shape
    (1,)
    """
    cdef:
        readonly int inputs, outputs
        readonly object dtype
        object layers, parameters, idle

    def __init__(self, layers, parameters):
        self.layers = layers
        self.inputs = layers[0][0]
        self.outputs = layers[-1][1]
        self.dtype = parameters.dtype
        self.parameters = aligned(parameters.size, parameters.dtype)
        self.parameters[:] = parameters
        self.parameters.flags.writeable = False
        self.idle = []

    def __call__(self, x, out=None):
        array, was_1d = checks.as_inputs(x, self.inputs, self.dtype)
        shape = (self.outputs,) if was_1d else (array.shape[0], self.outputs)
        if out is None:
            out = np.empty(shape, self.dtype)
        else:
            checks.require_out(out, shape, self.dtype)
        try:
            engine = self.idle.pop()
        except IndexError:
            engine = Engine(self.layers, self.parameters, 256, 1, False, 1)
        engine.predict(array, out.reshape(array.shape[0], self.outputs))
        self.idle.append(engine)
        return out

    def __reduce__(self):
        return Predictor, (self.layers, np.array(self.parameters))

    def __repr__(self):
        sizes = "-".join(str(size) for size in [self.inputs, *(layer[1] for layer in self.layers)])
        return f"Predictor({sizes}, {self.dtype})"
