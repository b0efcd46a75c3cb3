"""Names of single weights and biases, and their place in the vector of parameters.

A weight has the name that Python would find it by: ``layers[0].weight[2, 1]`` is the weight from input 2 to unit 1 of
the first layer. The short form counts layers from 1, as formulas and `Network.trace` do: ``W1[2, 1]``, ``b1[1]``.
"""

from __future__ import annotations

import re
from typing import Any

from . import checks

_LONG = r"layers\[(\d+)\]\.(weight|bias)\[(\d+)(?:\]\[|,\s*)?(\d+)?\]"
_SHORT = r"([Wb])(\d+)\[(\d+)(?:\]\[|,\s*)?(\d+)?\]"
_HELP = "such as 'layers[0].weight[2, 1]', 'W1[2, 1]' or 'b1[1]', or its index in net.parameters"


def index_of(net: Any, parameter: str | int) -> int:
    """The place of a parameter in ``net.parameters``.

    Parameters
    ----------
    net : Network
    parameter : str or int
        Its name in either form, or the place itself (negative ones count from the end).

    Raises
    ------
    ValueError, TypeError
        No such name, layer or place.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([4, 2, 1], seed=0)
    >>> index_of(net, "W1[3, 1]"), index_of(net, "layers[1].bias[0]"), index_of(net, -1)
    (7, 12, 12)
    """
    size = int(net.parameters.size)
    if not isinstance(parameter, str):
        try:
            index = parameter.__index__()
        except AttributeError:
            raise TypeError(f"parameter must be a name {_HELP}; got {checks.short(parameter)}") from None
        if not -size <= index < size:
            raise ValueError(f"parameter {index} is beyond the network's {size:,} parameters")
        return index % size
    name = parameter.replace("net.", "", 1).strip()
    if match := re.fullmatch(_LONG, name):
        number, kind = int(match[1]), match[2]
    elif match := re.fullmatch(_SHORT, name):
        number, kind = int(match[2]) - 1, "weight" if match[1] == "W" else "bias"
    else:
        raise ValueError(f"parameter {parameter!r} is no name {_HELP}")
    if not 0 <= number < len(net.layers):
        raise ValueError(f"parameter {parameter!r}: the network has {len(net.layers)} layers")
    layer = net.layers[number]
    array = getattr(layer, kind)
    if array is None:
        raise ValueError(f"parameter {parameter!r}: that layer has no bias")
    first, second = int(match[3]), None if match[4] is None else int(match[4])
    where = (first,) if second is None else (first, second)
    if len(where) != array.ndim or any(i >= n for i, n in zip(where, array.shape, strict=True)):
        raise ValueError(f"parameter {parameter!r}: that {kind} has shape {array.shape}")
    start = sum(earlier.size for earlier in net.layers[:number])
    if kind == "bias":
        return int(start + layer.weight.size + first)
    return int(start + first * layer.outputs + (second or 0))


def name_of(net: Any, index: int, short: bool = False) -> str:
    """The name of the parameter at a place in ``net.parameters``; the other way round to `index_of`.

    Examples
    --------
    >>> import nncore as nn
    >>> net = nn.Network([4, 2, 1], seed=0)
    >>> name_of(net, 7), name_of(net, 12, short=True)
    ('layers[0].weight[3, 1]', 'b2[0]')
    """
    rest = index_of(net, index)
    for number, layer in enumerate(net.layers):
        if rest < layer.weight.size:
            row, column = divmod(rest, layer.outputs)
            return f"W{number + 1}[{row}, {column}]" if short else f"layers[{number}].weight[{row}, {column}]"
        rest -= layer.weight.size
        if layer.bias is not None:
            if rest < layer.outputs:
                return f"b{number + 1}[{rest}]" if short else f"layers[{number}].bias[{rest}]"
            rest -= layer.outputs
    raise AssertionError("index_of let an index beyond the parameters pass")


def names(net: Any, short: bool = False) -> list[str]:
    """The name of every parameter, in order.

    Examples
    --------
    >>> import nncore as nn
    >>> names(nn.Network([1, 2], seed=0), short=True)
    ['W1[0, 0]', 'W1[0, 1]', 'b1[0]', 'b1[1]']
    """
    return [name_of(net, i, short) for i in range(net.parameters.size)]
