"""Words for wrong settings: names that are not on a list, numbers that may not be.

A message says what was expected, what was got and what is allowed. A wrong kind of thing is a TypeError, a wrong value
a ValueError. A check that more than one file needs belongs here; a rule of one subject (what an optimizer's momentum
may be) stands with that subject. Arrays are checked in arrays.py, targets.py and checks.py; the last hands out these as well.
"""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Callable, Iterable

import numpy as np


def unknown(kind: str, got: object, allowed: Iterable[str]) -> ValueError:
    """The error for a name that is not on a list; to be raised by the caller.

    Parameters
    ----------
    kind : str
        What the name stands for, as in ``"activation"``.
    got : object
        What was given.
    allowed : iterable of str
        The list, as the registry gives it.

    Returns
    -------
    ValueError
        With the nearest match, if there is one, and the whole list.

    Examples
    --------
    >>> print(unknown("activation", "rleu", ["identity", "relu", "tanh"]))
    unknown activation 'rleu': did you mean 'relu'? Allowed: identity, relu, tanh
    """
    import difflib  # here: only who is wrong waits for it

    names = list(allowed)
    near = difflib.get_close_matches(str(got).lower(), [name.lower() for name in names], n=1, cutoff=0.5)
    guess = next((name for name in names if near and name.lower() == near[0]), None)
    hint = f"did you mean {guess!r}? " if guess is not None else ""
    return ValueError(f"unknown {kind} {got!r}: {hint}Allowed: {', '.join(names)}")


def choice(kind: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of the allowed names, else raise.

    Examples
    --------
    >>> choice("loss", "mse", ["mse", "sse"])
    'mse'
    """
    names = list(allowed)
    if not isinstance(value, str):
        raise TypeError(f"{kind} must be a name, got {short(value)}. Allowed: {', '.join(names)}")
    if value not in names:
        raise unknown(kind, value, names)
    return value


def type_name(kind: str, value: object, allowed: Iterable[str]) -> str:
    """The name of a type of number, given as a name or as anything that numpy takes for a dtype, if it is an allowed one.

    Examples
    --------
    >>> type_name("dtype", np.float32, ["float32", "float64"])
    'float32'
    """
    if value is not None and not isinstance(value, str):
        with contextlib.suppress(TypeError):  # `choice` has the words
            value = np.dtype(value).name  # type: ignore[call-overload]
    return choice(kind, value, allowed)


def positive_int(name: str, value: object) -> int:
    """Return `value` as an int of at least 1; numpy integers are taken, booleans and floats are not.

    Examples
    --------
    >>> positive_int("epochs", 3)
    3
    >>> positive_int("batch_size", 0)
    Traceback (most recent call last):
    ...
    ValueError: batch_size must be a positive integer, got 0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a positive integer, got {short(value)}")
    if value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value}")
    return int(value)


def number(
    name: str, value: object, expected: str = "a finite number", fits: Callable[[float], bool] = lambda _: True
) -> float:
    """Return `value` as a finite float that `fits`; booleans and text are not numbers.

    Examples
    --------
    >>> number("parameter", 1)
    1.0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {expected}, got {short(value)}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not (math.isfinite(result) and fits(result)):
        raise ValueError(f"{name} must be {expected}, got {short(value)}")
    return result


def positive(name: str, value: object) -> float:
    """Return `value` as a finite float above 0.

    Examples
    --------
    >>> positive("learning_rate", 0)
    Traceback (most recent call last):
    ...
    ValueError: learning_rate must be a number above 0, got 0
    """
    return number(name, value, "a number above 0", lambda result: result > 0)


def non_negative(name: str, value: object) -> float:
    """Return `value` as a finite float of 0 or more."""
    return number(name, value, "a number of 0 or more", lambda result: result >= 0)


def fraction(name: str, value: object) -> float:
    """Return `value` as a float from 0 up to, but not including, 1.

    Examples
    --------
    >>> fraction("dropout", 0.5)
    0.5
    >>> fraction("dropout", 1)
    Traceback (most recent call last):
    ...
    ValueError: dropout must be a number from 0 up to but not including 1, got 1
    """
    return number(name, value, "a number from 0 up to but not including 1", lambda result: 0 <= result < 1)


def flag(name: str, value: object) -> bool:
    """Return `value` as a bool; only True, False, 0 and 1 are taken, so that a stray word does not count as yes."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, numbers.Real) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {short(value)}")


def short(value: object) -> str:
    """A value for a message: its repr where that is short, else its type."""
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else f"a {type(value).__name__}"
