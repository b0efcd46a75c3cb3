"""A curve drawn with characters, for a terminal that cannot show pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .values import positive_int

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def text_curve(
    x: ArrayLike, y: ArrayLike, *, width: int = 60, height: int = 12, title: str = "", points: Any = None
) -> str:
    """A curve through (x, y) as lines of text.

    Parameters
    ----------
    x, y : array_like
        (n,), x in any order; what is not finite is left out.
    width, height : int
        Of the drawing, in characters, without the numbers beside it.
    title : str
        Stands above it.
    points : pair of array_like, optional
        Further (x, y), drawn as ``o`` on top of the curve.

    Returns
    -------
    str
        Without a newline at the end.

    Examples
    --------
    >>> print(text_curve([0, 1, 2, 3, 4], [4, 1, 0, 1, 4], width=21, height=5))
    4 |*                   *
      | **               **
      |   **           **
      |     ***     ***
    0 |        *****
      +---------------------
       0                   4
    """
    x, y = np.asarray(x, np.float64).ravel(), np.asarray(y, np.float64).ravel()
    if x.shape != y.shape:
        raise ValueError(f"x has {x.size} numbers and y has {y.size}: one y for each x is needed")
    width, height = positive_int("width", width), positive_int("height", height)
    good = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[good], kind="stable")
    x, y = x[good][order], y[good][order]
    if x.size == 0:
        return title or "(nothing to draw)"
    dots = _points(points)
    low, high = float(min([y.min(), *dots[1]])), float(max([y.max(), *dots[1]]))
    left, right = float(min([x.min(), *dots[0]])), float(max([x.max(), *dots[0]]))
    wide, tall = (right - left) or 1.0, (high - low) or 1.0
    if not np.isfinite([wide, tall]).all():
        raise ValueError(f"numbers from {min(left, low):.4g} to {max(right, high):.4g} are too far apart to be drawn")

    def row_of(value: Any) -> Any:
        return np.rint((high - np.asarray(value)) / tall * (height - 1)).astype(int)

    canvas = [[" "] * width for _ in range(height)]
    places = np.linspace(left, right, width)
    rows = row_of(np.interp(places, x, y))
    for column in range(width):
        if x[0] <= places[column] <= x[-1]:
            canvas[rows[column]][column] = "*"
            if column and x[0] <= places[column - 1]:  # a steep curve has no holes
                a, b = sorted((rows[column - 1], rows[column]))
                for row in range(a + 1, b):
                    canvas[row][column] = "*"
    for px, py in zip(*dots, strict=True):
        canvas[int(row_of(py))][round((px - left) / wide * (width - 1))] = "o"
    labels = [f"{high:.4g}", f"{low:.4g}"]
    margin = max(map(len, labels))
    names = [labels[0], *[""] * (height - 2), labels[1]] if height > 1 else [labels[0]]
    lines = [f"{name:>{margin}} |{''.join(row)}".rstrip() for name, row in zip(names, canvas, strict=True)]
    start, end = f"{left:.4g}", f"{right:.4g}"
    lines.append(" " * (margin + 1) + "+" + "-" * width)
    lines.append(" " * (margin + 2) + start + end.rjust(width - len(start)))
    return "\n".join([*([title] if title else []), *lines])


def _points(points: Any) -> tuple[Sequence[float], Sequence[float]]:
    if points is None:
        return [], []
    px, py = (np.asarray(values, np.float64).ravel() for values in points)
    if px.shape != py.shape:
        raise ValueError(f"points has {px.size} x and {py.size} y: one y for each x is needed")
    good = np.isfinite(px) & np.isfinite(py)
    return px[good].tolist(), py[good].tolist()
