"""Pictures: a network as nodes and connections, and the loss along one weight or over two. matplotlib draws them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BLUE, ORANGE, INK, PALE = "#2a6fbb", "#e0732c", "#22303c", "#f4f6f8"
MOST_NODES = 64  # of a layer that are drawn; beyond it the middle is left out
MOST_LABELS = 16  # weights that are written beside their lines
MOST_LINES = 120  # between two layers, counted by their depth of colour: more could not be told apart


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("drawing needs matplotlib: pip install matplotlib") from error
    return plt


# ---- the network -----------------------------------------------------------------------------------------------------


def network(net: Any, x: ArrayLike | None, ax: Any, labels: bool | str) -> Any:
    """What `Network.plot` does, which see.

    Layers stand in columns from left to right. The width and depth of colour of a line follow the weight's size
    relative to the largest of its layer, so that in a dense layer the strong connections stand out of a pale ground.
    Biases that are not 0 are written in the nodes of small networks.
    """
    plt = _pyplot()
    sizes = net.sizes
    shown = [_shown(n) for n in sizes]
    tallest = max(len(rows) for rows in shown)
    many = sum(a * b for a, b in pairwise(sizes))
    write = many <= MOST_LABELS if labels == "auto" else checks.flag("labels", labels)
    between = 3.2 if write else 2.4 if tallest <= 16 else 3.8
    if ax is None:
        width, height = 1.6 + between * (len(sizes) - 1), min(max(2.2, 0.95 * tallest), 8.0)
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    held = None if x is None else _activations(net, x)

    columns = between * np.arange(len(sizes))
    heights = [_heights(n, tallest) for n in sizes]
    gap = min(heights[i][0] - heights[i][1] for i in range(len(sizes)) if len(heights[i]) > 1) if tallest > 1 else 1.0
    radius = min(0.26, 0.4 * gap)
    for i, layer in enumerate(net.layers):
        _connections(ax, layer.weight, columns[i : i + 2], heights[i : i + 2], shown[i : i + 2], radius, write)
    for i in range(len(sizes)):
        values = None if held is None else held[i]
        bias = net.layers[i - 1].bias if i else None
        _nodes(ax, columns[i], heights[i], shown[i], sizes[i], radius, values, bias if write else None)
        _caption(ax, columns[i], -max(h[0] for h in heights) - radius - 0.16, net, i)
    ax.set_aspect("equal")
    ax.set_xlim(columns[0] - 0.75, columns[-1] + 0.75)
    top = max(h[0] for h in heights)
    two_lines = any(layer.activation != "identity" for layer in net.layers)
    ax.set_ylim(-top - radius - (0.85 if two_lines else 0.6), top + radius + 0.25)
    ax.axis("off")
    return ax


def _shown(n: int) -> NDArray[Any]:
    """Which nodes of a layer are drawn, from the top."""
    if n <= MOST_NODES:
        return np.arange(n)
    half = MOST_NODES // 4
    return np.concatenate([np.arange(half), np.arange(n - half, n)])


def _heights(n: int, tallest: int) -> NDArray[Any]:
    """Of the drawn nodes: evenly over the column, more loosely where a layer has fewer; a gap in the middle where some
    are left out."""
    count = len(_shown(n))
    total = min(max(2.0, 0.8 * tallest), 7.0)
    if count == 1:
        return np.zeros(1)
    step = min(total / max(count, 2), 0.9)
    places = np.arange(count, dtype=float)
    if count < n:
        places[count // 2 :] += 3
    places *= step * (count - 1) / places[-1] if count < n else step
    return np.asarray(places[::-1] - places[-1] / 2)


def _connections(ax: Any, weight: NDArray[Any], columns: Any, heights: Any, shown: Any, radius: float,
                 write: bool) -> None:  # fmt: skip
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    drawn = np.asarray(weight, np.float64)[np.ix_(shown[0], shown[1])]
    largest = float(np.abs(drawn).max()) or 1.0
    part = np.abs(drawn) / largest
    order = np.argsort(part, axis=None)  # strong ones on top
    i, j = np.unravel_index(order, drawn.shape)
    ends = np.empty((drawn.size, 2, 2))
    ends[:, 0, 0], ends[:, 0, 1] = columns[0], heights[0][i]
    ends[:, 1, 0], ends[:, 1, 1] = columns[1], heights[1][j]
    strength = part[i, j]
    most = 4.0 if drawn.size <= 24 else 2.6 if drawn.size <= 400 else 1.6
    colours = np.empty((drawn.size, 4))
    colours[:, :3] = np.where((drawn[i, j] < 0)[:, None], to_rgb(ORANGE), to_rgb(BLUE))
    crowd = min(1.0, 24.0 / drawn.size)  # the more lines, the more the small ones fade
    power = 1 + 2.5 * (1 - crowd)
    while np.sum(strength**power) > MOST_LINES and power < 16:
        power += 0.5
    colours[:, 3] = np.clip(0.15 * crowd + 0.85 * strength**power, 0.01, 1)
    ax.add_collection(LineCollection(list(ends), linewidths=0.3 + most * strength, colors=colours, zorder=1))
    if write:
        for a in range(drawn.shape[0]):
            for b in range(drawn.shape[1]):
                x0, y0, x1, y1 = columns[0], heights[0][a], columns[1], heights[1][b]
                at = 0.2 + 0.22 * (b % 2) if drawn.shape[1] > 1 else 0.42
                ax.text(x0 + at * (x1 - x0), y0 + at * (y1 - y0), f"{drawn[a, b]:.3g}", fontsize=9, color=INK, zorder=4,
                        ha="center", va="center", bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none",
                                                        "alpha": 0.85})  # fmt: skip


def _nodes(ax: Any, column: float, heights: NDArray[Any], shown: NDArray[Any], n: int, radius: float, values: Any,
           bias: Any) -> None:  # fmt: skip
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Circle

    circles = PatchCollection([Circle((column, y), radius) for y in heights], zorder=3)
    circles.set_edgecolor(INK)
    circles.set_linewidth(1.4 if radius > 0.12 else 0.5)
    if values is None:
        circles.set_facecolor(PALE)
    else:
        drawn = np.asarray(values, np.float64)[shown]
        circles.set_array(drawn)
        circles.set_cmap("PuOr_r" if drawn.min() < 0 else "Blues")
        limit = float(np.abs(drawn).max()) or 1.0
        circles.set_clim(-limit if drawn.min() < 0 else 0, limit)
    ax.add_collection(circles)
    if len(shown) < n:
        for offset in (-0.6, 0.0, 0.6):
            ax.plot(column, offset * 2 * radius, ".", color=INK, markersize=3, zorder=3)
    if radius > 0.2:
        for y, i in zip(heights, shown, strict=True):
            written = f"{bias[i]:+.2g}" if bias is not None and bias[i] else ""
            text = written if values is None else f"{values[i]:.3g}"
            dark = values is not None and abs(values[i]) > 0.6 * (float(np.abs(values).max()) or 1.0)
            ax.text(column, y, text, ha="center", va="center", fontsize=8, color="white" if dark else INK, zorder=5)


def _caption(ax: Any, column: float, top: float, net: Any, i: int) -> None:
    n = net.sizes[i]
    kind = "input" if i == 0 else "output" if i == len(net.layers) else "hidden"
    what = f"{n} {kind}" + ("s" if n != 1 and kind != "hidden" else "")
    second = "" if i == 0 or net.layers[i - 1].activation == "identity" else net.layers[i - 1].activation
    ax.text(column, top, f"{what}\n{second}".rstrip(), ha="center", va="top", fontsize=10, color=INK)


def _activations(net: Any, x: ArrayLike) -> list[NDArray[Any]]:
    sample, _ = checks.as_inputs(x, net.inputs, net.dtype, name="x")
    if sample.shape[0] != 1:
        raise ValueError(f"x must be one sample ({net.inputs},), got shape {sample.shape}")
    passed = net.trace(sample, np.zeros((1, net.outputs)), loss="sse")
    return [sample[0], *(layer.activation[0] for layer in passed.layers)]


# ---- the loss --------------------------------------------------------------------------------------------------------


def sweep(result: Any, ax: Any, path: ArrayLike | None) -> Any:
    """What `LossSweep.plot` does, which see."""
    plt = _pyplot()
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    if len(result.names) == 1:
        _curve(result, ax, path)
    else:
        _surface(result, ax, path)
    return ax


def _curve(result: Any, ax: Any, path: ArrayLike | None) -> None:
    ax.plot(result.values, result.loss, color=BLUE, linewidth=2, zorder=2)
    low = float(np.nanmin(result.loss))
    bottom = f"smallest: {low:.4g} at {result.best:.4g}"
    ax.plot([result.best], [low], "o", color=INK, markersize=6, zorder=4, label=bottom)
    if path is not None:
        steps = np.asarray(path, np.float64).ravel()
        order = np.argsort(result.values, kind="stable")
        heights = np.interp(steps, result.values[order], result.loss[order], left=np.nan, right=np.nan)
        count = f"{len(steps) - 1} steps"
        ax.plot(steps, heights, ".-", color=ORANGE, linewidth=1, markersize=9, zorder=3, label=count)
        _arrows(ax, steps, heights)
    ax.set_xlabel(result.names[0])
    ax.set_ylabel(f"loss ({result.kind})")
    ax.legend(frameon=False)
    _clean(ax)


def _surface(result: Any, ax: Any, path: ArrayLike | None) -> None:
    first, second = result.values
    if min(result.loss.shape) < 2:
        raise ValueError(f"a surface needs two values or more of each parameter, it has {len(first)} and {len(second)}")
    # equal steps of the root show the bottom of the valley as well as its walls
    height = np.sqrt(np.maximum(result.loss - np.nanmin(result.loss), 0))
    drawn = ax.contourf(first, second, height.T, levels=24, cmap="Blues_r")
    ax.contour(first, second, height.T, levels=12, colors="white", linewidths=0.4, alpha=0.7)
    bar = ax.figure.colorbar(drawn, ax=ax, ticks=np.linspace(0, float(np.nanmax(height)), 5))
    bar.ax.set_yticklabels([f"{t**2 + np.nanmin(result.loss):.3g}" for t in bar.get_ticks()])
    bar.set_label(f"loss ({result.kind})")
    bar.outline.set_visible(False)
    if path is not None:
        steps = np.asarray(path, np.float64).reshape(-1, 2)
        ax.plot(steps[:, 0], steps[:, 1], ".-", color=ORANGE, linewidth=1.4, markersize=5, zorder=3)
    ax.plot(*result.best, "o", color=INK, markersize=7, zorder=4)
    ax.set_xlabel(result.names[0])
    ax.set_ylabel(result.names[1])


def _arrows(ax: Any, x: NDArray[Any], y: NDArray[Any]) -> None:
    # heads on the first steps, where they are long enough to see
    for i in range(min(len(x) - 1, 4)):
        if np.isfinite([y[i], y[i + 1]]).all():
            ax.annotate("", (x[i + 1], y[i + 1]), (x[i], y[i]),
                        arrowprops={"arrowstyle": "-|>", "color": ORANGE, "shrinkA": 4, "shrinkB": 4})  # fmt: skip


def _clean(ax: Any) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e3e7eb", linewidth=0.8)
    ax.set_axisbelow(True)
