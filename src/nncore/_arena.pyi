# What Python sees of _arena.pyx, for type checkers and editors; a test holds the two together.
from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike, NDArray

def aligned(count: int, dtype: DTypeLike, beside: NDArray[Any] | None = None, quarter: int = 0) -> NDArray[Any]: ...

class Arena:
    def __init__(
        self, layers: Sequence[tuple[Any, ...]], parameters: NDArray[Any], rows: int, threads: int, training: bool
    ) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def isa(self) -> str: ...
