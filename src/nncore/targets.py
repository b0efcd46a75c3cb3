"""Targets at the border: labels of classes, or a row of numbers per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _kernels
from .arrays import convert, numeric, require_finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

_ACTIVATIONS = _kernels.activations()  # read once: as_targets stands in the path of every online step
_LOSSES = _kernels.losses()
_ROUNDING = 0.01  # that the sum of a row of probabilities may be off by
_MAKE_CLASSES = "; for class labels make the network with output='softmax'"


def as_targets(
    y: ArrayLike, outputs: int, rows: int, activation: str, loss: str, dtype: DTypeLike, name: str = "y"
) -> np.ndarray:
    """Targets as the loops want them: class labels, or one row of numbers per sample.

    Parameters
    ----------
    y : array_like
        - Output that couples its columns (softmax), so that they are classes: labels 0..outputs-1 as (rows,) or
          (rows, 1), integers or floats that are whole; or one-hot or soft labels, (rows, outputs), each 0..1; with
          cross_entropy each row sums to 1.
        - Any other output: (rows, outputs); for one output also (rows,).
        - For one sample (rows == 1) its axis may be left out: a label, or (outputs,).
    outputs : int
        The network's outputs.
    rows : int
        Samples in X.
    activation, loss : str
        Names of the output's activation and of the loss.
    dtype : dtype_like
        float32 or float64.
    name : str, default "y"
        What to call it in messages.

    Returns
    -------
    ndarray
        int32 labels (rows,), only for the loss that is fused with that activation (cross_entropy); otherwise, labels
        spread to one-hot, (rows, outputs) of `dtype`. C-contiguous; not a copy where none was needed.

    Raises
    ------
    TypeError
        Text, objects, dates, complex numbers, sparse or masked arrays.
    ValueError
        Another number of rows than X, wrong columns, nan or inf, a label outside the range or not whole, a target of an
        entropy loss outside 0..1, a row of them for softmax that does not sum to 1; with the first offending position.

    Examples
    --------
    >>> as_targets([0, 2, 1], 3, 3, "softmax", "cross_entropy", "float32")
    array([0, 2, 1], dtype=int32)
    >>> as_targets([0.5, 1.5], 1, 2, "identity", "mse", "float32")
    array([[0.5],
           [1.5]], dtype=float32)
    """
    source = numeric(y, name, text_hint=f"number the classes: np.unique({name}, return_inverse=True)[1]")
    classes = _ACTIVATIONS[activation].rowwise and outputs > 1
    link = _LOSSES[loss].link
    if classes and _holds_labels(source, outputs, rows):
        labels = _labels(source.reshape(-1), outputs, rows, name)
        return labels if link == activation else _one_hot(labels, outputs, np.dtype(dtype))

    array = source
    if source.ndim == 0 and rows == 1 and outputs == 1:
        array = source.reshape(1, 1)
    elif source.ndim == 1 and outputs == 1:
        array = source.reshape(-1, 1)
    elif source.ndim == 1 and rows == 1 and source.shape[0] == outputs:
        array = source.reshape(1, outputs)
    if array.ndim != 2 or array.shape[1] != outputs:
        hint = "" if classes or not _like_labels(source, outputs, rows) else _MAKE_CLASSES
        raise ValueError(_wrong_targets(source.shape, outputs, rows, bool(classes), name) + hint)
    if array.shape[0] != rows:
        raise ValueError(_wrong_rows(source.shape, array.shape[0], rows, name))
    result = convert(array, np.dtype(dtype))
    given = result if array is source else result.reshape(source.shape)  # messages name the places of what was given
    require_finite(given, name, source)
    if link is not None:
        # Both linked losses are entropies, whose targets are probabilities.
        _require_unit(given, loss, name)
        if classes:
            _require_sums(result, name)
    return result


def as_weights(sample_weight: ArrayLike | None, rows: int, name: str = "sample_weight") -> np.ndarray | None:
    """What each sample counts, as the loops want it: float64 (rows,), or None where all count the same.

    Raises
    ------
    TypeError
        Not an array of numbers.
    ValueError
        Another number than X has samples; nan, inf or below 0, with the first offending position.

    Examples
    --------
    >>> as_weights([1, 0.5], 2)
    array([1. , 0.5])
    """
    if sample_weight is None:
        return None
    source = numeric(sample_weight, name)
    array = source.reshape(1) if source.ndim == 0 and rows == 1 else source
    if array.shape != (rows,):
        raise ValueError(f"{name} has shape {source.shape}, but {rows} sample{'s' * (rows != 1)} need shape ({rows},)")
    result = convert(array, np.dtype(np.float64))
    require_finite(result, name, array)
    if result.min() < 0:
        at = int(result.argmin())
        raise ValueError(f"{name}[{at}] is {result[at]:g}: no sample can count for less than nothing")
    return result


def _holds_labels(source: np.ndarray, outputs: int, rows: int) -> bool:
    if source.ndim == 1:
        return not (rows == 1 and source.shape[0] == outputs)
    return (source.ndim == 0 and rows == 1) or (source.ndim == 2 and source.shape[1] == 1)


def _like_labels(source: np.ndarray, outputs: int, rows: int) -> bool:
    right = (source >= 0) & (source < outputs) & (source == np.rint(source))
    return outputs > 1 and source.size == rows and bool(right.all())


def _labels(source: np.ndarray, outputs: int, rows: int, name: str) -> np.ndarray:
    if source.shape[0] != rows:
        raise ValueError(_wrong_rows(source.shape, source.shape[0], rows, name))
    if source.dtype.kind == "f":
        require_finite(np.ascontiguousarray(source), name)
        whole = source == np.rint(source)
        if not whole.all():
            at = int(whole.argmin())
            raise ValueError(
                f"{name}[{at}] is {source[at]}: labels must be whole numbers from 0 to {outputs - 1}; "
                f"for one row of probabilities per sample give shape ({rows}, {outputs})"
            )
    inside = (source >= 0) & (source < outputs) if source.dtype.kind != "b" else np.ones(rows, bool)
    if not inside.all():
        at = int(inside.argmin())
        low, high = source.min(), source.max()
        hint = f"; they start at 1, so use {name} - 1" if low == 1 and high == outputs else ""
        raise ValueError(
            f"{name}[{at}] is {source[at]}: labels must be from 0 to {outputs - 1} for {outputs} outputs{hint}"
        )
    return np.ascontiguousarray(source, dtype=np.int32)


def _one_hot(labels: np.ndarray, outputs: int, dtype: np.dtype) -> np.ndarray:
    result = np.zeros((labels.shape[0], outputs), dtype)
    result[np.arange(labels.shape[0]), labels] = 1
    return result


def _require_unit(array: np.ndarray, loss: str, name: str) -> None:
    if array.min() >= 0 and array.max() <= 1:
        return
    where = np.unravel_index(int(((array < 0) | (array > 1)).argmax()), array.shape)
    spot = f"{name}[{', '.join(map(str, where))}]" if where else name
    hint = ""
    if bool((np.abs(array) == 1).all()):
        hint = f"; for labels of -1 and 1 give ({name} + 1) / 2"
    elif bool(((array == 1) | (array == 2)).all()):
        hint = f"; for labels of 1 and 2 give {name} - 1"
    raise ValueError(f"{spot} is {array[where]}: targets of {loss} are probabilities and must be from 0 to 1{hint}")


def _require_sums(array: np.ndarray, name: str) -> None:
    """Rows of probabilities of classes add up to 1, as far as a person or float16 rounds them."""
    sums = array.sum(axis=1)
    wrong = np.abs(sums - 1) > _ROUNDING
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"{name}[{at}] sums to {sums[at]:.6g}: a row of targets for softmax holds the probabilities of the classes, and "
            "must sum to 1; where several classes may hold at once, make the network with output='sigmoid'"
        )


def _wrong_targets(shape: tuple[int, ...], outputs: int, rows: int, classes: bool, name: str) -> str:
    if classes:
        expected = f"labels of shape ({rows},) or rows of shape ({rows}, {outputs})"
    elif outputs == 1:
        expected = f"shape ({rows},) or ({rows}, 1)"
    else:
        expected = f"shape ({rows}, {outputs})"
    have = f"{rows} sample{'s' * (rows != 1)} and {outputs} output{'s' * (outputs != 1)}"
    return f"{name} has shape {shape}, but {have} need {expected}"


def _wrong_rows(shape: tuple[int, ...], got: int, rows: int, name: str) -> str:
    if got == 0:
        return f"{name} is empty: its shape is {shape}, but X has {rows} samples"
    return f"{name} has {got} row{'s' * (got != 1)} (shape {shape}), but X has {rows}: one target per sample is needed"
