"""Choices: tables of what a network and a training may be made of, from the rows that say it, for the terminal and the docs."""

from __future__ import annotations

from . import _kernels
from .initializers import INITIALIZERS


def tables() -> dict[str, list[list[str]]]:
    """A table for each list, the names of its columns first. What a row is called stands first in it, where it comes from last.

    Examples
    --------
    >>> tables()["init"][:2]  # doctest: +ELLIPSIS
    [['init', 'limit of the uniform weights', 'source'], ['he', 'sqrt(6 / fan_in)', 'He, Zhang, ...']]
    """
    return {
        "activations": [
            ["activation", "y", "dy/dz", "weights start as", "parameter"],
            *([name, row.formula, row.derivative, row.init,
               f"{row.parameter}={row.parameter_default:g}" if row.parameter else ""]
              for name, row in _kernels.activations().items()),
        ],
        "losses": [
            ["loss", "of one sample or output", "gradient", "goes with output", "over samples"],
            *([name, row.formula, row.gradient, row.link or "", row.reduction.replace("_", " ")]
              for name, row in _kernels.losses().items()),
        ],
        "optimizers": [
            ["settings", "defaults", "rule", "source"],
            *([row.display, ", ".join(f"{key}={value:g}" for key, value in row.defaults.items()), row.formula, row.source]
              for row in _kernels.optimizers().values()),
        ],
        "init": [
            ["init", "limit of the uniform weights", "source"],
            *([name, row.formula, row.source] for name, row in INITIALIZERS.items()),
        ],
    }  # fmt: skip
