# A loop of one's own in Cython that asks a frozen network for every row, without Python and without the GIL.

cimport nncore

import numpy as np


def best(nncore.Predictor predict not None, const float[:, ::1] rows):
    """Index of the row with the highest first output."""
    if predict.dtype != np.float32 or rows.shape[1] != predict.inputs:
        raise ValueError(f"rows must be float32, (n, {predict.inputs})")
    cdef:
        float[::1] out = np.empty(predict.outputs, np.float32)
        float top = 0
        Py_ssize_t i, found = -1
    with nogil:
        for i in range(rows.shape[0]):
            predict.run(&rows[i, 0], &out[0])
            if found < 0 or out[0] > top:
                top = out[0]
                found = i
    return found
