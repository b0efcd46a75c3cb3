"""Trace: the article's numbers, every array against numpy's by hand, and the tables."""

from __future__ import annotations

import inspect
import re
from xml.etree import ElementTree

import numpy as np
import pytest

import nncore as nn
from nncore import reference
from nncore.trace import LayerTrace

X5, Y5 = [0, 1, 2, 3, 4], [0, 4, 8, 12, 16]
LOSSES = [("identity", "mse"), ("identity", "sse"), ("softmax", "cross_entropy"), ("softmax", "mse"),
          ("sigmoid", "binary_cross_entropy"), ("sigmoid", "sse"), ("gelu", "mse")]  # fmt: skip


def one_weight(value=2.0, dtype="float64"):
    return nn.Network([1, nn.Dense(1, bias=False, init=value)], dtype=dtype)


def test_the_numbers_of_the_article():
    trace = one_weight().trace(X5, Y5, loss="sse")
    assert trace["prediction"].ravel().tolist() == [0, 2, 4, 6, 8]
    assert trace["error"].ravel().tolist() == [0, -2, -4, -6, -8]
    assert trace["losses"].tolist() == [0, 4, 16, 36, 64]
    assert trace.loss == 120 and float(trace["loss"]) == 120
    assert trace["dW1"].tolist() == [[-120]]
    assert one_weight(7.0).trace(X5, Y5, loss="sse").loss == 270


def test_four_two_one_by_hand():
    net = nn.Network([4, nn.Dense(2, "identity", bias=False), nn.Dense(1, bias=False)], dtype="float64", seed=0)
    net.layers[0].weight = [[1, -1], [2, 0], [0, 1], [1, 2]]
    net.layers[1].weight = [[2], [1]]
    trace = net.trace([1, 2, 3, 4], [30], loss="sse")
    assert trace["z1"].tolist() == [[9, 10]] and trace["prediction"].tolist() == [[28]]
    assert trace["error"].tolist() == [[-2]] and trace.loss == 4
    assert trace["dz2"].tolist() == [[-4]] and trace["dz1"].tolist() == [[-8, -4]]
    assert trace["dW2"].tolist() == [[-36], [-40]]
    assert trace["dW1"].tolist() == [[-8, -4], [-16, -8], [-24, -12], [-32, -16]]
    assert trace["dx"].tolist() == [[-4, -16, -4, -16]]


@pytest.mark.parametrize("hidden", [name for name, row in nn.activations().items() if not row.rowwise])
@pytest.mark.parametrize(("output", "loss"), LOSSES)
def test_every_array_against_numpy(hidden, output, loss):
    rng = np.random.default_rng(0)
    net = nn.Network([3, 5, 4, 2], hidden=hidden, output=output, dtype="float64", seed=1)
    for layer in net.layers:
        layer.bias = rng.normal(0, 0.3, layer.outputs)
    X, T = rng.normal(size=(6, 3)), rng.uniform(0, 1, (6, 2))
    if output == "softmax":
        T /= T.sum(axis=1, keepdims=True)
    trace = net.trace(X, T, loss=loss)
    value = X
    for i, layer in enumerate(net.layers, start=1):
        z = value @ layer.weight + layer.bias
        assert np.array_equal(trace.layers[i - 1].input, trace["x"] if i == 1 else trace[f"a{i - 1}"])
        row = reference.ACTIVATIONS[layer.activation]
        value = row.value(z.copy(), None, layer.parameter)
        np.testing.assert_allclose(trace[f"z{i}"], z, atol=1e-13)
        np.testing.assert_allclose(trace[f"a{i}"], value, atol=1e-12)
    np.testing.assert_allclose(trace.prediction, value, atol=1e-12)
    np.testing.assert_allclose(trace.error, value - T, atol=1e-12)
    whole = [net.evaluate(X[i], T[i : i + 1], loss=loss)["loss"] for i in range(6)]
    np.testing.assert_allclose(trace.losses, whole, rtol=1e-12)
    assert trace.loss == pytest.approx(net.evaluate(X, T, loss=loss)["loss"], rel=1e-12)
    gradients = net.gradients(X, T, loss=loss)
    assert np.array_equal(trace.gradients.vector, gradients.vector)
    for i in range(3):
        assert np.array_equal(trace[f"dW{i + 1}"], gradients.layers[i].weight)
        # a bias is the weight of an input that is always one
        np.testing.assert_allclose(trace[f"dz{i + 1}"].sum(axis=0), trace[f"db{i + 1}"], atol=1e-12)
    eps = 1e-6
    for s, i in ((0, 0), (3, 2)):
        up, down = X.copy(), X.copy()
        up[s, i] += eps
        down[s, i] -= eps
        slope = (net.evaluate(up, T, loss=loss)["loss"] - net.evaluate(down, T, loss=loss)["loss"]) / (2 * eps)
        assert trace["dx"][s, i] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_step_itself(dtype, isa):
    # the same bits as training: prediction, loss, gradient
    X, y = nn.datasets.load_digits(dtype=dtype)
    net = nn.Network([64, 32, 10], output="softmax", dtype=dtype, seed=0)
    trace = net.trace(X[:40], y[:40])
    assert np.array_equal(trace.prediction, net.predict(X[:40]))
    assert np.array_equal(trace.gradients.vector, net.gradients(X[:40], y[:40]).vector)
    assert trace.loss == nn.Trainer(net.copy()).step(X[:40], y[:40])
    assert trace["target"].sum() == 40 and trace["target"].argmax(axis=1).tolist() == y[:40].tolist()


def test_before_and_after_a_step():
    net = one_weight()
    trainer = nn.Trainer(net, loss="sse", optimizer=nn.SGD(0.01))
    trace = net.trace(X5, Y5, loss="sse")
    assert "after" not in str(trace) and trace["W1_after"].tolist() == [[2.0]]
    trainer.step(X5, Y5)
    assert trace["W1"].tolist() == [[2.0]] and trace["W1_after"].ravel() == pytest.approx([3.2])
    assert "before" in str(trace) and "3.2" in str(trace)
    taken = net.trace(X5, Y5, trainer=trainer)
    after = taken["W1_after"].copy()
    assert taken.loss_name == "sse" and after.ravel() == pytest.approx([3.68])
    trainer.step(X5, Y5)
    assert np.array_equal(taken["W1_after"], after) and not np.array_equal(taken.after, net.parameters)


def test_nothing_changes_without_a_trainer():
    net = nn.Network([4, 3, 2], seed=0)
    before = net.parameters.copy()
    trace = net.trace([[1, 2, 3, 4]] * 3, [[0, 1]] * 3)
    trace["W1"][:] = 7
    trace["x"][:] = 7
    assert np.array_equal(net.parameters, before)


def test_the_tables_of_the_article():
    forward = str(one_weight().trace(X5, Y5, loss="sse").tables()[0]).splitlines()
    assert forward[0] == "forward: sse 120 over 5 samples"
    assert forward[1].split() == ["sample", "x", "prediction", "target", "error", "loss"]
    assert [line.split() for line in forward[2:7]] == [
        ["0", "0", "0", "0", "0", "0"],
        ["1", "1", "2", "4", "-2", "4"],
        ["2", "2", "4", "8", "-4", "16"],
        ["3", "3", "6", "12", "-6", "36"],
        ["4", "4", "8", "16", "-8", "64"],
    ]
    assert forward[-1].split() == ["sum", "120"]


def test_html_is_whole_and_tells_the_same():
    trace = nn.Network([2, 3, 1], hidden="tanh", seed=0).trace([[0, 1], [1, 0]], [1, 1])
    html = trace.to_html()
    assert trace._repr_html_() == html
    tree = ElementTree.fromstring(f"<div>{html}</div>")
    cells = [cell.text or "" for cell in tree.iter("td")]
    assert len(tree.findall("table")) == 3
    assert all(cell in str(trace) for cell in cells)


def test_wide_and_long_are_told_in_few_lines():
    X, y = nn.datasets.load_digits()
    text = str(nn.Network([64, 32, 10], output="softmax", seed=0).trace(X, y))
    assert len(text.splitlines()) < 40 and max(map(len, text.splitlines())) <= 120
    assert "1797 x 32" in text
    long = str(one_weight().trace(np.arange(100) / 100, np.arange(100), loss="sse"))
    assert "..." in long and len(long.splitlines()) < 50


def test_what_the_walk_asks_for_can_be_read():
    tables = one_weight().trace(X5, Y5, loss="sse").tables()
    assert repr(tables[0]) == "Table('forward: sse 120 over 5 samples', 5 rows, 6 columns)"
    assert "\n" not in repr(tables) and " at 0x" not in repr(tables)


def _attributes(kind):
    """Names in the section Attributes of a docstring."""
    section = re.split(r"\n\w+\n-+\n", inspect.getdoc(kind).partition("Attributes\n----------\n")[2])[0]
    return [line.partition(" : ")[0] for line in section.splitlines() if line and not line.startswith(" ")]


def test_docstrings_name_every_attribute_on_a_line_of_its_own():
    assert _attributes(LayerTrace) == list(LayerTrace._fields)
    trace = one_weight().trace(X5, Y5)
    slope, check = nn.numeric_gradient(one_weight(), X5, Y5), nn.check_gradient(one_weight(), X5, Y5)
    for one in (trace, slope, check):
        names = _attributes(type(one))
        assert {name for name in vars(one) if not name.startswith("_")} <= set(names)
        assert all(hasattr(one, name) for name in names)


def test_names():
    trace = nn.Network([2, nn.Dense(3, "relu", bias=False), 1], seed=0).trace([1, 2], [3])
    assert trace.keys() == list(trace.arrays)
    names = set(trace.keys())
    assert "b1" not in names and {"x", "W1", "z1", "a1", "W2", "b2", "dx", "db2", "W2_after"} <= names
    with pytest.raises(KeyError, match="unknown array 'dz3'"):
        trace["dz3"]


def test_errors_in_words():
    net = one_weight()
    with pytest.raises(ValueError, match="another network"):
        net.trace([1], [1], trainer=nn.Trainer(one_weight()))
    with pytest.raises(ValueError, match="not the trainer's"):
        net.trace([1], [1], loss="sse", trainer=nn.Trainer(net))
    with pytest.raises(ValueError, match="rows"):
        net.trace([1, 2], [1, 2, 3])
