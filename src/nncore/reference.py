"""The same network in plain numpy: to read, to check the fast one against, and to measure it against.

This is the second statement of everything that the C core computes, written as numpy is written well by hand: one
matrix product per layer and direction, elementwise work in place, all parameters in one vector so that the optimizer is
a handful of calls. It imports nothing of the rest of the package and works in any floating type.

To add an activation, a loss or an optimizer: write it here by its own formula, not by looking at the C code, and enter
it in the table of its section. The names in the tables are those of the core; a test holds the two lists together.

Letters: n samples, I inputs of a layer, O outputs. X (n, I), W (I, O), b (O,), z = X W + b, y = activation(z); a
gradient is the tensor's name with d before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray

# ---- activations -----------------------------------------------------------------------------------------------------
# value(z, out, parameter) -> y, where out may be z, None (make a new array) or another array;
# backward(dy, saved, parameter) -> dz = dy * f'(z), which may overwrite dy. saved is y, or z where reads_z says so.


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


def _sigmoid(z: Array, out: Array | None = None, parameter: float = 0.0) -> Array:
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
    return np.multiply(z, _sigmoid(z), out=out)


def _silu_backward(dy: Array, z: Array, parameter: float) -> Array:
    s = _sigmoid(z)
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
    "sigmoid": Activation(_sigmoid, _sigmoid_backward),
    "gelu": Activation(_gelu, _gelu_backward, reads_z=True, init="he"),
    "silu": Activation(_silu, _silu_backward, reads_z=True, init="he"),
    "softplus": Activation(_softplus, _softplus_backward, init="he"),
    "softmax": Activation(_softmax, _softmax_backward),
}

# ---- losses ----------------------------------------------------------------------------------------------------------
# A loss takes o and targets t, both (n, O), and gives its plain sum over all samples and outputs, and the derivative of
# that sum by o. o is the network's output y or, where `link` names the activation that belongs to the loss, z before
# it: there both are exact for any z.


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
    gradient = _sigmoid(z)
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


# ---- optimizers ------------------------------------------------------------------------------------------------------
# One object per training: it keeps its slots. update(p, g, weights) moves the parameter vector p by the gradient vector
# g; `weights` are the slices of p that are weights, on which alone weight decay works.


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
        self.t = 0
        self.m: Array | None = None

    def update(self, p: Array, g: Array, weights: Sequence[slice]) -> None:
        """One step on p; g is used up."""
        if self.m is None:
            self.m, self.v, self.scratch = np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
        m, v, scratch = self.m, self.v, self.scratch
        self.t += 1
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
        scratch *= 1 / math.sqrt(1 - self.beta2**self.t)
        scratch += self.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= self.learning_rate / (1 - self.beta1**self.t)
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

# ---- the network -----------------------------------------------------------------------------------------------------


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


def numeric_gradient(function: Callable[[], float], parameters: Array, step: float = 1e-6) -> Array:
    """The gradient of `function` by central differences, (f(p + h) - f(p - h)) / 2h for one parameter after the other.

    Parameters
    ----------
    function : callable
        Takes nothing, returns a number; reads `parameters`.
    parameters : ndarray
        float64, any shape, contiguous; changed during the call and as before after it.
    step : float, default 1e-6
        h. The error is about h^2 from the formula and 1e-16/h from rounding.

    Returns
    -------
    ndarray
        Shape of `parameters`.

    Examples
    --------
    >>> p = np.array([3.0])
    >>> numeric_gradient(lambda: p[0] ** 2, p).round(6).tolist()
    [6.0]
    """
    flat = parameters.reshape(-1)
    result = np.empty_like(flat)
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + step
        above = function()
        flat[i] = kept - step
        below = function()
        flat[i] = kept
        result[i] = (above - below) / (2 * step)
    return result.reshape(parameters.shape)
