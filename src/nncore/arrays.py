"""Any array-like as an array of plain numbers, in the network's type, all finite: what inputs and targets have in common."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from .values import short

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

_CHUNK = 8192  # elements per pass of the finite check: fits the first cache, and BLAS keeps to one thread on it


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
    require_unmasked(value, name)
    try:
        return np.asarray(value)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            raise ValueError(f"{name} cannot be read as an array: its rows differ in length{_uneven(value)}") from None
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    except Exception as error:
        raise TypeError(f"{name} cannot be read as an array of numbers: {error}") from error


def require_unmasked(value: object, name: str) -> None:
    """Raise TypeError for a masked array that masks something: what lies under a mask is not meant to be read.

    For what is read as it lies; `numeric` has looked already.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{name} is a masked array with masked entries: fill them first, as with {name}.filled(0)")
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            if isinstance(item, np.ma.MaskedArray):
                require_unmasked(item, f"{name}[{i}]")


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
    # a number too large becomes inf, which the finite check reports with its position; one too small becomes 0
    with np.errstate(over="ignore", under="ignore"):
        return np.array(array, dtype=dtype, order="C", copy=True, subok=False)


def require_finite(array: np.ndarray, name: str, source: np.ndarray | None = None) -> None:
    """Raise ValueError with the first offending position if `array` holds nan or inf.

    Parameters
    ----------
    array : ndarray
        Of any shape, C-contiguous, floating.
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


def within(name: str, value: float, dtype: DTypeLike) -> float:
    """Return `value`, a finite number, if `dtype` can hold it as one.

    Examples
    --------
    >>> within("alpha", 1e39, "float32")
    Traceback (most recent call last):
    ...
    ValueError: alpha is 1e+39: too large for float32, whose largest number is 3.40282e+38; rescale it, or use a float64 network
    """
    source = np.asarray(value, np.float64)
    require_finite(convert(source, np.dtype(dtype)), name, source)
    return value


def _not_finite(array: np.ndarray, source: np.ndarray | None, name: str, where: tuple[int, ...]) -> str:
    spot = f"{name}[{', '.join(map(str, where))}]" if where else name
    if source is not None and np.isfinite(source[where]):
        wider = ", or use a float64 network" if array.dtype == np.float32 else ""
        largest = f"whose largest number is {np.finfo(array.dtype).max:g}"
        return f"{spot} is {source[where]}: too large for {array.dtype}, {largest}; rescale it{wider}"
    return f"{spot} is {array[where]}: only finite numbers can be used"
