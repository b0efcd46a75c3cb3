"""Gradients without backpropagation: by nudging each parameter both ways. Slow and simple, and so to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks, initializers
from .gradients import Gradients
from .loss_at import LossAt
from .parameter_names import name_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .tables import Table

_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
_SMALL = 0.01  # a gradient below this part of the largest one is compared with that part instead of itself


class NumericGradient(Gradients):
    """A gradient by central differences, and the losses that it was made from.

    Attributes
    ----------
    loss : float
        Where the parameters are.
    vector : ndarray
        (P,) float64, in the order of `Network.parameters`.
    layers : list of LayerGradient
        Views into `vector`, as `Network.gradients` gives them.
    forward : ndarray
        (P,) the loss with each parameter nudged up.
    backward : ndarray
        (P,) the loss with each parameter nudged down.
    eps : float
        How far they were nudged.
    """

    def __init__(self, net: Any, loss: float, forward: NDArray[Any], backward: NDArray[Any], vector: NDArray[Any],
                 eps: float) -> None:  # fmt: skip
        super().__init__(loss, vector, net.layers)
        self.forward, self.backward, self.eps = forward, backward, eps
        self._net = net

    def table(self) -> Table:
        """One row per parameter: its value, the loss on either side, the slope."""
        from .tables import Table

        values = self._net.parameters
        header = ["parameter", "value", f"loss at -{self.eps:g}", f"loss at +{self.eps:g}", "slope"]
        rows = (
            (name_of(self._net, i, short=True), values[i], self.backward[i], self.forward[i], self.vector[i])
            for i in range(values.size)
        )
        return Table(f"slopes by nudging each parameter by {self.eps:g}", header, list(rows))

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html()


def numeric_gradient(
    net: Any, X: ArrayLike, y: ArrayLike, eps: float = 1e-4, *, loss: str | None = None, show: bool = False
) -> NumericGradient:
    """The gradient by central differences, (loss(w + eps) - loss(w - eps)) / (2 eps), for every parameter w in turn.

    It asks for the loss twice per parameter, in float64 whatever the network's type; its error falls with eps squared.
    The network is not changed.

    Parameters
    ----------
    net : Network
    X, y : array_like
        As for `Network.evaluate`.
    eps : float, default 1e-4
        How far to nudge.
    loss : str, optional
        By default the one that follows from the output.
    show : bool, default False
        Print the table of losses and slopes.

    Returns
    -------
    NumericGradient
        `.vector` (P,), `.layers`, `.forward`, `.backward`; prints as a table.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([1, nn.Dense(1, bias=False, init=2.0)], dtype="float64")
    >>> slope = numeric_gradient(net, [0, 1, 2, 3, 4], [0, 4, 8, 12, 16], loss="sse", show=True)
    slopes by nudging each parameter by 0.0001
    parameter  value  loss at -0.0001  loss at +0.0001  slope
    W1[0, 0]       2          120.012          119.988   -120
    """
    eps = checks.positive("eps", eps)
    at = LossAt(net, X, y, loss)
    forward, backward, vector = _nudge(at, range(at.parameters.size), eps)
    result = NumericGradient(at.net, at(), forward, backward, vector, eps)
    if checks.flag("show", show):
        print(result)
    return result


class GradientCheck:
    """How backpropagation compares with nudging.

    Attributes
    ----------
    ok : bool
        Whether every parameter that was looked at agrees. The object itself is true or false likewise.
    worst : str
        Name of the parameter that agrees least, as "W1[0, 0]".
    error : float
        Its error, the distance of the two gradients relative to the larger one. Gradients below 1 % of the largest are
        measured against that 1 %.
    tolerance : float
        What error is allowed.
    disagreeing : int
        How many of those that were looked at have a larger error.
    checked : int
        How many parameters were looked at.
    parameters : int
        How many there are.
    indices : ndarray
        (checked,) which parameters.
    backpropagation : ndarray
        (checked,) their gradient by backpropagation.
    numeric : ndarray
        (checked,) their gradient by nudging.
    errors : ndarray
        (checked,) the error of each.
    """

    def __init__(self, net: Any, indices: NDArray[Any], backpropagation: NDArray[Any], numeric: NDArray[Any],
                 errors: NDArray[Any], tolerance: float) -> None:  # fmt: skip
        at = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
        self.indices, self.backpropagation, self.numeric = indices, backpropagation, numeric
        self.errors, self.tolerance = errors, tolerance
        self.error = float(errors[at])
        self.disagreeing = int(np.count_nonzero(~(errors <= tolerance)))  # nan too
        self.ok = self.disagreeing == 0
        self.worst = name_of(net, int(indices[at]), short=True)
        self.checked, self.parameters = len(indices), int(net.parameters.size)
        self._at = at

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        word = "agree on" if self.ok else f"DISAGREE on {self.disagreeing:,} of"
        if self.checked == self.parameters == 1:
            which = "the only parameter" if self.ok else "1 parameter"
        else:
            which = f"{'all' if self.ok else 'the'} {self.checked:,} parameters"
        tried = "" if self.checked == self.parameters else f" that were tried, of {self.parameters:,}"
        return (
            f"GradientCheck: backpropagation and nudging\n  {word} {which}{tried};\n"
            f"  worst {self.worst}: {self.backpropagation[self._at]:.6g} and {self.numeric[self._at]:.6g}, "
            f"error {self.error:.1e}, allowed {self.tolerance:.0e}"
        )


def check_gradient(
    net: Any,
    X: ArrayLike,
    y: ArrayLike,
    eps: float = 1e-4,
    *,
    loss: str | None = None,
    most: int = 1000,
    seed: int = 0,
    tolerance: float | None = None,
) -> GradientCheck:
    """Compare the gradient by backpropagation with the one by nudging, and name the worst parameter.

    Parameters
    ----------
    net : Network
        Not changed. Backpropagation runs in its own type, nudging in float64.
    X, y : array_like
        As for `Network.evaluate`.
    eps : float, default 1e-4
        How far to nudge. Where that disagrees, smaller nudges are tried too, and then nudges to one side only: that a
        sample lies on the corner of a relu, or within eps of it, is no fault of the gradient.
    loss : str, optional
        By default the one that follows from the output.
    most : int, default 1000
        Of a network with more parameters so many are picked at random.
    seed : int, default 0
        Of that choice.
    tolerance : float, optional
        Allowed relative error: by default 1e-6 in float64 and 1e-3 in float32.

    Returns
    -------
    GradientCheck
        True if all agree; `.worst`, `.error`.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([4, 8, 3], hidden="tanh", output="softmax", seed=0)
    >>> X = nn.datasets.load_digits()[0][:20, 20:24]
    >>> bool(check_gradient(net, X, [0, 1] * 10))
    True
    """
    eps = checks.positive("eps", eps)
    most = checks.positive_int("most", most)
    checks.require_network(net)
    allowed = _TOLERANCE[net.dtype.name] if tolerance is None else checks.positive("tolerance", tolerance)
    count = net.parameters.size
    indices = np.arange(count)
    if count > most:
        indices = np.sort(initializers.permutation(initializers.generator(seed), count)[:most])
    given = net.gradients(X, y, loss=loss).vector.astype(np.float64)
    largest = float(np.max(np.abs(given), initial=0, where=np.isfinite(given)))
    given = given[indices]
    at = LossAt(net, X, y, loss)
    numeric = _nudge(at, indices, eps)[2]
    errors = _errors(given, numeric, largest)
    for smaller, side in (eps / 10, 0), (eps / 100, 0), (eps / 10, 1), (eps / 10, -1), (eps / 100, 1), (eps / 100, -1):
        bad = np.flatnonzero(errors > allowed)
        if bad.size == 0:
            break
        again = _one_sided(at, indices[bad], side * smaller) if side else _nudge(at, indices[bad], smaller)[2]
        better = _errors(given[bad], again, largest)
        won = better < errors[bad]
        numeric[bad[won]], errors[bad[won]] = again[won], better[won]
    return GradientCheck(net, indices, given, numeric, errors, allowed)


def _nudge(
    at: LossAt, indices: Sequence[int] | NDArray[Any], eps: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Losses with each parameter up and down, and the slopes; the parameters end as they were."""
    forward, backward, slope = (np.empty(len(indices)) for _ in range(3))
    p = at.parameters
    for i, index in enumerate(indices):
        value = p[index]
        high, low = value + eps, value - eps
        p[index] = high
        forward[i] = at()
        p[index] = low
        backward[i] = at()
        p[index] = value
        slope[i] = (forward[i] - backward[i]) / (high - low)
    return forward, backward, slope


def _one_sided(at: LossAt, indices: Sequence[int] | NDArray[Any], eps: float) -> NDArray[Any]:
    """Slopes from the loss here, at eps and at 2 eps, which has the sign of the side; the parameters end as they were."""
    slope = np.empty(len(indices))
    p, here = at.parameters, at()
    for i, index in enumerate(indices):
        value = p[index]
        near, far = value + eps, value + 2 * eps
        p[index] = near
        one = at()
        p[index] = far
        two = at()
        p[index] = value
        slope[i] = (4 * one - 3 * here - two) / (far - value)
    return slope


def _errors(given: NDArray[Any], numeric: NDArray[Any], largest: float) -> NDArray[Any]:
    scale = np.maximum(np.maximum(np.abs(given), np.abs(numeric)), max(_SMALL * largest, 1e-12))
    with np.errstate(invalid="ignore"):  # an infinite gradient has no error that is a number
        return np.asarray(np.abs(given - numeric) / scale)
