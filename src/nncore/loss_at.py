"""The loss as a function of the parameters alone: what nudging, sweeping and guessing ask for again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, checks
from ._engine import Engine

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class LossAt:
    """The loss of a network on fixed data, at any values of its parameters.

    The network itself is left alone: this works on a copy, in float64 unless told otherwise, because differences of
    float32 losses are mostly rounding.

    Parameters
    ----------
    net : Network
    X, y : array_like
        As for `Network.evaluate`.
    loss : str, optional
        By default the one that follows from the output.
    dtype : {"float64", "float32"}

    Attributes
    ----------
    net : Network
        The copy.
    parameters : ndarray
        Of the copy; write into it, then call.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([1, nn.Dense(1, bias=False, init=2.0)])
    >>> at = LossAt(net, [0, 1, 2, 3, 4], [0, 4, 8, 12, 16], "sse")
    >>> at(), at([3.0])
    (120.0, 30.0)
    """

    def __init__(self, net: Any, X: ArrayLike, y: ArrayLike, loss: str | None = None, dtype: str = "float64") -> None:
        self.net = twin(net, dtype)
        self.loss = self.net._loss(loss)
        self.X, _ = checks.as_inputs(X, self.net.inputs, dtype)
        self.y = self.net._targets(y, self.X.shape[0], self.loss)
        self.parameters = self.net.parameters
        self._engine = Engine(self.net._core_layers(dropout=False), self.parameters, 256, 1, False, 1)
        self._engine.set_loss(_kernels.losses()[self.loss].index)
        self._rows = np.empty(self.X.shape[0])

    def __call__(self, parameters: ArrayLike | None = None) -> float:
        """The loss here, or at other parameters (P,), which then stay. May be inf or nan where numbers overflow."""
        if parameters is not None:
            self.parameters[:] = parameters
        return float(self._engine.losses(self.X, self.y, None, self._rows))


def twin(net: Any, dtype: str) -> Any:
    """A network of its own with the same layers and parameters, in another type of number."""
    checks.require_network(net)
    description = net.describe()
    description["dtype"] = dtype
    other = type(net).from_description(description)
    other.parameters[:] = net.parameters
    return other
