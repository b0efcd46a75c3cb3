"""nncore: dense neural networks on CPUs, trained and served from a small compiled core.

>>> import nncore as nn
>>> X, y = nn.datasets.load_digits()
>>> net = nn.Network([64, 32, 10], hidden="relu", output="softmax", seed=0)
>>> history = net.fit(X, y, epochs=5)
>>> net.evaluate(X, y)["accuracy"] > 0.9
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
