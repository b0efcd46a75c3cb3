"""Slopes by nudging, the check against backpropagation, names of parameters, sweeps and guesses."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.parameter_names import index_of, name_of, names
from nncore.tables import Table
from nncore.text_curve import text_curve

X5, Y5 = [0, 1, 2, 3, 4], [0, 4, 8, 12, 16]
LOSSES = [("identity", "mse"), ("identity", "sse"), ("softmax", "cross_entropy"), ("softmax", "sse"),
          ("sigmoid", "binary_cross_entropy"), ("sigmoid", "mse")]  # fmt: skip


def one_weight(value=2.0, dtype="float64"):
    return nn.Network([1, nn.Dense(1, bias=False, init=value)], dtype=dtype)


# ---- nudging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_numbers_of_the_article(dtype, capsys):
    slope = nn.numeric_gradient(one_weight(dtype=dtype), X5, Y5, eps=0.0001, loss="sse", show=True)
    assert slope.loss == 120
    assert slope.forward[0] == pytest.approx(119.988, abs=5e-4)
    assert slope.backward[0] == pytest.approx(120.012, abs=5e-4)
    assert slope.vector[0] == pytest.approx(-120, abs=1e-8)
    assert slope.layers[0].weight.shape == (1, 1) and slope.layers[0].bias is None
    assert capsys.readouterr().out.splitlines()[-1].split() == ["W1[0,", "0]", "2", "120.012", "119.988", "-120"]
    at_seven = nn.numeric_gradient(one_weight(7.0, dtype), X5, Y5, loss="sse")
    assert at_seven.loss == 270 and at_seven.vector[0] == pytest.approx(180, abs=1e-7)
    assert "<td>" in slope._repr_html_()
    assert repr(slope) == "NumericGradient(loss 120, 1 parameter in 1 layer)"
    assert repr(one_weight().gradients(X5, Y5, loss="sse")) == "Gradients(loss 120, 1 parameter in 1 layer)"


@pytest.mark.parametrize("hidden", [name for name, row in nn.activations().items() if not row.rowwise])
@pytest.mark.parametrize(("output", "loss"), LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backpropagation_agrees(hidden, output, loss, dtype):
    rng = np.random.default_rng(0)
    net = nn.Network([5, 7, 6, 3], hidden=hidden, output=output, dtype=dtype, seed=2)
    X, T = rng.normal(size=(9, 5)), rng.uniform(0, 1, (9, 3))
    T /= T.sum(axis=1, keepdims=True)
    check = nn.check_gradient(net, X, T, loss=loss)
    assert check and check.ok, repr(check)
    assert check.checked == check.parameters == net.parameters.size
    assert check.error <= check.tolerance and check.disagreeing == 0
    assert f"agree on all {check.parameters:,} parameters;" in repr(check) and "tried" not in repr(check)


@pytest.mark.parametrize("alpha", [0, 1e-30, 0.3, 1, 2.5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backpropagation_agrees_for_every_alpha_that_is_taken(alpha, dtype):
    net = nn.Network([3, nn.Dense(6, "leaky_relu", alpha=alpha), nn.Dense(2, "leaky_relu")], dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    check = nn.check_gradient(net, rng.normal(size=(9, 3)), rng.normal(size=(9, 2)))
    assert check, repr(check)
    with pytest.raises(ValueError, match="alpha must be a number of 0 or more"):  # y's sign would not tell that of z
        nn.Dense(6, "leaky_relu", alpha=-alpha - 0.1)


def test_a_wrong_gradient_is_found_and_named(monkeypatch):
    net = nn.Network([3, 4, 2], hidden="tanh", dtype="float64", seed=0)
    right = nn.Network.gradients

    def wrong(self, X, y, **settings):
        gradients = right(self, X, y, **settings)
        gradients.layers[1].weight[2, 1] += 0.01
        return gradients

    monkeypatch.setattr(nn.Network, "gradients", wrong)
    check = nn.check_gradient(net, np.eye(3), np.eye(3)[:, :2])
    assert not check and check.worst == "W2[2, 1]" and check.disagreeing == 1
    assert f"DISAGREE on 1 of the {net.parameters.size} parameters;" in repr(check)
    assert "\n  worst W2[2, 1]: " in repr(check)


def test_what_a_check_says(monkeypatch):
    assert "agree on the only parameter;" in repr(nn.check_gradient(one_weight(), X5, Y5))
    net = nn.Network([33, 32, 4], hidden="tanh", dtype="float64", seed=0)
    net.parameters[:] = 0.1
    assert net.parameters.size == 1220
    X, y = np.random.default_rng(0).normal(size=(3, 33)), np.ones((3, 4))
    check = nn.check_gradient(net, X, y)
    assert check and "agree on all 1,000 parameters that were tried, of 1,220;" in repr(check)
    assert max(map(len, repr(check).splitlines())) <= 75
    right = nn.Network.gradients

    def wrong(self, *data, **settings):
        gradients = right(self, *data, **settings)
        gradients.vector[check.indices[[3, 500, 999]]] += 1
        gradients.vector[check.indices[[7, 8]]] = np.nan, np.inf
        return gradients

    monkeypatch.setattr(nn.Network, "gradients", wrong)
    check = nn.check_gradient(net, X, y)
    assert not check and "DISAGREE on 5 of the 1,000 parameters that were tried, of 1,220;" in repr(check)
    assert "nan" in repr(check)


def test_a_corner_within_the_nudge_is_no_fault():
    net = nn.Network([1, nn.Dense(1, "relu", init=1.0), nn.Dense(1, init=1.0)], dtype="float64")
    assert nn.check_gradient(net, [[1e-5]], [[1.0]])  # eps = 1e-4 steps over relu's corner


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("y", [[1, 0, 0, 1], [0, 1, 1, 0]])
def test_a_sample_on_the_corner_is_no_fault(y, dtype):
    X = [[0, 0], [0, 1], [1, 0], [1, 1]]  # biases begin at 0: the first is on the corner of every unit
    for seed in range(5):
        assert nn.check_gradient(nn.Network([2, 8, 1], seed=seed, dtype=dtype), X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tanh_reaches_one_and_is_flat_there(dtype):
    net = nn.Network([1, 1], output="tanh", init=1.0, dtype=dtype)
    assert net.predict([[30.0], [-1e30]]).tolist() == [[1], [-1]] and net.jacobian([30.0]).tolist() == [[0]]
    assert nn.check_gradient(net, [[1000.0], [2000.0]], [0, 0])


def test_large_networks_are_sampled():
    X, y = nn.datasets.load_digits()
    net = nn.Network([64, 32, 10], output="softmax", seed=0)
    before = net.parameters.copy()
    check = nn.check_gradient(net, X[:20], y[:20], most=50)
    assert check and check.checked == 50 and check.parameters == 2410
    assert np.array_equal(net.parameters, before)
    assert np.array_equal(check.indices, nn.check_gradient(net, X[:20], y[:20], most=50).indices)


def test_dropout_is_left_out():
    net = nn.Network([3, nn.Dense(8, "tanh", dropout=0.5), 2], dtype="float64", seed=0)
    assert nn.check_gradient(net, np.eye(3), np.eye(3)[:, :2])


def test_nudging_wants_a_step():
    with pytest.raises(ValueError, match="eps must be a number above 0"):
        nn.numeric_gradient(one_weight(), X5, Y5, eps=0)


# ---- names -----------------------------------------------------------------------------------------------------------


def test_names_and_places_go_both_ways():
    net = nn.Network([3, nn.Dense(4, bias=False), 2], seed=0)
    net.parameters[:] = np.arange(net.parameters.size)
    for i, (long, short) in enumerate(zip(names(net), names(net, short=True), strict=True)):
        assert index_of(net, long) == index_of(net, short) == index_of(net, f"net.{long}") == i
        assert eval(long, {"layers": net.layers}) == i  # the name is Python's own
    assert name_of(net, -1) == "layers[1].bias[1]"
    assert index_of(net, "W1[2][3]") == index_of(net, "W1[2,3]") == 11


@pytest.mark.parametrize(
    "wrong", ["W3[0, 0]", "W1[3, 0]", "W1[0]", "b1[0]", "w", "layers[0].bias[0]", 99, -99, "W0[0, 0]"]
)
def test_no_such_parameter(wrong):
    with pytest.raises(ValueError, match="parameter"):
        index_of(nn.Network([3, nn.Dense(4, bias=False), 2], seed=0), wrong)


def test_a_parameter_is_a_name_or_a_place():
    with pytest.raises(TypeError, match="name"):
        index_of(one_weight(), 1.5)


# ---- sweeps ----------------------------------------------------------------------------------------------------------


def test_a_sweep_is_the_parabola():
    net = one_weight()
    values = np.linspace(0, 8, 33)
    sweep = nn.loss_sweep(net, X5, Y5, "W1[0, 0]", values, loss="sse")
    np.testing.assert_allclose(sweep.loss, 30 * (values - 4) ** 2, atol=1e-12)
    assert sweep.best == 4 and sweep.at == (2.0,) and sweep.loss_there == 120 and net.parameters.tolist() == [2.0]
    assert "smallest sse 0 at 4" in repr(sweep) and "*" in str(sweep)


def test_a_surface():
    net = nn.Network([1, nn.Dense(1, init=2.0)], dtype="float64")
    surface = nn.loss_sweep(net, X5, Y5, (0, "b1[0]"), ([3, 4, 5], [-1, 0, 1, 2]), loss="sse")
    assert surface.loss.shape == (3, 4) and surface.best == (4.0, 0.0)
    for i, weight in enumerate([3, 4, 5]):
        for j, bias in enumerate([-1, 0, 1, 2]):
            expected = sum((weight * x + bias - y) ** 2 for x, y in zip(X5, Y5, strict=True))
            assert surface.loss[i, j] == pytest.approx(expected, abs=1e-12)
    assert "3 x 4 values" in str(surface)


@pytest.mark.parametrize(
    ("parameter", "values", "words"),
    [
        (0, [], "finite numbers"),
        (0, [np.nan], "finite"),
        ((0, 0), ([1], [2]), "twice"),
        ((0, 1), [[1], [2], [3]], "pair"),
    ],
)
def test_sweeps_in_words(parameter, values, words):
    net = nn.Network([1, nn.Dense(1, init=2.0)], dtype="float64")
    with pytest.raises(ValueError, match=words):
        nn.loss_sweep(net, X5, Y5, parameter, values)


# ---- guesses ---------------------------------------------------------------------------------------------------------


def test_guessing_one_weight():
    net = one_weight()
    found = nn.random_search(net, X5, Y5, -100, 100, 2000, 0, loss="sse")
    assert found.loss < 1 and abs(found.parameters[0] - 4) < 0.2 and found.trials == 2000
    assert net.parameters.tolist() == [2.0]
    losses = [loss for _, loss in found.improvements]
    assert losses == sorted(losses, reverse=True) and losses[-1] == found.loss
    net.parameters[:] = found.parameters
    assert net.evaluate(X5, Y5, loss="sse")["loss"] == found.loss
    again = nn.random_search(net, X5, Y5, -100, 100, 2000, 0, loss="sse")
    assert np.array_equal(again.parameters, found.parameters) and again.improvements == found.improvements


def test_guessing_stops_when_it_is_good_enough():
    found = nn.random_search(one_weight(), X5, Y5, trials=100_000, seed=1, loss="sse", stop_loss=100)
    assert found.loss <= 100 and found.trials == found.improvements[-1][0] < 100_000


def test_guessing_does_not_scale():
    counts = []
    for count in (1, 2):
        net = nn.Network([count, nn.Dense(1, bias=False)], dtype="float64", seed=0)
        searches = [nn.random_search(net, np.eye(count), np.full(count, 4.0), trials=100_000, seed=seed, loss="sse",
                                     stop_loss=25) for seed in range(20)]  # fmt: skip
        counts.append(np.mean([search.trials for search in searches]))
    assert counts[1] > 8 * counts[0]


def test_guesses_in_words():
    with pytest.raises(ValueError, match="low must be below high"):
        nn.random_search(one_weight(), X5, Y5, 3, 3)
    with pytest.raises(ValueError, match="trials"):
        nn.random_search(one_weight(), X5, Y5, trials=0)


# ---- tables and curves -----------------------------------------------------------------------------------------------


def test_long_tables_leave_out_the_middle():
    lines = str(Table("t", ["i"], [[i] for i in range(100)], most=8)).splitlines()
    assert [line.strip() for line in lines[2:]] == ["0", "1", "2", "3", "4", "5", "...", "98", "99"]


def test_a_table_is_told_in_one_line():
    table = Table("squares, 'x x'", ["x", "x x"], [[i, i * i] for i in range(1000)], most=8, footer=("sum", 5.0))
    assert repr(table) == "Table(\"squares, 'x x'\", 1,000 rows, 2 columns)"
    assert repr(Table("", ["i"], [[1]])) == "Table('', 1 row, 1 column)"
    assert repr([table]) == f"[{table!r}]" and len(str(table).splitlines()) == 13


def test_curves_of_any_numbers():
    assert "nothing" in text_curve([1], [np.nan])
    flat = text_curve([0, 1], [3, 3], height=3, width=10)
    assert flat.splitlines()[0].endswith("|" + "*" * 10)
    assert "o" in text_curve([0, 1, 2], [1, np.inf, 2], points=([1], [1.5]))
    assert text_curve([2, 0, 1], [4, 0, 1]) == text_curve([0, 1, 2], [0, 1, 4])
    with pytest.raises(ValueError, match="height must be a positive integer"):
        text_curve([1], [1], height=0)
    with pytest.raises(ValueError, match="points has 2 x and 1 y"):
        text_curve([1], [1], points=([1, 2], [1]))
    with pytest.raises(ValueError, match="too far apart"):
        text_curve([0, 1], [-1e308, 1e308])
    assert all(len(line) < 80 for line in text_curve(np.arange(9), np.arange(9.0) ** 9).splitlines())


def test_a_sweep_without_a_number():
    net = nn.Network([1, nn.Dense(1, bias=False, init=2.0)], dtype="float64")
    with np.errstate(over="ignore"):
        sweep = nn.loss_sweep(net, [1e200], [1.0], "W1[0, 0]", [1e200], loss="sse")
    assert "LossSweep" in repr(sweep) and "W1[0, 0] varies" in str(sweep)
    with pytest.raises(TypeError, match="masked"):
        nn.loss_sweep(net, [1], [1], "W1[0, 0]", np.ma.masked_greater([1.0, 2.0], 1.5))
