"""Metrics: what `evaluate` tells besides the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray


def accuracy(answer: NDArray[Any], target: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """The part of samples whose largest output is the target's class; one column per class, or for columns that are yes/no
    answers of their own (sigmoid), see `binary_accuracy`.

    Parameters
    ----------
    answer : ndarray
        (n, classes).
    target : ndarray
        Labels (n,), or one row per sample (n, classes).
    weights : ndarray, optional
        (n,), what each sample counts.
    """
    labels = target if target.ndim == 1 else target.argmax(axis=1)
    return _mean(answer.argmax(axis=1) == labels, weights)


def binary_accuracy(answer: NDArray[Any], target: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """The part of all outputs that is on the target's side of one half."""
    hits = (answer > 0.5) == (target > 0.5)
    return _mean(hits if weights is None else hits.mean(axis=1), weights)


def _mean(hits: NDArray[Any], weights: NDArray[Any] | None) -> float:
    if weights is None:
        return float(np.mean(hits))
    total = weights.sum()
    return float((hits * weights).sum() / total) if total > 0 else float("nan")


class R2:
    """Coefficient of determination, 1 - sum (y - t)^2 / sum (t - mean t)^2, averaged over outputs; nan where those of
    an output are constant.

    Parameters
    ----------
    target : ndarray
        (n, outputs).
    weights : ndarray, optional
        (n,), what each sample counts in the sums and in the mean.
    """

    def __init__(self, target: NDArray[Any], weights: NDArray[Any] | None = None) -> None:
        if weights is not None:
            target = target[weights > 0]
        self.constant = len(target) == 0 or bool((target == target[0]).all(axis=0).any())
        self.rows = slice(None) if weights is None else weights > 0
        self.weights = np.ones(len(target)) if weights is None else weights[self.rows]
        self.target = target.astype(np.float64)
        with np.errstate(all="ignore"):
            self.spread = self._squares(self.target - np.dot(self.weights, self.target) / self.weights.sum())

    def __call__(self, answer: NDArray[Any]) -> float:
        if self.constant:
            return float("nan")
        with np.errstate(all="ignore"):
            return float(1 - (self._squares(self.target - answer[self.rows]) / self.spread).mean())

    def _squares(self, error: NDArray[Any]) -> NDArray[Any]:
        return np.einsum("i,ij,ij->j", self.weights, error, error)


def for_output(
    activation: str, target: NDArray[Any], weights: NDArray[Any] | None = None
) -> Callable[[NDArray[Any]], dict[str, float]]:
    """The metrics that fit an output's activation, by name, of answers to the samples that have these targets and weights. As
    the core's rows say it: an activation that a loss is linked with gives probabilities, of classes if it couples its columns,
    else of a yes in each column.
    """
    if all(loss.link != activation for loss in _kernels.losses().values()):
        r2 = R2(target, weights)
        return lambda answer: {"r2": r2(answer)}
    hits = accuracy if _kernels.activations()[activation].rowwise else binary_accuracy
    return lambda answer: {"accuracy": hits(answer, target, weights)}
