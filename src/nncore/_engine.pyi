# What Python sees of _engine.pyx, for type checkers and editors; a test holds the two together.
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ._arena import Arena
from ._turn import Turn
from .optimizers import Optimizer

WHOLE: tuple[type, ...]
NUMBERS: tuple[type, ...]

class Engine(Arena):
    wanted: int
    @property
    def turn(self) -> Turn: ...
    def __init__(
        self,
        layers: Sequence[tuple[Any, ...]],
        parameters: NDArray[Any],
        rows: int,
        threads: int,
        training: bool,
        wanted: int = 0,
    ) -> None: ...
    @property
    def steps(self) -> int: ...
    def set_loss(self, loss: int) -> None: ...
    def refuses(self, settings: Optimizer) -> bool: ...
    def get_state(self) -> tuple[Any, ...]: ...
    def set_state(self, state: tuple[Any, ...]) -> None: ...
    def take_over(self, old: Engine) -> None: ...
    def seed(self, seed: int) -> None: ...
    def epoch(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weights: NDArray[Any] | None,
        batch: int,
        shuffled: bool,
        settings: Callable[[], Optimizer],
        tick: Callable[[float], None] | None = None,
    ) -> float: ...
    def step(self, X: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None, settings: Optimizer) -> float: ...
    def quick_step(self, x: object, y: object, settings: Optimizer) -> float | None: ...
    def gradients(self, X: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None, out: NDArray[Any]) -> float: ...
    def answer(self, X: object, out: object) -> NDArray[Any] | None: ...
    def predict(self, X: NDArray[Any], out: NDArray[Any]) -> None: ...
    def losses(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weights: NDArray[Any] | None,
        out: NDArray[Any],
        answers: NDArray[Any] | None = None,
    ) -> float: ...
