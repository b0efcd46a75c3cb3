"""Activations in numpy: value and derivative of each; the twin of csrc/ops/activations.h.

value(z, out, parameter) -> y, where out may be z, None (make a new array) or another array;
backward(dy, saved, parameter) -> dz = dy * f'(z), which may overwrite dy. saved is y, or z where reads_z says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Activation(NamedTuple):
    """One activation: its value, its derivative times dy, and what the derivative is computed from."""

    value: Callable[[Array, Array | None, float], Array]
    backward: Callable[[Array, Array, float], Array]
    reads_z: bool = False
    parameter: float = 0.0
    init: str = "glorot"


def _identity(z: Array, out: Array | None, parameter: float) -> Array:
    if out is None:
        return z.copy()
    if out is not z:
        out[...] = z
    return out


def _identity_backward(dy: Array, y: Array, parameter: float) -> Array:
    return dy


def _relu(z: Array, out: Array | None, parameter: float) -> Array:
    return np.maximum(z, 0, out=out)


def _relu_backward(dy: Array, y: Array, parameter: float) -> Array:
    return np.multiply(dy, y > 0, out=dy)


def _leaky_relu(z: Array, out: Array | None, parameter: float) -> Array:
    return np.multiply(z, np.where(z > 0, z.dtype.type(1), z.dtype.type(parameter)), out=out)


def _leaky_relu_backward(dy: Array, y: Array, parameter: float) -> Array:
    return np.multiply(dy, np.where(y > 0, y.dtype.type(1), y.dtype.type(parameter)), out=dy)


def _tanh(z: Array, out: Array | None, parameter: float) -> Array:
    return np.tanh(z, out=out)


def _tanh_backward(dy: Array, y: Array, parameter: float) -> Array:
    slope = np.multiply(y, y)
    np.subtract(1, slope, out=slope)
    return np.multiply(dy, slope, out=dy)


def sigmoid(z: Array, out: Array | None = None, parameter: float = 0.0) -> Array:
    # By exp(-|z|) nothing overflows: 1 / (1 + e) on the right half, e / (1 + e) on the left.
    e = np.exp(-np.abs(z))
    top = np.where(z >= 0, z.dtype.type(1), e)
    return np.divide(top, 1 + e, out=out)


def _sigmoid_backward(dy: Array, y: Array, parameter: float) -> Array:
    slope = np.subtract(1, y)
    slope *= y
    return np.multiply(dy, slope, out=dy)


# numpy has no erf; one call of the C library per element is slow, but right to the last bit or two. erfc(-x) in place
# of 1 + erf(x) keeps the left tail, where the sum would cancel.
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal_cdf(z: Array) -> Array:
    return (0.5 * _erfc(-z.astype(np.float64) / math.sqrt(2))).astype(z.dtype)


def _gelu(z: Array, out: Array | None, parameter: float) -> Array:
    return np.multiply(z, _normal_cdf(z), out=out)


def _gelu_backward(dy: Array, z: Array, parameter: float) -> Array:
    density = np.exp(-0.5 * z * z) / z.dtype.type(math.sqrt(2 * math.pi))
    return np.multiply(dy, _normal_cdf(z) + z * density, out=dy)


def _silu(z: Array, out: Array | None, parameter: float) -> Array:
    return np.multiply(z, sigmoid(z), out=out)


def _silu_backward(dy: Array, z: Array, parameter: float) -> Array:
    s = sigmoid(z)
    return np.multiply(dy, s * (1 + z * (1 - s)), out=dy)


def _softplus(z: Array, out: Array | None, parameter: float) -> Array:
    return np.logaddexp(z, z.dtype.type(0), out=out)


def _softplus_backward(dy: Array, y: Array, parameter: float) -> Array:
    return np.multiply(dy, -np.expm1(-y), out=dy)  # sigmoid(z) = 1 - exp(-y)


def _softmax(z: Array, out: Array | None = None, parameter: float = 0.0) -> Array:
    y = np.subtract(z, z.max(axis=1, keepdims=True), out=out)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def _softmax_backward(dy: Array, y: Array, parameter: float) -> Array:
    dy -= (dy * y).sum(axis=1, keepdims=True)
    dy *= y
    return dy


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_identity, _identity_backward),
    "relu": Activation(_relu, _relu_backward, init="he"),
    "leaky_relu": Activation(_leaky_relu, _leaky_relu_backward, parameter=0.01, init="he"),
    "tanh": Activation(_tanh, _tanh_backward),
    "sigmoid": Activation(sigmoid, _sigmoid_backward),
    "gelu": Activation(_gelu, _gelu_backward, reads_z=True, init="he"),
    "silu": Activation(_silu, _silu_backward, reads_z=True, init="he"),
    "softplus": Activation(_softplus, _softplus_backward, init="he"),
    "softmax": Activation(_softmax, _softmax_backward),
}
