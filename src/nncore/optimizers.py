"""Settings of the optimizers: SGD, Adam, AdamW.

A settings object holds numbers and no state: the arithmetic is in the C core, moments and step counts belong to the
Trainer. One class per row of the core's list is made when this module is imported, so that a row added there is a class
here without another place to touch; only what a number *may be* is said here, by name, in ``_RULES``. Type checkers
read the classes in optimizers.pyi.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from . import _kernels, checks

# What each hyperparameter may be, whichever optimizer has it. One that is not named here may be any finite number.
_RULES: dict[str, Callable[[str, object], float]] = {
    "learning_rate": checks.non_negative,
    "momentum": checks.fraction,
    "nesterov": checks.flag,
    "beta1": checks.fraction,
    "beta2": checks.fraction,
    "epsilon": checks.positive,
    "weight_decay": checks.non_negative,
}

_MEANINGS: dict[str, str] = {
    "learning_rate": "Size of a step, 0 or more; at 0, where a schedule may end, nothing moves.",
    "momentum": "Part of the last step that is carried into the next, 0 <= momentum < 1.",
    "nesterov": "Look ahead along the momentum (Nesterov); needs momentum above 0.",
    "beta1": "Decay of the running mean of the gradient, 0 <= beta1 < 1.",
    "beta2": "Decay of the running mean of its square, 0 <= beta2 < 1.",
    "epsilon": "Added to the denominator, above 0.",
    "weight_decay": "Pull of the weights (not the biases) towards 0, 0 or more.",
}


class Optimizer:
    """Base of the settings objects; not to be made itself.

    Settings are read as attributes and do not change; `replace` gives a changed copy. Two objects are equal when they
    are of one class and all numbers are.

    Attributes
    ----------
    info : OptimizerInfo
        The row of the core's list: name, formula, source, defaults.
    """

    info: ClassVar[Any] = None
    __signature__: ClassVar[inspect.Signature]
    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, *args: Any, **settings: Any) -> None:
        if self.info is None:
            raise TypeError(f"Optimizer is the base of the settings: use one of {', '.join(_CLASSES)}")
        defaults = self.info.defaults
        title = type(self).__name__
        if len(args) > 1:
            raise TypeError(f"{title} takes {next(iter(defaults))} alone by position, got {len(args)}: name the rest")
        for name in settings:
            if name not in defaults:
                raise TypeError(str(checks.unknown(f"setting of {title}", name, defaults)))
        if args:
            first = next(iter(defaults))
            if first in settings:
                raise TypeError(f"{title} got {first} twice: by position and by name")
            settings[first] = args[0]
        values = {name: _checked(name, settings.get(name, default)) for name, default in defaults.items()}
        if values.get("nesterov") and not values.get("momentum"):
            raise ValueError("nesterov=True needs momentum above 0, got momentum=0")
        object.__setattr__(self, "_values", values)

    def hyper(self) -> list[float]:
        """The numbers in the order of the core's row.

        Examples
        --------
        >>> SGD(0.5, momentum=0.9).hyper()
        [0.5, 0.9, 0.0, 0.0]
        """
        return [float(value) for value in self._values.values()]

    def to_dict(self) -> dict[str, Any]:
        """The settings by name, as a new dict."""
        return dict(self._values)

    def replace(self, **changes: Any) -> Optimizer:
        """A copy with some settings changed, checked as at the making.

        Examples
        --------
        >>> SGD(0.5).replace(learning_rate=0.1)
        SGD(learning_rate=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)
        """
        return type(self)(**{**self._values, **changes})

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"{type(self).__name__} has no setting {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings do not change: use .replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings do not change: {name} cannot be deleted")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values == other._values  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), *self._values.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.to_dict())


def as_optimizer(optimizer: str | Optimizer | type[Optimizer], dtype: np.dtype[Any] | str | None = None) -> Optimizer:
    """The settings object for a name (with its defaults), a class or a settings object.

    Parameters
    ----------
    optimizer : str, class or Optimizer
    dtype : dtype, optional
        Of the arithmetic that will go by the settings: refuse those that it cannot hold, which would become inf there, and
        an epsilon that would no longer keep a division from 0.

    Examples
    --------
    >>> as_optimizer("sgd")
    SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0)
    """
    settings = _settings(optimizer)
    if dtype is not None:
        _require_within(settings, np.dtype(dtype))
    return settings


def _require_within(settings: Optimizer, dtype: np.dtype[Any]) -> None:
    limits = np.finfo(dtype)
    largest, smallest = float(limits.max), float(limits.tiny)
    for name, value in settings._values.items():
        if abs(value) > largest:  # first, because a learning rate may be set at every step
            checks.within(name, value, dtype)
        if name == "epsilon" and value < smallest:
            raise ValueError(f"epsilon is {value:g}: too small for {dtype}, where it must be at least {smallest:g}")


def _settings(optimizer: str | Optimizer | type[Optimizer]) -> Optimizer:
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        return optimizer()
    by_name = {kind.info.name: kind for kind in _CLASSES.values()}
    if isinstance(optimizer, str):
        if optimizer.lower() in by_name:
            return by_name[optimizer.lower()]()
        raise checks.unknown("optimizer", optimizer, by_name)
    raise TypeError(
        f"optimizer must be a name or a settings object such as Adam(1e-3), got {checks.short(optimizer)}. "
        f"Allowed: {', '.join(by_name)}"
    )


# ---- the classes, from the core's rows -------------------------------------------------------------------------------


def _checked(name: str, value: object) -> float:
    return _RULES.get(name, checks.number)(name, value)


def _rebuild(kind: type[Optimizer], settings: dict[str, Any]) -> Optimizer:
    return kind(**settings)


def _make(info: Any) -> type[Optimizer]:
    # A row keeps numbers only; a setting whose rule is a yes or no shows its default as one.
    defaults = {name: _checked(name, value) for name, value in info.defaults.items()}
    kinds = [inspect.Parameter.POSITIONAL_OR_KEYWORD, *[inspect.Parameter.KEYWORD_ONLY] * (len(defaults) - 1)]
    parameters = [
        inspect.Parameter(name, kind, default=value, annotation=type(value).__name__)
        for kind, (name, value) in zip(kinds, defaults.items(), strict=True)
    ]
    lines = [f"Settings of {info.display}.", "", f"    {info.formula}", "", f"Source: {info.source}", ""]
    lines += ["Parameters", "----------"]
    for name, value in defaults.items():
        meaning = _MEANINGS.get(name, "A finite number.")
        lines += [f"{name} : {type(value).__name__}, default {value!r}", f"    {meaning}"]
    attributes = {
        "__slots__": (),
        "__module__": __name__,
        "__doc__": "\n".join(lines) + "\n",
        "__signature__": inspect.Signature(parameters),
        "info": info,
    }
    return type(info.display, (Optimizer,), attributes)


_CLASSES: dict[str, type[Optimizer]] = {info.display: _make(info) for info in _kernels.optimizers().values()}
globals().update(_CLASSES)

__all__ = ["Optimizer", "as_optimizer", *_CLASSES]  # pyright: ignore[reportUnsupportedDunderAll]
