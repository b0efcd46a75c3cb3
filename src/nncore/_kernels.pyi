# What Python sees of _kernels.pyx, for type checkers and editors; a test holds the two together.
from typing import NamedTuple

class Activation(NamedTuple):
    name: str
    index: int  # type: ignore[assignment]
    formula: str
    derivative: str
    reads: str
    rowwise: bool
    init: str
    parameter: str
    parameter_default: float

class Loss(NamedTuple):
    name: str
    index: int  # type: ignore[assignment]
    formula: str
    gradient: str
    reduction: str
    link: str | None

class OptimizerInfo(NamedTuple):
    name: str
    index: int  # type: ignore[assignment]
    display: str
    formula: str
    source: str
    defaults: dict[str, float]

def activations() -> dict[str, Activation]: ...
def losses() -> dict[str, Loss]: ...
def optimizers() -> dict[str, OptimizerInfo]: ...
def isas() -> dict[str, bool]: ...
def isa() -> str: ...
def select_isa(name: str = "") -> None: ...
def set_threads(count: int) -> None: ...
def threads() -> int: ...

MOST_THREADS: int

def threads_for(work: float, wanted: int = 0, trial: bool = False) -> int: ...
def chains(inputs: int, outputs: int) -> int: ...
def build_info() -> dict[str, str]: ...
