"""Optimizers in numpy: one step of each; the twin of csrc/ops/optimizers.h.

One object per training: it keeps its slots. update(p, g, weights) moves the parameter vector p by the gradient vector
g; `weights` are the slices of p that are weights, on which alone weight decay works.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray


class SGD:
    """Stochastic gradient descent as PyTorch's: g += wd p; v = momentum v + g; p -= lr v, or lr (g + momentum v)."""

    def __init__(
        self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov
        self.weight_decay = weight_decay
        self.v: Array | None = None

    def update(self, p: Array, g: Array, weights: Sequence[slice]) -> None:
        """One step on p; g is used up."""
        _add_decay(p, g, weights, self.weight_decay)
        if self.momentum:
            if self.v is None:
                self.v = np.zeros_like(p)
            self.v *= self.momentum
            self.v += g
            if self.nesterov:
                g += self.momentum * self.v
            else:
                g[...] = self.v
        g *= self.learning_rate
        p -= g


class Adam:
    """Adam, Kingma and Ba 2015, in PyTorch's form.

    g += wd p; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + epsilon).
    """

    decoupled = False

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        self.weight_decay = weight_decay
        self.left1 = self.left2 = 1.0  # b1^t and b2^t; what the moments still lack to be whole averages
        self.m: Array | None = None

    def update(self, p: Array, g: Array, weights: Sequence[slice]) -> None:
        """One step on p; g is used up."""
        if self.m is None:
            self.m, self.v, self.scratch = np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
        m, v, scratch = self.m, self.v, self.scratch
        self.left1, self.left2 = self.left1 * self.beta1, self.left2 * self.beta2
        if self.decoupled:
            for part in weights if self.weight_decay else ():
                p[part] *= 1 - self.learning_rate * self.weight_decay
        else:
            _add_decay(p, g, weights, self.weight_decay)
        m *= self.beta1
        np.multiply(g, 1 - self.beta1, out=scratch)
        m += scratch
        v *= self.beta2
        g *= g
        g *= 1 - self.beta2
        v += g
        np.sqrt(v, out=scratch)
        scratch *= 1 / math.sqrt(1 - self.left2)
        scratch += self.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= self.learning_rate / (1 - self.left1)
        p -= scratch


class AdamW(Adam):
    """Adam with decoupled weight decay, Loshchilov and Hutter 2019: p *= 1 - lr wd before the step, g as it is."""

    decoupled = True

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay)


def _add_decay(p: Array, g: Array, weights: Sequence[slice], weight_decay: float) -> None:
    for part in weights if weight_decay else ():
        g[part] += weight_decay * p[part]


OPTIMIZERS: dict[str, type] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
