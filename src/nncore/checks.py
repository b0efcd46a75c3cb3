"""Checks and conversions at the border: inputs, and arrays for answers.

Whatever comes from outside is checked once, before anything is touched; what stands behind it trusts its arguments. A
message says what was expected, what was got and, where it helps, what to do. A wrong kind of thing is a TypeError, a
wrong value or shape a ValueError. Targets are checked in targets.py, what they have in common with inputs in arrays.py,
names and numbers in values.py; all are handed out here too, so that ``checks`` is the one name that other files need.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np

from . import _kernels
from .arrays import convert, numeric, require_finite, require_unmasked, within
from .targets import as_targets, as_weights
from .values import (
    choice,
    flag,
    fraction,
    known_parameters,
    non_negative,
    number,
    positive,
    positive_int,
    rather,
    short,
    type_name,
    unknown,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "as_inputs",
    "as_targets",
    "as_weights",
    "choice",
    "convert",
    "flag",
    "fraction",
    "known_parameters",
    "non_negative",
    "number",
    "numeric",
    "out_or_new",
    "positive",
    "positive_int",
    "rather",
    "require_finite",
    "require_network",
    "require_out",
    "require_unmasked",
    "short",
    "team",
    "type_name",
    "unknown",
    "within",
]


def as_inputs(
    X: ArrayLike,
    columns: int,
    dtype: DTypeLike,
    name: str = "X",
    finite: bool = True,
    targets: ArrayLike | None = None,
    least: int = 1,
) -> tuple[np.ndarray, bool]:
    """Samples as the loops want them: a 2-D, C-contiguous, aligned array of the network's type.

    Anything array-like is taken: lists, arrays of any integer, boolean or floating type, strided, read-only or
    byte-swapped, frames that offer ``__array__``. It is converted at most once and not copied when it is already right;
    the result may therefore be, and be as read-only as, what was given.

    Parameters
    ----------
    X : array_like
        (n, columns), or one sample (columns,). For a network of one input a 1-D X of any length other than 1 is that
        many samples; a plain number, or a 1-D X of length 1, is one sample.
    columns : int
        What the network takes: its number of inputs.
    dtype : dtype_like
        float32 or float64.
    name : str, default "X"
        What to call it in messages.
    finite : bool, default True
        Refuse nan and inf. False skips that pass over the data.
    targets : array_like, optional
        What was given as their targets: a message about the shape asks whether the two are swapped where they seem to be.
    least : {1, 0}
        0 takes (0, columns) as well: no samples.

    Returns
    -------
    array : ndarray
        (n, columns), n >= least.
    was_1d : bool
        Whether one sample was given without its axis of samples, so that the answer should have none either.

    Raises
    ------
    TypeError
        Text, objects, dates, complex numbers, sparse or masked arrays.
    ValueError
        Wrong shape, no samples, rows of different lengths; nan or inf, with the first offending row and column.

    Examples
    --------
    >>> as_inputs([[1, 2], [3, 4]], 2, "float32")
    (array([[1., 2.],
           [3., 4.]], dtype=float32), False)
    >>> as_inputs([1, 2], 2, "float32")[1]
    True
    """
    source = numeric(X, name)
    was_1d = False
    if source.ndim == 2:
        array = source
    elif source.ndim == 1 and columns == 1:
        array, was_1d = source.reshape(-1, 1), source.shape[0] == 1
    elif source.ndim == 1 and source.shape[0] == columns:
        array, was_1d = source.reshape(1, columns), True
    elif source.ndim == 0 and columns == 1:
        array, was_1d = source.reshape(1, 1), True
    else:
        raise ValueError(_wrong_columns(source.shape, columns, name, targets))
    if array.shape[0] < least:
        raise ValueError(f"{name} is empty: its shape is {source.shape}; at least one sample is needed")
    if array.shape[1] != columns:
        raise ValueError(_wrong_columns(source.shape, columns, name, targets))
    result = convert(array, np.dtype(dtype))
    if finite:
        require_finite(result, name, array)
    return result, was_1d


def _wrong_columns(shape: tuple[int, ...], columns: int, name: str, targets: ArrayLike | None) -> str:
    plural = "input" if columns == 1 else "inputs"
    expected = f"the network takes {columns} {plural}: shape (n, {columns}), or ({columns},) for one sample"
    hint = ""
    if len(shape) > 2 and math.prod(shape[1:]) == columns:
        hint = f"; flatten each sample with {name}.reshape(len({name}), -1)"
    elif len(shape) == 2 and shape[0] == columns:
        hint = f"; samples are rows, so {name}.T may be what you mean"
    else:
        with contextlib.suppress(ValueError):  # rows of different lengths
            fits = targets is not None and np.asarray(targets).shape[1:] == (columns,)
            hint = f"; are {name} and its targets swapped?" if fits else ""
    return f"{name} has shape {shape}, but {expected}{hint}"


def require_out(out: object, shape: tuple[int, ...], dtype: DTypeLike, name: str = "out") -> None:
    """Raise unless `out` is an array that an answer of this shape and type can be written into as it lies.

    Raises
    ------
    TypeError
        Not an ndarray, or another dtype; a masked array whose mask would hide a part of the answer.
    ValueError
        Another shape, not C-contiguous, not aligned, or read-only.
    """
    if (isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == shape and out.flags.carray
            and (type(out) is np.ndarray or not np.ma.is_masked(out))):  # fmt: skip
        return
    expected = f"np.empty({shape}, np.{np.dtype(dtype)})"
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be an ndarray such as {expected}, got {short(out)}")
    if np.ma.is_masked(out):
        raise TypeError(f"{name} is a masked array whose mask would hide a part of the answer: use {expected}")
    if out.dtype != dtype:
        raise TypeError(f"{name} has dtype {out.dtype}, the network is {np.dtype(dtype)}: use {expected}")
    if out.shape != shape:
        raise ValueError(f"{name} has shape {out.shape}, the answer has {shape}: use {expected}")
    if not out.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous: use {expected}")
    if not out.flags.aligned:
        raise ValueError(f"{name} is not aligned in memory: use {expected}")
    raise ValueError(f"{name} is read-only: use {expected}")


def out_or_new(
    out: np.ndarray | None, shape: tuple[int, ...], dtype: DTypeLike, x: np.ndarray | None = None
) -> np.ndarray:
    """Where an answer goes: `out` if it is given and fits (see `require_out`), or else a new array. It may not share memory with
    the input `x`, but take its place row for row."""
    if out is None:
        return np.empty(shape, dtype)
    require_out(out, shape, dtype)
    if x is not None and np.may_share_memory(x, out):
        rows = out.reshape(-1, out.shape[-1])
        if (x.ctypes.data, x.shape[0], x.strides) != (rows.ctypes.data, rows.shape[0], rows.strides):
            raise ValueError("the input and out share memory: give out memory of its own")
    return out


def team(threads: object) -> int:
    """What a `threads` argument asks for: 0, by the work, where it is None; no more than a team holds."""
    return 0 if threads is None else min(positive_int("threads", threads), _kernels.MOST_THREADS)


def require_network(net: object) -> None:
    """Raise TypeError for what is no network. Known by what the others need of one, which stand below it."""
    if not hasattr(net, "_core_layers"):
        raise TypeError(f"net must be a Network, got {short(net)}")
