"""Metrics: what `evaluate` tells besides the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray


def accuracy(answer: NDArray[Any], target: NDArray[Any]) -> float:
    """The part of samples whose largest output is the target's class; one column per class, or for columns that are yes/no
    answers of their own (sigmoid), see `binary_accuracy`.

    Parameters
    ----------
    answer : ndarray
        (n, classes).
    target : ndarray
        Labels (n,), or one row per sample (n, classes).
    """
    labels = target if target.ndim == 1 else target.argmax(axis=1)
    return float(np.mean(answer.argmax(axis=1) == labels))


def binary_accuracy(answer: NDArray[Any], target: NDArray[Any]) -> float:
    """The part of all outputs that is on the target's side of one half."""
    return float(np.mean((answer > 0.5) == (target > 0.5)))


def r2(answer: NDArray[Any], target: NDArray[Any]) -> float:
    """Coefficient of determination, 1 - sum (y - t)^2 / sum (t - mean t)^2, averaged over outputs; nan where those of
    an output are constant."""
    if (target == target[0]).all(axis=0).any():
        return float("nan")
    answer, target = answer.astype(np.float64), target.astype(np.float64)
    with np.errstate(all="ignore"):
        residual = ((answer - target) ** 2).sum(axis=0)
        spread = ((target - target.mean(axis=0)) ** 2).sum(axis=0)
        return float(np.mean(1 - residual / spread))


def for_output(activation: str, answer: NDArray[Any], target: NDArray[Any]) -> dict[str, float]:
    """The metrics that fit an output's activation, by name. As the core's rows say it: an activation that a loss is linked
    with gives probabilities, of classes if it couples its columns, else of a yes in each column.
    """
    if all(loss.link != activation for loss in _kernels.losses().values()):
        return {"r2": r2(answer, target)}
    hits = accuracy if _kernels.activations()[activation].rowwise else binary_accuracy
    return {"accuracy": hits(answer, target)}
