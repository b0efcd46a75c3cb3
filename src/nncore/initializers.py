"""First weights of a layer: what `init` of Network and Dense may be.

- The name of a row of INITIALIZERS: weights are uniform on [-limit, limit), and the names differ in the limit alone.
- A number: all weights have this value.
- A callable: it is called as ``init(rng, fan_in, fan_out)`` for each layer, with a numpy Generator made from the network's
  seed, and with the layer's numbers of inputs and of outputs. It returns an array of shape (fan_in, fan_out), or a number.

The same seed gives the same bits on every platform and with every numpy: numpy promises that for the raw 64-bit words
of a bit generator (NEP 19), but not for the methods of Generator, whose normal() has changed before. Words become
doubles as (word >> 11) * 2**-53, and from there on there is one multiplication and one rounding to the layer's type. A
normal distribution would need log and cos, which differ between math libraries; that is why there is none here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from . import checks

# In quotes, because looking up np.random would import it; it takes as long as half of this package.
Init: TypeAlias = "str | float | Callable[[np.random.Generator, int, int], Any]"


class Initializer(NamedTuple):
    """A row: weights are uniform on [-limit, limit). `formula` says the limit, and `limit` computes it."""

    formula: str
    source: str
    limit: Callable[[int, int], float]


# To add one: a row.
INITIALIZERS: dict[str, Initializer] = {
    "he": Initializer(
        "sqrt(6 / fan_in)",
        "He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers, eq. 10 (variance 2 / fan_in)",
        lambda fan_in, fan_out: math.sqrt(6 / fan_in),
    ),
    "glorot": Initializer(
        "sqrt(6 / (fan_in + fan_out))",
        "Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16",
        lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    ),
    "lecun": Initializer(
        "sqrt(3 / fan_in)",
        "LeCun, Bottou, Orr, Mueller 1998, Efficient BackProp, section 4.6 (variance 1 / fan_in)",
        lambda fan_in, fan_out: math.sqrt(3 / fan_in),
    ),
    "zeros": Initializer("0", "for output layers that shall start at nothing", lambda fan_in, fan_out: 0.0),
}


def generator(seed: int | None | np.random.Generator, stream: int = 0) -> np.random.Generator:
    """The source of randomness for a seed.

    Parameters
    ----------
    seed : int, None or numpy Generator
        An integer of 0 or more gives the same numbers every time; None draws a new seed from the system; a Generator is
        used as it is (see `as_seed` for what must be kept).
    stream : int, default 0
        Streams of one seed have nothing to do with each other. Stream 0 is that of ``numpy.random.default_rng(seed)``, which
        the samples may have been drawn from: what chooses among samples must take another.

    Examples
    --------
    >>> uniform(generator(0), 2).tolist()
    [0.6369616873214543, 0.2697867137638703]
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None:
        return np.random.Generator(np.random.PCG64())
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be an integer of 0 or more, a numpy Generator, or None, got {checks.short(seed)}")
    if seed < 0:
        raise ValueError(f"seed must be an integer of 0 or more, a numpy Generator, or None, got {seed}")
    return np.random.Generator(np.random.PCG64([int(seed), stream] if stream else int(seed)))


CHOOSING = 1  # the stream for choices among samples


def as_seed(seed: int | None | np.random.Generator) -> int:
    """A seed as a number, which can be kept, copied and begun with again.

    Parameters
    ----------
    seed : int, None or numpy Generator
        As for `generator`. An integer is itself; otherwise one word is drawn, from the system or from the Generator, which
        is so moved on: it gives another seed each time.

    Examples
    --------
    >>> as_seed(5), as_seed(generator(5)) == as_seed(generator(5))
    (5, True)
    """
    rng = generator(seed)
    return int(seed) if isinstance(seed, (int, np.integer)) else int(rng.bit_generator.random_raw())


def uniform(rng: np.random.Generator, count: int) -> np.ndarray:
    """`count` doubles, uniform on [0, 1), the same bits with every numpy.

    Parameters
    ----------
    rng : numpy Generator
        As `generator` makes it; its bit generator must give 64-bit words.
    count : int
        How many.

    Returns
    -------
    ndarray
        float64, (count,); multiples of 2**-53.
    """
    words = np.asarray(rng.bit_generator.random_raw(count), dtype=np.uint64)
    return (words >> np.uint64(11)) * 2.0**-53


def permutation(rng: np.random.Generator, count: int) -> np.ndarray:
    """0..count-1 in random order, the same with every numpy: int64, (count,)."""
    return np.argsort(np.asarray(rng.bit_generator.random_raw(count), dtype=np.uint64), kind="stable")


def check(init: Init, name: str = "init") -> Init:
    """Return `init` if it is a known name, a finite number or a callable; raise otherwise.

    Examples
    --------
    >>> check("he")
    'he'
    >>> check("xavier")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: unknown init 'xavier': did you mean 'glorot'? Allowed: he, glorot, ...
    """
    if isinstance(init, str):
        if init not in INITIALIZERS:
            raise checks.unknown(name, init, [*INITIALIZERS, "a number", "or a callable(rng, fan_in, fan_out)"])
        return init
    if callable(init):
        return init
    return checks.number(name, init, f"one of {', '.join(INITIALIZERS)}, a number, or a callable(rng, fan_in, fan_out)")


CUSTOM = "custom"  # the label of a callable


def label(init: Init) -> str:
    """How to write `init` down: its name, the number, or "custom" for a callable (whose weights the file holds).

    Examples
    --------
    >>> label("he"), label(0.5)
    ('he', '0.5')
    """
    if isinstance(init, str):
        return init
    return CUSTOM if callable(init) else repr(float(init))


def of_label(text: object) -> Init | None:
    """The initialiser that `label` wrote down so; None where it was a callable, or is something else.

    Examples
    --------
    >>> of_label("he"), of_label("0.5"), of_label("custom")
    ('he', 0.5, None)
    """
    if not isinstance(text, str) or text in INITIALIZERS:
        return text if isinstance(text, str) else None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def fill(weight: np.ndarray, init: Init, rng: np.random.Generator) -> None:
    """Write a layer's first weights.

    Parameters
    ----------
    weight : ndarray
        (fan_in, fan_out), floating, writable; written in place. Untouched if the call fails.
    init : str, float or callable
        A name of INITIALIZERS; a number for all weights; or ``callable(rng, fan_in, fan_out)`` that returns an array of
        shape (fan_in, fan_out), or a number.
    rng : numpy Generator
        As `generator` makes it. A named initialiser other than zeros takes fan_in * fan_out words from it, row by row.

    Raises
    ------
    ValueError
        An unknown name; a number too large for the weight's type; a callable that returned such a one, another shape, nan
        or inf.

    Examples
    --------
    >>> weight = np.empty((2, 3), "float32")
    >>> fill(weight, "glorot", generator(0))
    >>> bool(np.abs(weight).max() <= np.sqrt(6 / 5))
    True
    """
    init = check(init)
    fan_in, fan_out = weight.shape
    if isinstance(init, str):
        limit = INITIALIZERS[init].limit(fan_in, fan_out)
        weight[...] = (limit * (2 * uniform(rng, weight.size) - 1)).reshape(weight.shape) if limit else 0.0
    elif callable(init):
        given = checks.numeric(init(rng, fan_in, fan_out), "the array from init")
        if given.shape not in ((), weight.shape):
            raise ValueError(f"init returned shape {given.shape}, but the layer's weight is {weight.shape}")
        ready = checks.convert(given, weight.dtype)
        checks.require_finite(ready, "the array from init", given)
        weight[...] = ready
    else:
        weight[...] = checks.within("init", init, weight.dtype)
