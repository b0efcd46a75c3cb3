"""Trace: everything that one pass through a network computes, by name and as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _kernels, checks
from ._trace import Recorder
from .gradients import Gradients
from .parameter_names import names
from .tables import Table, plural

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_WIDE = 16  # a table of samples with more columns than this is told by its statistics instead
_MANY = 60  # likewise parameters


class LayerTrace(NamedTuple):
    """One layer of a trace; n samples, I inputs, O outputs.

    The derivatives are of the total loss.

    Attributes
    ----------
    input : ndarray
        (n, I) what the layer reads.
    z : ndarray
        (n, O) pre-activation, ``input W + b``.
    activation : ndarray
        (n, O) what the next layer reads.
    weight : ndarray
        (I, O) as it was in this pass.
    bias : ndarray or None
        (O,) likewise; None where the layer has none.
    z_gradient : ndarray
        (n, O) derivative with respect to z.
    weight_gradient : ndarray
        (I, O) derivative with respect to the weight.
    bias_gradient : ndarray or None
        (O,) derivative with respect to the bias.
    """

    input: NDArray[Any]
    z: NDArray[Any]
    activation: NDArray[Any]
    weight: NDArray[Any]
    bias: NDArray[Any] | None
    z_gradient: NDArray[Any]
    weight_gradient: NDArray[Any]
    bias_gradient: NDArray[Any] | None


class Trace:
    """Everything that one pass through a network computed, forward and back. Made by `Network.trace`.

    Prints as tables; in a notebook they are HTML. Every array is there by name, ``trace["z1"]``; layers count from 1:

    ===================  ===============  ==================================================================
    name                 shape            what
    ===================  ===============  ==================================================================
    x                    (n, inputs)      the samples
    W1, b1, ...          (I, O), (O,)     weights and biases as they were in this pass
    z1, ...              (n, O)           pre-activation, ``input W + b``
    a1, ...              (n, O)           activation: what the next layer reads
    prediction           (n, outputs)     the last activation
    target, error        (n, outputs)     what was wanted; prediction - target
    losses, loss         (n,), ()         per sample, and in total
    dz1, dW1, db1, ...   as z1, W1, b1    derivative of the total loss with respect to each
    dx                   (n, inputs)      and to the samples
    W1_after, ...        as W1            weights and biases as they are after the step
    ===================  ===============  ==================================================================

    Attributes
    ----------
    layers : list of LayerTrace
        The same, layer by layer.
    prediction : ndarray
        (n, outputs) the last activation.
    target : ndarray
        (n, outputs) what was wanted; labels as one-hot rows.
    error : ndarray
        (n, outputs) prediction - target.
    losses : ndarray
        (n,) the loss of each sample.
    loss : float
        In total.
    loss_name : str
        Which loss that is.
    input_gradient : ndarray
        (n, inputs) ``dx``, the derivative of the total loss with respect to the samples.
    gradients : Gradients
        Of the parameters, as `Network.gradients` gives them.
    before : ndarray
        (P,) parameters in this pass.
    after : ndarray
        (P,) parameters after the step: those of the network now, or where the trace took the step itself, those of then.
    """

    def __init__(self, net: Any, X: NDArray[Any], target: NDArray[Any], loss: str) -> None:
        rows = X.shape[0]
        recorder = Recorder(net._core_layers(dropout=False), net.parameters, rows)
        z, a, dz, losses, total, vector, dx = recorder.run(X, target, _kernels.losses()[loss].index)
        self._net, self._after = net, None
        self.loss_name = loss
        self.before = net.parameters.copy()
        self.gradients = Gradients(total, vector, net.layers)
        weights = _split(net, self.before)
        self.layers: list[LayerTrace] = []
        source = X.copy()
        for i, (weight, bias) in enumerate(weights):
            gradient = self.gradients.layers[i]
            self.layers.append(LayerTrace(source, z[i], a[i], weight, bias, dz[i], gradient.weight, gradient.bias))
            source = a[i]
        self.prediction, self.target, self.error = a[-1], target, a[-1] - target
        self.losses, self.loss, self.input_gradient = losses, total, dx

    @property
    def after(self) -> NDArray[Any]:
        """(P,) the parameters after the step."""
        return np.array(self._net.parameters if self._after is None else self._after)

    def keep_after(self) -> None:
        """Take the network's parameters of this moment as those after the step, whatever comes later."""
        self._after = self._net.parameters.copy()

    # ---- arrays by name ----------------------------------------------------------------------------------------------

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by its name, in the order of computing."""
        out: dict[str, Any] = {"x": self.layers[0].input}
        for i, layer in enumerate(self.layers, start=1):
            out.update({f"W{i}": layer.weight, f"b{i}": layer.bias, f"z{i}": layer.z, f"a{i}": layer.activation})
        out.update(prediction=self.prediction, target=self.target, error=self.error, losses=self.losses,
                   loss=np.asarray(self.loss))  # fmt: skip
        for i in range(len(self.layers), 0, -1):
            layer = self.layers[i - 1]
            out.update({f"dz{i}": layer.z_gradient, f"dW{i}": layer.weight_gradient, f"db{i}": layer.bias_gradient})
        out["dx"] = self.input_gradient
        for i, (weight, bias) in enumerate(_split(self._net, self.after), start=1):
            out.update({f"W{i}_after": weight, f"b{i}_after": bias})
        return {name: array for name, array in out.items() if array is not None}

    def keys(self) -> list[str]:
        """The names that ``trace[name]`` knows."""
        return list(self.arrays)

    def __getitem__(self, name: str) -> NDArray[Any]:
        arrays = self.arrays
        if name not in arrays:
            raise KeyError(str(checks.unknown("array", name, arrays)))
        return arrays[name]

    # ---- tables ------------------------------------------------------------------------------------------------------

    def tables(self) -> list[Table]:
        """The forward pass, the way back, the parameters."""
        forward = {"x": self.layers[0].input}
        for i, layer in enumerate(self.layers, start=1):
            last = i == len(self.layers)
            plain = self._net.layers[i - 1].activation == "identity"
            if not plain:
                forward[f"z{i}"] = layer.z
            if not last:
                forward[f"a{i}"] = layer.activation
        forward.update(prediction=self.prediction, target=self.target, error=self.error, loss=self.losses[:, None])
        back = {f"dz{i}": self.layers[i - 1].z_gradient for i in range(len(self.layers), 0, -1)}
        back["dx"] = self.input_gradient
        word = "sum" if _kernels.losses()[self.loss_name].reduction == "sum" else "mean"
        ahead_title = f"forward: {self.loss_name} {self.loss:.6g} over {plural(len(self.losses), 'sample')}"
        back_title = "back: the derivative of that loss with respect to each sample's numbers"
        return [
            _samples(ahead_title, forward, (word, self.loss)),
            _samples(back_title, back, None),
            self._parameters(),
        ]

    def _parameters(self) -> Table:
        before, after, slope = self.before, self.after, self.gradients.vector
        moved = not np.array_equal(before, after)
        if before.size <= _MANY:
            header = ["parameter", "before" if moved else "value", "slope", *(["after", "change"] if moved else [])]
            rows = [[name, before[i], slope[i], *([after[i], after[i] - before[i]] if moved else [])]
                    for i, name in enumerate(names(self._net, short=True))]  # fmt: skip
            return Table("parameters, and the slope of the loss along each", header, rows, most=_MANY)
        header = ["parameters", "shape", "typical size", "typical slope", *(["typical change"] if moved else [])]
        rows = []
        now, changed = _split(self._net, before), _split(self._net, after)
        for i, gradient in enumerate(self.gradients.layers):
            for kind, letter in enumerate("Wb"):
                old, new = now[i][kind], changed[i][kind]
                if old is None or new is None:
                    continue
                row = [f"{letter}{i + 1}", _shape(old), _rms(old), _rms(gradient[kind])]
                rows.append([*row, *([_rms(new - old)] if moved else [])])
        title = "parameters (typical: the root of the mean square)"
        return Table(title, header, rows, digits=4)

    def __str__(self) -> str:
        return "\n\n".join([repr(self), *map(str, self.tables())])

    def to_html(self) -> str:
        """The tables as HTML."""
        from html import escape

        return f"<p>{escape(repr(self))}</p>" + "".join(table.to_html() for table in self.tables())

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        return f"Trace of {self._net!r}: {plural(len(self.losses), 'sample')}, {self.loss_name} {self.loss:.6g}"


def trace(net: Any, X: ArrayLike, y: ArrayLike, loss: str | None, trainer: Any) -> Trace:
    """What `Network.trace` does, which see."""
    if trainer is not None:
        if not hasattr(trainer, "step"):
            raise TypeError(f"trainer must be a Trainer of this network, got {checks.short(trainer)}")
        if trainer.net is not net:
            raise ValueError("trainer trains another network than the one that is traced")
        loss = trainer.loss if loss is None else loss
        if loss != trainer.loss:
            raise ValueError(f"loss {loss!r} is not the trainer's, which is {trainer.loss!r}")
    loss = net._loss(loss)
    array, _ = checks.as_inputs(X, net.inputs, net.dtype)
    target = net._targets(y, array.shape[0], loss)
    if target.ndim == 1 and target.dtype == np.int32:
        dense = np.zeros((array.shape[0], net.outputs), net.dtype)
        dense[np.arange(array.shape[0]), target] = 1
        target = dense
    else:
        target = np.array(target, dtype=net.dtype).reshape(array.shape[0], net.outputs)
    result = Trace(net, array, target, loss)
    if trainer is not None:
        trainer.step(X, y)
        result.keep_after()
    return result


def _split(net: Any, vector: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any] | None]]:
    return [(part.weight, part.bias) for part in Gradients(0.0, vector, net.layers).layers]


def _samples(title: str, arrays: dict[str, NDArray[Any]], footer: tuple[str, float] | None) -> Table:
    columns = sum(array.shape[1] for array in arrays.values())
    if columns > _WIDE:
        header = ["array", "shape", "mean", "typical size", "smallest", "largest", "zeros"]
        rows = [[name, _shape(array), float(array.mean()), _rms(array), float(array.min()), float(array.max()),
                 f"{np.mean(array == 0):.0%}"] for name, array in arrays.items()]  # fmt: skip
        return Table(f"{title} (typical size: the root of the mean square)", header, rows, digits=4)
    header = ["sample"]
    for name, array in arrays.items():
        header += [name] if array.shape[1] == 1 else [f"{name}[{j}]" for j in range(array.shape[1])]
    body = np.hstack([array.astype(np.float64) for array in arrays.values()])
    rows = [[i, *row] for i, row in enumerate(body.tolist())]
    last = None if footer is None else [footer[0], *[None] * (columns - 1), footer[1]]
    return Table(title, header, rows, most=12, footer=last)


def _rms(array: Any) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def _shape(array: Any) -> str:
    return " x ".join(map(str, array.shape))
