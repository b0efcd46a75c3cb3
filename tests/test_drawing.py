"""Pictures: they are drawn, with every node and connection, whatever the size."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import nncore as nn
from nncore import drawing

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def lines_and_nodes(ax):
    from matplotlib.collections import LineCollection, PatchCollection

    lines = sum(len(c.get_segments()) for c in ax.collections if isinstance(c, LineCollection))
    nodes = sum(len(c.get_paths()) for c in ax.collections if isinstance(c, PatchCollection))
    return lines, nodes


def words(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("sizes", [[1, 1], [4, 2, 1], [2, 8, 8, 1], [64, 32, 10]], ids=lambda s: "-".join(map(str, s)))
@pytest.mark.parametrize("with_x", [False, True])
def test_every_node_and_connection(sizes, with_x, tmp_path):
    net = nn.Network(sizes, output="softmax" if sizes[-1] > 1 else "identity", seed=0)
    ax = net.plot(np.linspace(-1, 1, sizes[0]) if with_x else None)
    assert lines_and_nodes(ax) == (sum(a * b for a, b in zip(sizes, sizes[1:], strict=False)), sum(sizes))
    ax.figure.savefig(tmp_path / "net.png")
    assert any(text.startswith(f"{sizes[0]} input") for text in words(ax))


def test_widths_follow_weights_and_colours_signs():
    net = nn.Network([2, nn.Dense(1, bias=False)], seed=0)
    net.layers[0].weight = [[4.0], [-1.0]]
    [lines] = [c for c in net.plot().collections if hasattr(c, "get_segments")]
    widths, colours = lines.get_linewidths(), lines.get_colors()
    by_width = np.argsort(widths)
    assert widths[by_width[1]] > 2 * widths[by_width[0]]
    assert colours[by_width[1]][2] > colours[by_width[1]][0] and colours[by_width[0]][0] > colours[by_width[0]][2]
    assert {"4", "-1"} <= set(words(net.plot())) and not {"4", "-1"} & set(words(net.plot(labels=False)))


def test_many_lines_fade_so_that_some_stand_out():
    lines = [c for c in nn.Network([64, 32, 10], seed=0).plot().collections if hasattr(c, "get_segments")]
    depths = [c.get_colors()[:, 3] for c in lines]
    assert [len(d) for d in depths] == [2048, 320]
    assert all(d.max() > 0.8 and d.sum() < 1.3 * drawing.MOST_LINES for d in depths)


def test_very_wide_layers_leave_out_the_middle():
    net = nn.Network([784, 100, 10], seed=0)
    lines, nodes = lines_and_nodes(net.plot())
    assert nodes < 100 and lines < 32 * 32 + 32 * 10 + 1 and "784 inputs" in words(net.plot())[0]


def test_zero_weights_and_given_axes():
    net = nn.Network([3, 2], init=0.0, seed=0)
    _, ax = plt.subplots()
    assert net.plot(ax=ax) is ax


def test_sweeps():
    net = nn.Network([1, nn.Dense(1, init=2.0)], dtype="float64")
    curve = nn.loss_sweep(net, [0, 1, 2], [0, 4, 8], 0, np.linspace(0, 8, 9), loss="sse")
    ax = curve.plot(path=[2, 3.2, 3.7])
    assert ax.get_xlabel() == "W1[0, 0]" and "sse" in ax.get_ylabel()
    both = (np.linspace(0, 8, 9), np.linspace(-2, 2, 5))
    surface = nn.loss_sweep(net, [0, 1, 2], [0, 4, 8], (0, 1), both, loss="sse")
    ax = surface.plot(path=[[2, 0], [3, 0.5]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("W1[0, 0]", "b1[0]")
    ax.figure.canvas.draw()
    line = nn.loss_sweep(net, [0, 1, 2], [0, 4, 8], (0, 1), ([1.0], both[1]), loss="sse")
    with pytest.raises(ValueError, match="two values or more of each parameter, it has 1 and 5"):
        line.plot()


def test_one_sample_at_a_time():
    with pytest.raises(ValueError, match="one sample"):
        nn.Network([2, 1], seed=0).plot([[1, 2], [3, 4]])


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        nn.Network([2, 1], seed=0).plot()
