"""A control loop in numba that asks a frozen network at every step, without Python in between.

`predictor.ctypes` hands out the address of a function and of the plan it runs; ctypes makes of the first something that numba
calls, the second is a number like any other.
"""

import ctypes

import numpy as np

import nncore as nn

try:
    import numba
except ImportError:
    raise SystemExit("this example needs numba: pip install numba") from None

net = nn.Network([4, 32, 32, 2], hidden="tanh", seed=0)
predict = net.freeze()
function, plan, inputs, outputs, scratch = predict.ctypes

void_p = ctypes.c_void_p
run = ctypes.CFUNCTYPE(None, void_p, void_p, void_p, void_p)(function)


@numba.njit
def simulate(plan, steps):
    """A cart pushed by the network's first output: where it is after so many steps of 0.01 s."""
    x = np.zeros(4, np.float32)
    out = np.empty(2, np.float32)
    x[0] = 1.0
    for _ in range(steps):
        run(plan, x.ctypes.data, out.ctypes.data, 0)
        x[1] += np.float32(0.01) * out[0]
        x[0] += np.float32(0.01) * x[1]
    return x[0]


def same_in_python(steps):
    """The same by calls of the predictor."""
    x, out = np.array([1, 0, 0, 0], np.float32), np.empty(2, np.float32)
    for _ in range(steps):
        predict(x, out)
        x[1] += np.float32(0.01) * out[0]
        x[0] += np.float32(0.01) * x[1]
    return x[0]


if __name__ == "__main__":
    found, expected = simulate(plan, 1000), same_in_python(1000)
    print(f"after 1,000 steps at {found:.6f}; by calls from Python {expected:.6f}")
    assert found == expected
