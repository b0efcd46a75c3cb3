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
from .optimizers import *  # noqa: F403  one class per row of the core's list
from .optimizers import Optimizer
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
    "datasets",
    "isa",
    "isas",
    "load",
    "losses",
    "set_threads",
    "threads",
    *optimizers.__all__,
]
