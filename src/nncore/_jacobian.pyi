# What Python sees of _jacobian.pyx, for type checkers and editors; a test holds the two together.
from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ._arena import Arena

class Jacobian(Arena):
    def __init__(self, layers: Sequence[tuple[Any, ...]], parameters: NDArray[Any], threads: int) -> None: ...
    def jacobian(self, X: ArrayLike, out: NDArray[Any] | None = None, threads: int = 0) -> NDArray[Any]: ...
    def gradient(
        self,
        X: ArrayLike,
        out: NDArray[Any] | None = None,
        output: int | None = None,
        weights: ArrayLike | None = None,
        threads: int = 0,
    ) -> NDArray[Any]: ...
