# What Python sees of _predictor.pyx, for type checkers and editors; a test holds the two together.
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

STORAGES: dict[str, int]

class Functions(NamedTuple):
    function: int
    plan: int
    inputs: int
    outputs: int
    scratch: int

class Report(NamedTuple):
    storage: str
    bytes: int
    max_error: float
    mean_error: float
    small_layers: int

@final
class Predictor:
    def __init__(
        self,
        layers: Sequence[tuple[Any, ...]],
        parameters: NDArray[Any],
        storage: str | None = None,
        scales: Sequence[NDArray[Any] | None] | None = None,
        report: Report | None = None,
    ) -> None: ...
    def __call__(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...
    def compare(self, X: ArrayLike, Y: ArrayLike) -> Report: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def storage(self) -> str: ...
    @property
    def report(self) -> Report: ...
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def ctypes(self) -> Functions: ...
    @property
    def ctypes_many(self) -> Functions: ...
    @property
    def capsule(self) -> object: ...

def unpickled(layers: Sequence[tuple[Any, ...]], *more: Any) -> Predictor: ...
