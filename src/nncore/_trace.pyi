# What Python sees of _trace.pyx, for type checkers and editors; a test holds the two together.
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ._arena import Arena

_Arrays = list[NDArray[Any]]

class Recorder(Arena):
    def __init__(self, layers: Sequence[tuple[Any, ...]], parameters: NDArray[Any], rows: int) -> None: ...
    def run(
        self, X: NDArray[Any], T: NDArray[Any], loss: int
    ) -> tuple[_Arrays, _Arrays, _Arrays, NDArray[Any], float, NDArray[Any], NDArray[Any]]: ...
