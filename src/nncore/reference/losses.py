"""Losses in numpy: sum and gradient of each; the twin of csrc/ops/losses.h.

A loss takes o and targets t, both (n, O), and gives its plain sum over all samples and outputs, and the derivative of
that sum by o. o is the network's output y or, where `link` names the activation that belongs to the loss, z before it:
there both are exact for any z.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .activations import Array, sigmoid


class Loss(NamedTuple):
    """One loss: its sum and gradient, what both are divided by, and the activation it is joined with."""

    sum_and_gradient: Callable[[Array, Array], tuple[float, Array]]
    divisor: Callable[[int, int], int]  # of samples and outputs
    link: str | None = None


def _squared_error(y: Array, t: Array) -> tuple[float, Array]:
    difference = y - t
    total = float(np.square(difference).sum(dtype=np.float64))
    difference *= 2
    return total, difference


def _cross_entropy(z: Array, t: Array) -> tuple[float, Array]:
    # -sum t log softmax(z) = sum t (log sum exp z - z), and softmax(z) sum(t) - t; z - max(z) keeps exp in range.
    shifted = z - z.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    s = e.sum(axis=1, keepdims=True)
    shifted -= np.log(s)
    shifted *= t
    e *= t.sum(axis=1, keepdims=True) / s
    e -= t
    return -float(shifted.sum(dtype=np.float64)), e


def _binary_cross_entropy(z: Array, t: Array) -> tuple[float, Array]:
    # -t log y - (1 - t) log(1 - y) at y = sigmoid(z) is log(1 + exp(z)) - t z.
    total = float((np.logaddexp(z, z.dtype.type(0)) - z * t).sum(dtype=np.float64))
    gradient = sigmoid(z)
    gradient -= t
    return total, gradient


LOSSES: dict[str, Loss] = {
    "mse": Loss(_squared_error, lambda n, outputs: n * outputs),
    "sse": Loss(_squared_error, lambda n, outputs: 1),
    "cross_entropy": Loss(_cross_entropy, lambda n, outputs: n, "softmax"),
    "binary_cross_entropy": Loss(_binary_cross_entropy, lambda n, outputs: n * outputs, "sigmoid"),
}


def default_loss(output: str) -> str:
    """The loss that follows from the output's activation: the one joined with it, else mse."""
    return next((name for name, loss in LOSSES.items() if loss.link == output), "mse")


def loss_value(y: Array, t: Array, loss: str) -> float:
    """The loss of outputs y (n, O) against targets t (n, O) or labels (n,), as a number.

    mse: mean over samples and outputs of (y-t)^2; sse: the plain sum; cross_entropy: mean over samples of -sum t log y;
    binary_cross_entropy: mean over samples and outputs of -(t log y + (1-t) log(1-y)). Where an entropy loss has only y
    to go by, probabilities of 0 count as the smallest number above 0; `Network.loss` goes by z and needs no such care.

    Examples
    --------
    >>> loss_value(np.array([[2.0], [4.0]]), np.array([[4.0], [8.0]]), "sse")
    20.0
    """
    rule = LOSSES[loss]
    n, outputs = y.shape
    t = targets(t, n, outputs, y.dtype)
    if rule.link is None:
        return rule.sum_and_gradient(y, t)[0] / rule.divisor(n, outputs)
    tiny = np.finfo(y.dtype).tiny
    logs = t * np.log(np.maximum(y, tiny))
    if rule.link == "sigmoid":
        logs += (1 - t) * np.log(np.maximum(1 - y, tiny))
    return -float(logs.sum(dtype=np.float64)) / rule.divisor(n, outputs)


def targets(t: Any, n: int, outputs: int, dtype: Any) -> Array:
    """Targets as (n, outputs): one-hot for labels (n,), columns as they are."""
    t = np.asarray(t)
    if t.size == n * outputs:
        return t.reshape(n, outputs).astype(dtype, copy=False)
    return np.eye(outputs, dtype=dtype)[t.reshape(n).astype(np.intp)]
