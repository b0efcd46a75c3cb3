# What optimizers.py makes from the core's rows, for type checkers and editors; a test holds the two together.
from typing import Any, ClassVar, TypeVar

import numpy as np

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "as_optimizer"]

_Self = TypeVar("_Self", bound=Optimizer)

class Optimizer:
    info: ClassVar[Any]
    learning_rate: float
    def hyper(self) -> list[float]: ...
    def to_dict(self) -> dict[str, Any]: ...
    def replace(self: _Self, **changes: Any) -> _Self: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...

class SGD(Optimizer):
    momentum: float
    nesterov: bool
    weight_decay: float
    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None: ...

class Adam(Optimizer):
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    def __init__(
        self,
        learning_rate: float = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        weight_decay: float = 0.0,
    ) -> None: ...

class AdamW(Optimizer):
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    def __init__(
        self,
        learning_rate: float = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        weight_decay: float = 0.01,
    ) -> None: ...

def as_optimizer(
    optimizer: str | Optimizer | type[Optimizer], dtype: np.dtype[Any] | str | None = None
) -> Optimizer: ...
