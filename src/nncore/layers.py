"""Layers: what is asked for (Dense), and what a network has (Layer, a view into its vector of parameters)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import _kernels, checks, initializers
from .initializers import Init
from .tables import plural

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# What an activation's parameter may be, by its name. One that is not named here may be any finite number.
_RULES: dict[str, Callable[[str, object], float]] = {
    "alpha": checks.non_negative,  # leaky_relu's slope is read off the sign of y, which tells that of z only then
}


class Dense:
    """Settings of one dense layer, ``y = activation(x @ weight + bias)``.

    Parameters
    ----------
    outputs : int
        Number of units.
    activation : str, optional
        Its name; by default the network's `hidden`, or for the last layer its `output`.
    bias : bool, default True
        Whether a bias is added.
    init : str, float or callable, optional
        Initialiser of the weights (see `nncore.initializers`); by default the activation's own: he for relu's family,
        glorot otherwise. Biases start at zero.
    dropout : float, default 0.0
        Part of the layer's outputs that is set to zero in each training step, 0 <= dropout < 1; the others are scaled by
        1 / (1 - dropout). Prediction uses them all. (Srivastava et al. 2014)
    **parameter : float
        The activation's own parameter by its name, where it has one: ``Dense(8, "leaky_relu", alpha=0.1)``; alpha must be 0
        or more.

    Examples
    --------
    >>> Dense(8, "tanh", dropout=0.1)
    Dense(8, 'tanh', dropout=0.1)
    """

    def __init__(
        self,
        outputs: int,
        activation: str | None = None,
        *,
        bias: bool = True,
        init: Init | None = None,
        dropout: float = 0.0,
        **parameter: float,
    ) -> None:
        rows = _kernels.activations()
        self.outputs = checks.positive_int("outputs", outputs)
        self.activation = None if activation is None else checks.choice("activation", activation, rows)
        self.bias = checks.flag("bias", bias)
        self.init = None if init is None else initializers.check(init)
        self.dropout = checks.fraction("dropout", dropout)
        self.parameter: float | None = None
        for name, value in parameter.items():
            if not self.activation or name != rows[self.activation].parameter:
                raise TypeError(_no_setting(name, self.activation))
            self.parameter = _RULES.get(name, checks.number)(name, value)

    def __repr__(self) -> str:
        parts = [repr(self.outputs)] + ([repr(self.activation)] if self.activation else [])
        parts += ["bias=False"] if not self.bias else []
        parts += [f"init={self.init!r}"] if self.init is not None else []
        parts += [f"dropout={self.dropout:g}"] if self.dropout else []
        if self.activation and self.parameter is not None:
            parts.append(f"{_kernels.activations()[self.activation].parameter}={self.parameter:g}")
        return f"Dense({', '.join(parts)})"


class Layer:
    """One layer of a network. Its weight and bias are views: what is written into them is in the network at once.

    All else is read-only, because plans and workspaces were made for the layer as it is.

    Attributes
    ----------
    inputs : int
        fan_in.
    outputs : int
        fan_out, the number of units.
    activation : str
        Its name.
    parameter : float
        The activation's parameter (0.0 where it has none).
    dropout : float
        Part of the outputs that is set to zero in a training step.
    init : str, float or callable
        What the weights started from; "custom" where that was a callable of the network that this is a copy of, or was saved as.
    """

    def __init__(self, inputs: int, spec: Dense, vector: NDArray[Any], offset: int) -> None:
        row = _kernels.activations()[spec.activation or ""]  # `resolve` has given it one
        self.inputs: Final = inputs
        self.outputs: Final = spec.outputs
        self.activation: Final[str] = row.name
        parameter = row.parameter_default if spec.parameter is None else spec.parameter
        self.parameter: Final[float] = checks.within(row.parameter, parameter, vector.dtype)
        self.dropout: Final = spec.dropout
        self.init: Final[Init] = row.init if spec.init is None else spec.init
        split = offset + inputs * spec.outputs
        self._weight = vector[offset:split].reshape(inputs, spec.outputs)
        self._bias = vector[split : split + spec.outputs] if spec.bias else None

    @property
    def weight(self) -> NDArray[Any]:
        """(fan_in, fan_out), writable in place; assigning copies into it."""
        return self._weight

    @weight.setter
    def weight(self, value: ArrayLike) -> None:
        self._weight[...] = as_for(self._weight, value, "weight")

    @property
    def bias(self) -> NDArray[Any] | None:
        """(fan_out,), writable in place, or None; assigning copies into it."""
        return self._bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        if self._bias is None:
            raise ValueError("this layer has no bias; make it with Dense(..., bias=True)")
        self._bias[...] = as_for(self._bias, value, "bias")

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in ("weight", "bias"):
            if hasattr(self, name):  # once, in __init__
                raise AttributeError(f"{name} of a layer does not change (weight and bias do): make a new Network")
            if "_bias" in self.__dict__:  # which is the last thing that __init__ sets
                raise AttributeError(f"a layer has no {name!r}; what may be set are weight and bias")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} of a layer cannot be deleted")

    def __repr__(self) -> str:
        bias = "" if self._bias is not None else ", no bias"
        dropout = f", dropout={self.dropout:g}" if self.dropout else ""
        return f"Layer({self.inputs} -> {self.outputs}, {self.activation}{bias}{dropout}, {plural(self.size, 'parameter')})"


def resolve(layers: Sequence[int | Dense], hidden: str, output: str, bias: bool = True) -> tuple[int, list[Dense]]:
    """The number of inputs and one complete Dense per layer, from sizes and Dense objects as `Network` takes them. bias: of the
    layers that are sizes."""
    if isinstance(layers, (str, bytes)) or not isinstance(layers, Iterable):
        raise TypeError(f"layers must be a list such as [64, 32, 10], got {layers!r}")
    rows = _kernels.activations()
    for name, value in (("hidden", hidden), ("output", output)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be the name of an activation, got {checks.short(value)}; "
                            "a layer gets one of its own as in Dense(8, 'tanh')")  # fmt: skip
    hidden = checks.choice("activation", hidden, rows)
    output = checks.choice("activation", output, rows)
    items = list(layers)
    if len(items) < 2:
        raise ValueError(f"layers must name the inputs and at least one layer, as in [64, 10]; got {items!r}")
    if isinstance(items[0], Dense):
        raise ValueError("layers must start with the number of inputs, as in [4, Dense(8), Dense(1)]")
    inputs = checks.positive_int("layers[0] (the number of inputs)", items[0])
    specs = []
    for i, item in enumerate(items[1:], start=1):
        last = i == len(items) - 1
        given = item if isinstance(item, Dense) else Dense(checks.positive_int(f"layers[{i}]", item), bias=bias)
        activation = given.activation or (output if last else hidden)
        spec = Dense(given.outputs, activation, bias=given.bias, init=given.init, dropout=given.dropout)
        spec.parameter = given.parameter
        rowwise = rows[activation].rowwise
        if rowwise and not last:
            raise ValueError(f"layers[{i}] has activation {spec.activation!r}, which is for the output layer only")
        if rowwise and spec.outputs == 1:
            raise ValueError(f"{spec.activation} over one output is always 1; use output='sigmoid', or 2 outputs")
        if last and spec.dropout:
            raise ValueError("dropout belongs to hidden layers; the last layer has dropout "
                             f"{spec.dropout:g}: what it drops is the answer itself")  # fmt: skip
        specs.append(spec)
    return inputs, specs


def _no_setting(name: str, activation: str | None) -> str:
    rows = _kernels.activations()
    owner = next((row for row in rows.values() if row.parameter and row.parameter == name), None)
    if owner is not None:
        value = f"{name}={owner.parameter_default:g}"
        return f"{name} belongs to the activation {owner.name!r}: name it, as in Dense(8, {owner.name!r}, {value})"
    own = rows[activation].parameter if activation else ""
    names = ["outputs", "activation", "bias", "init", "dropout"] + ([own] if own else [])
    return f"Dense has no setting {name!r}{checks.rather(name, names)}"


def as_for(view: NDArray[Any], value: ArrayLike, name: str) -> NDArray[Any]:
    """`value`, a number or an array of the view's shape, in the view's type, in which it must be finite too."""
    array = checks.numeric(value, name)
    if array.ndim and array.shape != view.shape:
        raise ValueError(f"{name} has shape {view.shape}, got {array.shape}")
    ready = checks.convert(array, view.dtype)
    checks.require_finite(ready, name, array)
    return ready
