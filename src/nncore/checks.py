"""Checks and conversions at the border: arrays of inputs and targets.

Whatever comes from outside is checked once, before anything is touched; what stands behind it trusts its arguments. A
message says what was expected, what was got and, where it helps, what to do. A wrong kind of thing is a TypeError, a
wrong value or shape a ValueError. The checks of names and numbers are in values.py and handed out here too, so that
``checks`` is the one name that other files need.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels
from .values import choice, flag, fraction, non_negative, number, positive, positive_int, short, type_name, unknown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "as_inputs",
    "as_targets",
    "choice",
    "convert",
    "flag",
    "fraction",
    "non_negative",
    "number",
    "numeric",
    "out_or_new",
    "positive",
    "positive_int",
    "require_finite",
    "require_network",
    "require_out",
    "short",
    "type_name",
    "unknown",
]

_CHUNK = 8192  # elements per pass of the finite check: fits the first cache, and BLAS keeps to one thread on it
_ACTIVATIONS = _kernels.activations()  # read once: as_targets stands in the path of every online step
_LOSSES = _kernels.losses()


# ---- arrays of inputs ------------------------------------------------------------------------------------------------


def as_inputs(
    X: ArrayLike, columns: int, dtype: DTypeLike, name: str = "X", finite: bool = True
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

    Returns
    -------
    array : ndarray
        (n, columns), n >= 1.
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
        raise ValueError(_wrong_columns(source.shape, columns, name))
    if array.shape[0] == 0:
        raise ValueError(f"{name} is empty: its shape is {source.shape}; at least one sample is needed")
    if array.shape[1] != columns:
        raise ValueError(_wrong_columns(source.shape, columns, name))
    result = convert(array, np.dtype(dtype))
    if finite:
        require_finite(result, name, array)
    return result, was_1d


def require_finite(array: np.ndarray, name: str, source: np.ndarray | None = None) -> None:
    """Raise ValueError with the first offending position if `array` holds nan or inf.

    Parameters
    ----------
    array : ndarray
        (n, columns), C-contiguous, floating.
    name : str
        What to call it in the message.
    source : ndarray, optional
        What it was converted from, in the same shape: tells an infinity that was given from a number that is too large
        for the type.

    Notes
    -----
    The sum of the squares of a chunk is finite only if every element is; where it is not, a closer look decides,
    because large numbers overflow it too. That costs less than half of ``np.isfinite(array).all()`` on one sample.
    vdot, unlike dot, says nothing about the overflow.

    Examples
    --------
    >>> require_finite(np.array([[0.0, 1.0], [np.nan, 2.0]]), "X")
    Traceback (most recent call last):
    ...
    ValueError: X[1, 0] is nan: only finite numbers can be used
    """
    flat = array.reshape(-1)
    for start in range(0, flat.shape[0], _CHUNK):
        chunk = flat[start : start + _CHUNK]
        if math.isfinite(np.vdot(chunk, chunk)):
            continue
        good = np.isfinite(chunk)
        if not good.all():
            where = np.unravel_index(start + int(good.argmin()), array.shape)
            raise ValueError(_not_finite(array, source, name, tuple(int(i) for i in where)))


def _not_finite(array: np.ndarray, source: np.ndarray | None, name: str, where: tuple[int, ...]) -> str:
    spot = f"{name}[{', '.join(map(str, where))}]"
    if source is not None and np.isfinite(source[where]):
        return f"{spot} is {source[where]}: too large for {array.dtype}; rescale it, or use a float64 network"
    return f"{spot} is {array[where]}: only finite numbers can be used"


def _wrong_columns(shape: tuple[int, ...], columns: int, name: str) -> str:
    plural = "input" if columns == 1 else "inputs"
    expected = f"the network takes {columns} {plural}: shape (n, {columns}), or ({columns},) for one sample"
    hint = ""
    if len(shape) > 2 and math.prod(shape[1:]) == columns:
        hint = f"; flatten each sample with {name}.reshape(len({name}), -1)"
    elif len(shape) == 2 and shape[0] == columns:
        hint = f"; samples are rows, so {name}.T may be what you mean"
    return f"{name} has shape {shape}, but {expected}{hint}"


def require_out(out: object, shape: tuple[int, ...], dtype: DTypeLike, name: str = "out") -> None:
    """Raise unless `out` is an array that an answer of this shape and type can be written into as it lies.

    Raises
    ------
    TypeError
        Not an ndarray, or another dtype.
    ValueError
        Another shape, not C-contiguous, or read-only.
    """
    if (isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == shape and out.flags.c_contiguous
            and out.flags.writeable):  # fmt: skip
        return
    expected = f"np.empty({shape}, np.{np.dtype(dtype)})"
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be an ndarray such as {expected}, got {short(out)}")
    if out.dtype != dtype:
        raise TypeError(f"{name} has dtype {out.dtype}, the network is {np.dtype(dtype)}: use {expected}")
    if out.shape != shape:
        raise ValueError(f"{name} has shape {out.shape}, the answer has {shape}: use {expected}")
    if not out.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous: use {expected}")
    raise ValueError(f"{name} is read-only: use {expected}")


def out_or_new(out: np.ndarray | None, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Where an answer goes: `out` if it is given and fits (see `require_out`), or else a new array."""
    if out is None:
        return np.empty(shape, dtype)
    require_out(out, shape, dtype)
    return out


# ---- arrays of targets -----------------------------------------------------------------------------------------------


def as_targets(
    y: ArrayLike, outputs: int, rows: int, activation: str, loss: str, dtype: DTypeLike, name: str = "y"
) -> np.ndarray:
    """Targets as the loops want them: class labels, or one row of numbers per sample.

    Parameters
    ----------
    y : array_like
        - Output that couples its columns (softmax), so that they are classes: labels 0..outputs-1 as (rows,) or
          (rows, 1), integers or floats that are whole; or one-hot or soft labels, (rows, outputs), each 0..1.
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
        entropy loss outside 0..1; with the first offending position.

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
        raise ValueError(_wrong_targets(source.shape, outputs, rows, bool(classes), name))
    if array.shape[0] != rows:
        raise ValueError(_wrong_rows(source.shape, array.shape[0], rows, name))
    result = convert(array, np.dtype(dtype))
    require_finite(result, name, array)
    if link is not None:
        # Both linked losses are entropies, whose targets are probabilities.
        _require_unit(result, loss, name)
    return result


def _holds_labels(source: np.ndarray, outputs: int, rows: int) -> bool:
    if source.ndim == 1:
        return not (rows == 1 and source.shape[0] == outputs)
    return (source.ndim == 0 and rows == 1) or (source.ndim == 2 and source.shape[1] == 1)


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
    bad = int(((array < 0) | (array > 1)).argmax())
    row, column = divmod(bad, array.shape[1])
    raise ValueError(
        f"{name}[{row}, {column}] is {array[row, column]}: targets of {loss} are probabilities and must be from 0 to 1"
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
    return f"{name} has {got} rows (shape {shape}), but X has {rows}: one target per sample is needed"


def require_network(net: object) -> None:
    """Raise TypeError for what is no network. Known by what the others need of one, which stand below it."""
    if not hasattr(net, "_core_layers"):
        raise TypeError(f"net must be a Network, got {short(net)}")


# ---- common to both --------------------------------------------------------------------------------------------------


def numeric(value: ArrayLike, name: str, text_hint: str = "turn it into numbers first") -> np.ndarray:
    """`value` as an array of booleans, integers or floats, of any layout; no copy of an array."""
    array = value if type(value) is np.ndarray else _array_of(value, name)
    kind = array.dtype.kind
    if kind in "fiub":
        return array
    if kind in "US":
        raise TypeError(f"{name} holds text (dtype {array.dtype}): {text_hint}")
    if kind == "c":
        raise TypeError(f"{name} holds complex numbers (dtype {array.dtype}): give real and imaginary parts apart")
    if kind == "O":
        if all(isinstance(item, numbers.Real) for item in array.flat):
            return _floats(array, name)
        raise TypeError(_objects(array, name, text_hint))
    raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")


def _array_of(value: Any, name: str) -> np.ndarray:
    if value is None:
        raise TypeError(f"{name} must be an array of numbers, got None")
    if hasattr(value, "toarray") and not hasattr(value, "__array__"):
        raise TypeError(f"{name} is a sparse matrix of shape {getattr(value, 'shape', '?')}: use {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{name} is a masked array with masked entries: fill them first, as with {name}.filled(0)")
    try:
        return np.asarray(value)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            raise ValueError(f"{name} cannot be read as an array: its rows differ in length{_uneven(value)}") from None
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    except Exception as error:
        raise TypeError(f"{name} cannot be read as an array of numbers: {error}") from error


def _floats(array: np.ndarray, name: str) -> np.ndarray:
    # of numbers that are Python objects, as in a frame whose columns are integers that may be missing
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} holds a whole number that is too large for float64") from None


def _uneven(rows: Any) -> str:
    sizes = [
        np.size(row) if np.isscalar(row) else len(row) for row in rows if np.isscalar(row) or hasattr(row, "__len__")
    ]
    at = next((i for i, size in enumerate(sizes) if size != sizes[0]), None)
    return "" if at is None else f": row 0 has {sizes[0]}, row {at} has {sizes[at]}"


def _objects(array: np.ndarray, name: str, text_hint: str) -> str:
    where, item = next((where, item) for where, item in np.ndenumerate(array) if not isinstance(item, numbers.Real))
    spot = f"{name}[{', '.join(map(str, where))}]" if where else name
    return f"{spot} is {short(item)}: {text_hint if isinstance(item, str) else 'only numbers can be used'}"


def convert(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`array` as C-contiguous, aligned `dtype`: itself where it is that already, else a copy."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    with np.errstate(over="ignore"):  # a number too large becomes inf, which the finite check reports with its position
        return np.array(array, dtype=dtype, order="C", copy=True, subok=False)
