"""The loss seen from outside: along one weight, over two, or at guesses. What a gradient is better than."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks, initializers
from .loss_at import LossAt
from .parameter_names import index_of, name_of
from .text_curve import text_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class LossSweep:
    """The loss while one parameter varies, or two; all others stay.

    Attributes
    ----------
    names : list of str
        Of the one or two parameters.
    values : ndarray or pair of ndarray
        (n,) what the parameter was set to; for two a pair (n,), (m,).
    loss : ndarray
        (n,), or (n, m) for two.
    best : float or pair of float
        Where the loss was smallest.
    at : tuple of float
        Where the network itself stands, one value per parameter; `loss_there` is its loss.
    """

    def __init__(self, names: list[str], axes: list[NDArray[Any]], loss: NDArray[Any], at: tuple[float, ...],
                 loss_there: float, kind: str) -> None:  # fmt: skip
        self.names, self.loss, self.kind = names, loss, kind
        self.at, self.loss_there = at, loss_there
        self.values: Any = axes[0] if len(axes) == 1 else tuple(axes)
        finite = np.where(np.isfinite(loss), loss, np.inf)
        where = np.unravel_index(int(finite.argmin()), loss.shape)
        best = tuple(float(axis[i]) for axis, i in zip(axes, where, strict=True))
        self.best: Any = best[0] if len(best) == 1 else best

    def plot(self, ax: Any = None, path: ArrayLike | None = None) -> Any:
        """Draw the curve, or for two parameters the surface as a map, with matplotlib.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        path : array_like, optional
            Steps of a training to draw on top: (k,) values of the one parameter, or (k, 2) of the two.

        Returns
        -------
        matplotlib axes
        """
        from . import drawing

        return drawing.sweep(self, ax, path)

    def __str__(self) -> str:
        if len(self.names) == 1:
            return text_curve(self.values, self.loss, title=f"{self.kind} as {self.names[0]} varies",
                              points=([self.best], [self._smallest()]))  # fmt: skip
        return repr(self)

    def __repr__(self) -> str:
        size = " x ".join(str(n) for n in self.loss.shape)
        best = f"{self.best:g}" if len(self.names) == 1 else f"{self.best[0]:g}, {self.best[1]:g}"
        smallest = f"smallest {self.kind} {self._smallest():.6g} at {best}"
        return f"LossSweep({', '.join(self.names)}: {size} values, {smallest})"

    def _smallest(self) -> float:  # nan if no loss is a number
        return float(np.fmin.reduce(self.loss, axis=None))


def loss_sweep(
    net: Any, X: ArrayLike, y: ArrayLike, parameter: Any, values: Any, *, loss: str | None = None
) -> LossSweep:
    """The loss as one parameter takes each of some values, or as two take every pair: the land that training walks.

    Computed in float64; the network is not changed.

    Parameters
    ----------
    net : Network
    X, y : array_like
        As for `Network.evaluate`.
    parameter : str or int, or a pair of these
        Name such as ``"W1[0, 0]"`` or ``"layers[0].weight[0, 0]"``, or index into `net.parameters`. A pair gives a
        surface.
    values : array_like, or a pair of these
        What to set it to.
    loss : str, optional
        By default the one that follows from the output.

    Returns
    -------
    LossSweep
        `.values`, `.loss`, `.best`; `.plot()`; prints as a curve of characters, where it is of one parameter.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([1, nn.Dense(1, bias=False, init=2.0)])
    >>> sweep = loss_sweep(net, [0, 1, 2, 3, 4], [0, 4, 8, 12, 16], "W1[0, 0]", [2, 3, 4, 5], loss="sse")
    >>> sweep.loss.tolist(), sweep.best
    ([120.0, 30.0, 0.0, 30.0], 4.0)
    """
    pair = isinstance(parameter, (tuple, list))
    wanted = list(parameter) if pair else [parameter]
    axes = [_axis(axis) for axis in (values if pair else [values])]
    if len(wanted) not in (1, 2) or len(wanted) != len(axes):
        raise ValueError("loss_sweep varies one parameter over values, or a pair of them over a pair of values; got "
                         f"{len(wanted)} and {len(axes)}")  # fmt: skip
    checks.require_network(net)
    places = [index_of(net, name) for name in wanted]
    if len(set(places)) != len(places):
        raise ValueError("loss_sweep over a pair needs two different parameters, got one twice")
    at = LossAt(net, X, y, loss)
    start, there = tuple(float(at.parameters[i]) for i in places), at()
    result = np.empty([len(axis) for axis in axes])
    for where in np.ndindex(*result.shape):
        for place, axis, i in zip(places, axes, where, strict=True):
            at.parameters[place] = axis[i]
        result[where] = at()
    return LossSweep([name_of(net, i, short=True) for i in places], axes, result, start, there, at.loss)


class RandomSearch:
    """What guessing found.

    Attributes
    ----------
    loss : float
        The smallest; `parameters` (P,) is where.
    trials : int
        Guesses made.
    improvements : list of (int, float)
        Each guess (counted from 1) that was better than all before it, and its loss.
    seconds : float
    """

    def __init__(self, parameters: NDArray[Any], improvements: list[tuple[int, float]], trials: int,
                 seconds: float) -> None:  # fmt: skip
        self.parameters, self.improvements, self.trials, self.seconds = parameters, improvements, trials, seconds
        self.loss = improvements[-1][1] if improvements else float("inf")

    def __repr__(self) -> str:
        at = f"{self.improvements[-1][0]:,}" if self.improvements else "none"
        return f"RandomSearch({self.trials:,} trials, smallest loss {self.loss:.6g} at trial {at})"


def random_search(
    net: Any,
    X: ArrayLike,
    y: ArrayLike,
    low: float = -100.0,
    high: float = 100.0,
    trials: int = 1000,
    seed: int | None = 0,
    *,
    loss: str | None = None,
    stop_loss: float | None = None,
) -> RandomSearch:
    """Guess every parameter at random, again and again, and keep the best guess.

    It needs no derivative, and is hopeless: to come as close in each of P parameters as in one takes the P-th power of
    the guesses. The network is not changed; ``net.parameters[:] = found.parameters`` takes the guess.

    Parameters
    ----------
    net : Network
    X, y : array_like
        As for `Network.evaluate`.
    low, high : float
        Between what to guess, uniformly.
    trials : int, default 1000
        Guesses, at most.
    seed : int, default 0
        The same seed gives the same guesses; None new ones each time.
    loss : str, optional
        By default the one that follows from the output.
    stop_loss : float, optional
        Stop at the first guess whose loss is at or below this.

    Returns
    -------
    RandomSearch
        `.loss`, `.parameters`, `.improvements`, `.trials`.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([1, nn.Dense(1, bias=False, init=2.0)])
    >>> found = random_search(net, [0, 1, 2, 3, 4], [0, 4, 8, 12, 16], trials=2000, loss="sse")
    >>> found.loss < 1, abs(float(found.parameters[0]) - 4) < 0.2
    (True, True)
    """
    low, high = checks.number("low", low), checks.number("high", high)
    if low >= high:
        raise ValueError(f"low must be below high, got {low:g} and {high:g}")
    if not np.isfinite(high - low):
        raise ValueError(f"low and high are too far apart for float64: {low:g} and {high:g}")
    trials = checks.positive_int("trials", trials)
    goal = -np.inf if stop_loss is None else checks.number("stop_loss", stop_loss)
    at = LossAt(net, X, y, loss)
    rng = initializers.generator(seed)
    parameters, best = at.parameters.copy(), np.inf
    improvements: list[tuple[int, float]] = []
    began = perf_counter()
    for trial in range(1, trials + 1):
        found = at(rng.uniform(low, high, at.parameters.size))
        if found < best:
            best = found
            parameters[:] = at.parameters
            improvements.append((trial, found))
            if found <= goal:
                break
    return RandomSearch(parameters, improvements, trial, perf_counter() - began)


def _axis(values: Any) -> NDArray[Any]:
    array = checks.numeric(values, "values").astype(np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError("values must be one or more finite numbers in one dimension, "
                         f"got shape {array.shape}; a surface takes a pair of them")  # fmt: skip
    return array
