"""nncore: dense neural networks on CPUs, trained and served from a small compiled core.

>>> import nncore as nn
>>> X, y = nn.datasets.load_digits()
>>> net = nn.Network([64, 32, 10], hidden="relu", output="softmax", seed=0)
>>> history = net.fit(X, y, epochs=20)
>>> net.evaluate(X, y)["accuracy"] > 0.95
True
"""

from . import datasets, optimizers
from ._kernels import activations, isa, isas, losses, set_threads, threads
from ._predictor import Predictor
from .formats import FormatError, load
from .gradients import Gradients
from .history import History
from .layers import Dense, Layer
from .network import Network
from .numeric import check_gradient, numeric_gradient
from .optimizers import *  # noqa: F403  one class per row of the core's list
from .optimizers import Optimizer
from .search import loss_sweep, random_search
from .text_curve import text_curve
from .trainer import Trainer

__version__ = "0.1.0"


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
    "Optimizer",
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
