"""Validation: what `validation_data` of fit may be, a part of the samples or samples of their own."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import checks, initializers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import Network

# X, y and what each sample counts, as the loops want them
Samples: TypeAlias = "tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]"


def divide(given: Any, samples: Samples, net: Network, loss: str, seed: int) -> tuple[Samples, Samples | None]:
    """The samples to train on, and those to validate with.

    Parameters
    ----------
    given : (X, y), (X, y, sample_weight), float or None
        What `fit` was given as `validation_data`. A fraction is drawn from the samples by the seed.
    samples : Samples
        All that `fit` was given, checked.
    net : Network
    loss : str
        Its name, which says what targets may be.
    seed : int

    Raises
    ------
    ValueError, TypeError
        It is none of these, or does not fit the network.

    Examples
    --------
    >>> import nncore as nn
    >>> samples = np.zeros((10, 2)), np.zeros((10, 1)), None
    >>> rest, aside = divide(0.3, samples, nn.Network([2, 1]), "mse", 0)
    >>> len(rest[0]), len(aside[0])
    (7, 3)
    """
    if given is None:
        return samples, None
    if isinstance(given, Real) and not isinstance(given, bool):
        return _set_aside(given, samples, seed)
    try:
        X, y, *rest = given
        (sample_weight,) = rest or [None]
    except (TypeError, ValueError):
        raise ValueError(
            "validation_data must be a pair (X, y), (X, y, sample_weight), or a fraction such as 0.2"
        ) from None
    array, _ = checks.as_inputs(X, net.inputs, net.dtype, name="validation X")
    rows, activation = array.shape[0], net.layers[-1].activation
    target = checks.as_targets(y, net.outputs, rows, activation, loss, net.dtype, name="validation y")
    return samples, (array, target, checks.as_weights(sample_weight, rows, "validation sample_weight"))


def _set_aside(part: Any, samples: Samples, seed: int) -> tuple[Samples, Samples]:
    X, y, weights = samples
    n = X.shape[0]
    if not 0 < part < 1:
        raise ValueError(f"validation_data={part!r} must be a fraction between 0 and 1, or a pair (X, y)")
    count = round(n * float(part))  # of a float16, n times it may be infinite
    if not 0 < count < n:
        raise ValueError(f"validation_data={part!r} leaves no samples on one side: of {n} it sets aside {count}")
    order = initializers.permutation(initializers.generator(seed, initializers.CHOOSING), n)

    def some(index: NDArray[Any]) -> Samples:
        return X[index], y[index], None if weights is None else weights[index]

    return some(np.sort(order[count:])), some(np.sort(order[:count]))
