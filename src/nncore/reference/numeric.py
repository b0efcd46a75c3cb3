"""A gradient without backpropagation, by nudging one parameter after the other: what the rest is checked against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def numeric_gradient(function: Callable[[], float], parameters: Array, step: float = 1e-6) -> Array:
    """The gradient of `function` by central differences, (f(p + h) - f(p - h)) / 2h for one parameter after the other.

    Parameters
    ----------
    function : callable
        Takes nothing, returns a number; reads `parameters`.
    parameters : ndarray
        float64, any shape, contiguous; changed during the call and as before after it.
    step : float, default 1e-6
        h. The error is about h^2 from the formula and 1e-16/h from rounding.

    Returns
    -------
    ndarray
        Shape of `parameters`.

    Examples
    --------
    >>> p = np.array([3.0])
    >>> numeric_gradient(lambda: p[0] ** 2, p).round(6).tolist()
    [6.0]
    """
    flat = parameters.reshape(-1)
    result = np.empty_like(flat)
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + step
        above = function()
        flat[i] = kept - step
        below = function()
        flat[i] = kept
        result[i] = (above - below) / (2 * step)
    return result.reshape(parameters.shape)
