"""The network in numpy: forward pass, backpropagation, step and fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .activations import ACTIVATIONS, Array
from .losses import LOSSES, Loss, default_loss, targets


class Network:
    """A dense network in numpy.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden..., outputs.
    hidden : str, (str, float), or a list of these, default "relu"
        Activation of the hidden layers, with its parameter where it has one; a list names one for each.
    output : str or (str, float), default "identity"
        Activation of the last layer.
    weights : list of (W, b), optional
        First weights, copied; b may be None for a layer without bias. Drawn from `seed` where left out: he for relu's
        family, glorot otherwise, biases 0.
    seed : int, default 0
        Of the weights. They are not those that the fast network draws.
    dtype : dtype_like, default float64

    Attributes
    ----------
    parameters : ndarray
        Every weight and bias in one vector: W of the first layer, its b, W of the second, ...
    weights : list of (W, b)
        Views of it, W (I, O), b (O,) or None.

    Examples
    --------
    The slope of y = 4 x at w = 2, by hand: sum of 2 (w - 4) x^2 over x = 1..4 is -120, and the loss is 120.

    >>> net = Network([1, 1], weights=[([[2.0]], None)])
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> net.loss(X, 4 * X, "sse")
    120.0
    >>> net.gradients(X, 4 * X, "sse")[0][0].tolist()
    [[-120.0]]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden: Any = "relu",
        output: Any = "identity",
        weights: Sequence[tuple[Any, Any]] | None = None,
        seed: int = 0,
        dtype: Any = np.float64,
    ) -> None:
        count = len(sizes) - 1
        names = [*(hidden if isinstance(hidden, list) else [hidden] * (count - 1)), output]
        if count < 1 or len(names) != count:
            raise ValueError(f"{count} layers need {count} activations, got {len(names)}")
        pairs = [(name, ACTIVATIONS[name].parameter) if isinstance(name, str) else name for name in names]
        self.activations = [ACTIVATIONS[name] for name, _ in pairs]
        self.constants = [constant for _, constant in pairs]
        self.output = pairs[-1][0]
        self.sizes, self.dtype = list(sizes), np.dtype(dtype)
        with_bias = [weights is None or weights[i][1] is not None for i in range(count)]
        self._spans = self._layout(with_bias)
        total = max(span.stop for pair in self._spans for span in pair if span is not None)
        self.parameters = np.zeros(total, self.dtype)
        self._gradient = np.zeros(total, self.dtype)
        self.weights, self._gradients = self._views(self.parameters), self._views(self._gradient)
        random = np.random.RandomState(seed)
        for i, (W, b) in enumerate(self.weights):
            if weights is not None:
                W[...] = weights[i][0]
                if b is not None:
                    b[...] = weights[i][1]
            else:
                fan_in, fan_out = W.shape
                limit = math.sqrt(6 / fan_in if self.activations[i].init == "he" else 6 / (fan_in + fan_out))
                W[...] = random.uniform(-limit, limit, W.shape)

    def _layout(self, with_bias: list[bool]) -> list[tuple[slice, slice | None]]:
        spans: list[tuple[slice, slice | None]] = []
        at = 0
        for (fan_in, fan_out), has_bias in zip(pairwise(self.sizes), with_bias, strict=True):
            weight = slice(at, at + fan_in * fan_out)
            at = weight.stop + (fan_out if has_bias else 0)
            spans.append((weight, slice(weight.stop, at) if has_bias else None))
        return spans

    def _views(self, vector: Array) -> list[tuple[Array, Array | None]]:
        return [
            (vector[w].reshape(shape), None if b is None else vector[b])
            for shape, (w, b) in zip(pairwise(self.sizes), self._spans, strict=True)
        ]

    def forward(self, X: Array) -> Array:
        """Outputs (n, O) for inputs X (n, I)."""
        return self._forward(np.asarray(X, self.dtype), None)[1][-1]

    __call__ = predict = forward

    def _forward(self, X: Array, loss: Loss | None) -> tuple[list[Array], list[Array]]:
        """zs and ys of every layer; zs[i] is ys[i] where backward does not ask for it. ys starts with X.

        For a loss that is joined with the output's activation the last y is z: that loss wants nothing else.
        """
        zs, ys = [], [X]
        for i, ((W, b), activation) in enumerate(zip(self.weights, self.activations, strict=True)):
            z = ys[-1] @ W
            if b is not None:
                z += b
            zs.append(z)
            if i == len(self.weights) - 1 and loss is not None and loss.link is not None:
                ys.append(z)
            else:
                ys.append(activation.value(z, None if activation.reads_z else z, self.constants[i]))
        return zs, ys

    def _rule(self, loss: str | None) -> Loss:
        rule = LOSSES[default_loss(self.output) if loss is None else loss]
        if rule.link is not None and rule.link != self.output:
            raise ValueError(f"loss {loss} belongs to a {rule.link} output, this network's is {self.output}")
        return rule

    def loss(self, X: Array, y: Any, loss: str | None = None) -> float:
        """The loss on X (n, I) with targets y (n, O) or labels (n,); left out, the one that follows from the output."""
        rule = self._rule(loss)
        X = np.asarray(X, self.dtype)
        o = self._forward(X, rule)[1][-1]
        n, outputs = o.shape
        return rule.sum_and_gradient(o, targets(y, n, outputs, self.dtype))[0] / rule.divisor(n, outputs)

    def loss_and_gradients(
        self, X: Array, y: Any, loss: str | None = None
    ) -> tuple[float, list[tuple[Array, Array | None]]]:
        """The loss, and its gradient as views (dW, db) per layer; the views are written anew by the next call.

        Backpropagation: from dz of the output, downwards, dW = X^T dz, db = column sums of dz, dX = dz W^T, and
        dz below = dX * f'(z) there.
        """
        rule = self._rule(loss)
        X = np.asarray(X, self.dtype)
        zs, ys = self._forward(X, rule)
        n, outputs = ys[-1].shape
        total, d = rule.sum_and_gradient(ys[-1], targets(y, n, outputs, self.dtype))
        divisor = rule.divisor(n, outputs)
        if divisor != 1:
            d *= 1 / divisor
        if rule.link is None:
            d = self._through(len(self.weights) - 1, d, zs, ys)
        for i in range(len(self.weights) - 1, -1, -1):
            dW, db = self._gradients[i]
            np.matmul(ys[i].T, d, out=dW)
            if db is not None:
                np.add.reduce(d, axis=0, out=db)
            if i:
                d = self._through(i - 1, d @ self.weights[i][0].T, zs, ys)
        return total / divisor, self._gradients

    def _through(self, i: int, dy: Array, zs: list[Array], ys: list[Array]) -> Array:
        activation = self.activations[i]
        return activation.backward(dy, zs[i] if activation.reads_z else ys[i + 1], self.constants[i])

    def gradients(self, X: Array, y: Any, loss: str | None = None) -> list[tuple[Array, Array | None]]:
        """The gradient of the loss as new arrays (dW, db) per layer, db None for a layer without bias."""
        views = self.loss_and_gradients(X, y, loss)[1]
        return [(dW.copy(), None if db is None else db.copy()) for dW, db in views]

    def step(self, X: Array, y: Any, optimizer: Any, loss: str | None = None) -> float:
        """One training step on a batch; the loss before it. `optimizer` is an object of OPTIMIZERS' classes."""
        value, _ = self.loss_and_gradients(X, y, loss)
        optimizer.update(self.parameters, self._gradient, [weight for weight, _ in self._spans])
        return value

    def fit(
        self,
        X: Array,
        y: Any,
        epochs: int,
        optimizer: Any,
        batch_size: int = 32,
        seed: int = 0,
        loss: str | None = None,
    ) -> list[float]:
        """Train on shuffled batches, the last one short; the mean loss of each epoch."""
        X, y = np.asarray(X, self.dtype), np.asarray(y)
        random = np.random.RandomState(seed)
        history = []
        for _ in range(epochs):
            order = random.permutation(len(X))
            total = 0.0
            for start in range(0, len(X), batch_size):
                batch = order[start : start + batch_size]
                total += self.step(X[batch], y[batch], optimizer, loss) * len(batch)
            history.append(total / len(X))
        return history
