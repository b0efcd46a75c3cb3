"""The numpy reference: worked numbers, numeric gradients of every activation and loss, its lists and the core's."""

from __future__ import annotations

import ast
import inspect
import math
from pathlib import Path

import numpy as np
import pytest

from nncore import _kernels, reference
from nncore.reference import ACTIVATIONS, LOSSES, OPTIMIZERS, Network, numeric_gradient


def relative(got, expected):
    return float(np.max(np.abs(got - expected)) / max(np.max(np.abs(expected)), 1e-12))


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_slope_of_y_4x_by_hand():
    # loss(w) = sum (w x - 4 x)^2 over x = 1..4: 120 at w = 2; its slope is 2 (w - 4) 30 = -120
    net = Network([1, 1], weights=[([[2.0]], None)])
    x = np.array([[1.0], [2.0], [3.0], [4.0]])
    assert net.loss(x, 4 * x, "sse") == 120.0
    assert net.gradients(x, 4 * x, "sse")[0][0].tolist() == [[-120.0]]
    assert net.loss(x, 4 * x, "mse") == 30.0
    # one step of gradient descent with rate 0.01: 2 + 1.2
    assert net.step(x, 4 * x, reference.SGD(0.01), "sse") == 120.0
    assert net.parameters.tolist() == pytest.approx([3.2])


def test_two_layers_by_hand():
    # x = 1, hidden = relu(2 - 1, -3 + 1) = (1, 0), y = 5 * 1 + 7 * 0 + 0.5 = 5.5; t = 5: loss 0.25, dy = 2 * 0.5 = 1
    weights = [([[2.0, -3.0]], [-1.0, 1.0]), ([[5.0], [7.0]], [0.5])]
    net = Network([1, 2, 1], "relu", weights=weights)
    assert net.forward([[1.0]]).tolist() == [[5.5]]
    (dW1, db1), (dW2, db2) = net.gradients([[1.0]], [[5.0]])
    assert dW2.tolist() == [[1.0], [0.0]] and db2.tolist() == [1.0]
    assert dW1.tolist() == [[5.0, 0.0]] and db1.tolist() == [5.0, 0.0]


def test_softmax_cross_entropy_by_hand():
    # logits (0, log 3): probabilities (1/4, 3/4); label 0 costs log 4; dz = (1/4 - 1, 3/4)
    net = Network([1, 2], output="softmax", weights=[([[0.0, math.log(3)]], None)])
    assert net.forward([[1.0]])[0] == pytest.approx([0.25, 0.75])
    assert net.loss([[1.0]], [0]) == pytest.approx(math.log(4))
    assert net.gradients([[1.0]], [0])[0][0][0] == pytest.approx([-0.75, 0.75])


def test_binary_cross_entropy_by_hand():
    # logit log 3: probability 3/4; target 1 costs log 4/3; dz = -1/4
    net = Network([1, 1], output="sigmoid", weights=[([[math.log(3)]], None)])
    assert net.loss([[1.0]], [1]) == pytest.approx(math.log(4 / 3))
    assert net.gradients([[1.0]], [1])[0][0][0] == pytest.approx([-0.25])


@pytest.mark.parametrize(
    ("optimizer", "settings", "expected"),
    [
        # p = 1, g = 2 twice; worked with PyTorch's formulas
        ("sgd", {"learning_rate": 0.1}, 1 - 0.2 - 0.2),
        ("sgd", {"learning_rate": 0.1, "momentum": 0.5}, 1 - 0.2 - 0.3),
        ("sgd", {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}, 1 - 0.3 - 0.35),
        ("sgd", {"learning_rate": 0.1, "weight_decay": 0.5}, 0.75 - 0.1 * (2 + 0.375)),
        ("adam", {"learning_rate": 0.1, "epsilon": 1e-30}, 1 - 0.1 - 0.1),  # a constant gradient moves by the rate
        ("adamw", {"learning_rate": 0.1, "epsilon": 1e-30, "weight_decay": 0.5}, 0.85 * 0.95 - 0.1),
    ],
)
def test_two_steps_of_each_optimizer_by_hand(optimizer, settings, expected):
    p = np.array([1.0])
    rule = OPTIMIZERS[optimizer](**settings)
    for _ in range(2):
        rule.update(p, np.array([2.0]), [slice(0, 1)])
    assert p[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_leaves_biases_alone(name):
    decayed, plain = np.ones(4), np.ones(4)
    OPTIMIZERS[name](weight_decay=0.5).update(decayed, np.full(4, 2.0), [slice(0, 2)])
    OPTIMIZERS[name](weight_decay=0.0).update(plain, np.full(4, 2.0), [slice(0, 2)])
    assert (decayed[2:] == plain[2:]).all()
    # Adam divides the gradient by its own size, so its first step is the same with a larger one
    assert (decayed[:2] < plain[:2]).all() or name == "adam"


# ---- gradients -------------------------------------------------------------------------------------------------------

PAIRS = [(output, loss) for output in ACTIVATIONS for loss in LOSSES if LOSSES[loss].link in (None, output)]


def _targets(output, loss, rng, n, outputs):
    if LOSSES[loss].link == "sigmoid":
        return rng.random((n, outputs))
    if LOSSES[loss].link == "softmax":
        return rng.integers(0, outputs, n)
    return rng.standard_normal((n, outputs))


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", [name for name in ACTIVATIONS if name != "softmax"])
def test_gradients_are_the_slopes_of_the_loss(hidden, output, loss):
    rng = np.random.default_rng(3)
    net = Network([3, 4, 5, 2], hidden, output, seed=1)
    for _, b in net.weights:
        b[...] = rng.standard_normal(b.shape) * 0.3
    X, y = rng.standard_normal((6, 3)), _targets(output, loss, rng, 6, 2)
    expected = numeric_gradient(lambda: net.loss(X, y, loss), net.parameters)
    got = np.concatenate([part.ravel() for pair in net.gradients(X, y, loss) for part in pair])
    assert relative(got, expected) < 1e-7
    assert net.loss_and_gradients(X, y, loss)[0] == net.loss(X, y, loss)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_loss_of_outputs_is_the_loss_of_the_network(output, loss):
    rng = np.random.default_rng(4)
    net = Network([3, 2], output=output)
    X, y = rng.standard_normal((6, 3)), _targets(output, loss, rng, 6, 2)
    assert reference.loss_value(net.forward(X), y, loss) == pytest.approx(net.loss(X, y, loss), rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_keep_the_type_and_survive_the_extremes(name, dtype):
    z = np.array([[-1e4, -90.0, -1.0, 0.0, 1.0, 90.0, 1e4]], dtype)
    activation = ACTIVATIONS[name]
    kept = z.copy()
    y = activation.value(z, None, activation.parameter)
    assert y.dtype == z.dtype and np.isfinite(y).all() and (z == kept).all()
    slope = activation.backward(np.ones_like(z), z if activation.reads_z else y, activation.parameter)
    assert slope.dtype == z.dtype and np.isfinite(slope).all()
    in_place = z.copy()
    assert activation.value(in_place, in_place, activation.parameter) is in_place and (in_place == y).all()


def test_losses_joined_with_their_output_are_finite_for_any_z():
    for output, loss, y in (("softmax", "cross_entropy", [1]), ("sigmoid", "binary_cross_entropy", [[1.0, 0.0]])):
        net = Network([1, 2], output=output, weights=[([[1e4, -1e4]], None)])
        assert math.isfinite(net.loss([[1.0]], y, loss)) and math.isfinite(net.loss([[-1.0]], y, loss))


def test_float32_gradients_are_those_of_float64_to_its_precision():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((16, 8)), rng.integers(0, 3, 16)
    wide = Network([8, 16, 3], "tanh", "softmax")
    narrow = Network([8, 16, 3], "tanh", "softmax", weights=wide.weights, dtype="float32")
    for (dW, db), (dw, db32) in zip(wide.gradients(X, y), narrow.gradients(X, y), strict=True):
        assert dw.dtype == np.float32 and relative(dw, dW) < 1e-5 and relative(db32, db) < 1e-5


# ---- training and structure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_learns(name):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 2))
    net = Network([2, 16, 1], "tanh", seed=0)
    history = net.fit(X, X[:, :1] * X[:, 1:], 60, OPTIMIZERS[name](learning_rate=0.02), batch_size=10)
    assert history[-1] < 0.5 * history[0]


def test_parameters_are_one_vector_under_the_views():
    net = Network([2, 3, 1], weights=[(np.ones((2, 3)), None), (np.ones((3, 1)), [5.0])])
    assert net.parameters.tolist() == [1.0] * 9 + [5.0]
    net.parameters[:] = 2
    assert (net.weights[0][0] == 2).all() and net.weights[0][1] is None


def test_gradients_of_two_calls_do_not_share_memory():
    net = Network([1, 1])
    first = net.gradients([[1.0]], [[1.0]])[0][0]
    kept = first.copy()
    net.gradients([[5.0]], [[-1.0]])
    assert (first == kept).all()


def test_a_loss_needs_its_output():
    with pytest.raises(ValueError, match="softmax"):
        Network([1, 2]).loss([[1.0]], [0], "cross_entropy")


def test_the_lists_are_those_of_the_core():
    """A row of the core asks for its twin here."""
    assert set(ACTIVATIONS) == set(_kernels.activations())
    assert set(LOSSES) == set(_kernels.losses())
    assert set(OPTIMIZERS) == set(_kernels.optimizers())
    for name, row in _kernels.activations().items():
        assert ACTIVATIONS[name].init == row.init, name
        assert not row.parameter or ACTIVATIONS[name].parameter == row.parameter_default, name
    for name, row in _kernels.losses().items():
        assert LOSSES[name].link == row.link, name
        counts = {"mean": 6, "sum": 1, "mean_of_rows": 2}
        assert LOSSES[name].divisor(2, 3) == counts[row.reduction], name
    for name, row in _kernels.optimizers().items():
        parameters = inspect.signature(OPTIMIZERS[name]).parameters
        assert {key: float(value.default) for key, value in parameters.items()} == row.defaults, name


def test_the_reference_imports_nothing_of_the_package():
    for path in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1 and not (node.module or "").startswith("nncore"), path.name
            elif isinstance(node, ast.Import):
                assert all(not alias.name.startswith("nncore") for alias in node.names), path.name
