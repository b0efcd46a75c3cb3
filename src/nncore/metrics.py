"""Metrics: what `evaluate` tells besides the loss."""

from __future__ import annotations

from collections.abc import Callable
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


class R2:
    """Coefficient of determination, 1 - sum (y - t)^2 / sum (t - mean t)^2, averaged over outputs; nan where those of
    an output are constant.

    Parameters
    ----------
    target : ndarray
        (n, outputs).
    """

    def __init__(self, target: NDArray[Any]) -> None:
        self.constant = bool((target == target[0]).all(axis=0).any())
        self.target = target.astype(np.float64)
        with np.errstate(all="ignore"):
            self.spread = ((self.target - self.target.mean(axis=0)) ** 2).sum(axis=0)

    def __call__(self, answer: NDArray[Any]) -> float:
        if self.constant:
            return float("nan")
        with np.errstate(all="ignore"):
            error = self.target - answer
            return float(1 - (np.einsum("ij,ij->j", error, error) / self.spread).mean())


def for_output(activation: str, target: NDArray[Any]) -> Callable[[NDArray[Any]], dict[str, float]]:
    """The metrics that fit an output's activation, by name, of answers to the samples that have these targets. As the core's
    rows say it: an activation that a loss is linked with gives probabilities, of classes if it couples its columns, else of a yes
    in each column.
    """
    if all(loss.link != activation for loss in _kernels.losses().values()):
        r2 = R2(target)
        return lambda answer: {"r2": r2(answer)}
    hits = accuracy if _kernels.activations()[activation].rowwise else binary_accuracy
    return lambda answer: {"accuracy": hits(answer, target)}
