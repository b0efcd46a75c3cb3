# What Python sees of _plan.pyx, for type checkers and editors; a test holds the two together.
from collections.abc import Sequence
from typing import Any, final

from numpy.typing import NDArray

@final
class Row:
    def __init__(self, layers: Sequence[tuple[Any, ...]], parameters: NDArray[Any]) -> None: ...
    @property
    def isa(self) -> str: ...
    def answer(self, x: object, out: object = None) -> NDArray[Any] | None: ...
