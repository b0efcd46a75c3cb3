"""nncore: dense neural networks on CPUs, trained and served from a small compiled core.

>>> import nncore as nn
>>> X, y = nn.datasets.load_digits()
>>> net = nn.Network([64, 32, 10], hidden="relu", output="softmax", seed=0)
>>> history = net.fit(X, y, epochs=20)
>>> net.evaluate(X, y)["accuracy"] > 0.95
True
"""

from typing import TYPE_CHECKING

from . import datasets, optimizers, outer_limits
from ._kernels import activations, isa, isas, losses, set_threads, threads
from ._predictor import Predictor
from .formats import FormatError, load
from .gradients import Gradients
from .history import History
from .layers import Dense, Layer
from .network import Network
from .numeric import check_gradient, numeric_gradient
from .optimizers import *  # noqa: F403  one class per row of the core's list
from .search import loss_sweep, random_search
from .text_curve import text_curve
from .trainer import Trainer

if TYPE_CHECKING:  # the plain numpy twin, which few need: imported when it is asked for
    from . import reference as reference
else:

    def __getattr__(name: str) -> object:
        if name != "reference":
            names = {"Linear": "Dense", "Sequential": "Network", "MLPClassifier": "Network", "MLPRegressor": "Network"}
            here = f": here it is {names[name]}" if name in names else ""
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}{here}", name=name)
        import importlib

        return importlib.import_module(f"{__name__}.reference")


__version__ = "0.1.0"

outer_limits.follow()


def get_include() -> str:
    """The folder of nncore.h, for C and Cython code that calls a Predictor.

    Examples
    --------
    >>> import os
    >>> os.listdir(get_include())
    ['nncore.h']
    """
    import os

    return os.path.join(os.path.dirname(__file__), "include")


__all__ = [
    "Dense",
    "FormatError",
    "Gradients",
    "History",
    "Layer",
    "Network",
    "Predictor",
    "Trainer",
    "activations",
    "check_gradient",
    "datasets",
    "get_include",
    "isa",
    "isas",
    "load",
    "loss_sweep",
    "losses",
    "numeric_gradient",
    "random_search",
    "set_threads",
    "text_curve",
    "threads",
    *optimizers.__all__,
]


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "reference"})  # not the modules that this one is made of
