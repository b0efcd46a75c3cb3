"""Samples full of zeros, as pixels and one-hot columns are, and layers behind relu and dropout: products leave zeros out where a
look at some rows says that it pays, and no bit may hang by that."""

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels

DTYPES = ["float32", "float64"]
INPUTS, ROWS = 200, 70


def samples(rows, filled, dtype="float64", seed=0):
    """(rows, INPUTS), so many of them other than zero: some are of either sign, one row has nothing else, one is full."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, INPUTS)) * (rng.random((rows, INPUTS)) < filled)
    X[3], X[-2] = 0, 1
    X[:, 5] = -0.0
    return X.astype(dtype)


def network(dtype, output="identity", dropout=0.0):
    """Most of its relus give zero."""
    hidden = [nn.Dense(size, "relu", dropout=dropout) for size in (300, 90)]
    net = nn.Network([INPUTS, *hidden, nn.Dense(3, output)], dtype=dtype, seed=1)
    for layer in net.layers:
        layer.bias[:] = -0.3
    return net


def bits(array):
    return np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("filled", [0.01, 0.2, 0.45])
def test_a_row_has_one_answer_whatever_stands_beside_it(isa, dtype, filled, bias):
    net = nn.Network([INPUTS, 300, 90, 3], hidden="relu", bias=bias, dtype=dtype, seed=1)
    X = samples(ROWS, filled, dtype)
    among = np.ones((2 * ROWS, INPUTS), dtype)  # every other row is full, and with it what a look sees
    among[::2] = X
    frozen = net.freeze()
    want = bits(net.predict(among)[::2])
    assert bits(net.predict(X)) == want
    assert bits(frozen(among)[::2]) == want
    assert bits(frozen(X)) == want
    assert bits([frozen(x) for x in X]) == want
    assert bits([net.predict(x) for x in X]) == want


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("filled", [0.01, 0.2, 0.45])
def test_a_gradient_does_not_hang_by_what_counts_for_nothing(isa, dtype, filled):
    net = network(dtype)
    X, y = samples(ROWS, filled, dtype), samples(ROWS, 1, dtype, seed=1)[:, :3]
    among, targets = np.ones((3 * ROWS, INPUTS), dtype), np.ones((3 * ROWS, 3), dtype)
    among[::3], targets[::3] = X, y
    counts = np.arange(3 * ROWS) % 3 == 0
    got = net.gradients(X, y, loss="sse")
    want = net.gradients(among, targets, loss="sse", sample_weight=counts)
    assert got.loss == want.loss
    assert bits(got.vector) == bits(want.vector)


@pytest.mark.parametrize("filled", [0.02, 0.2])
def test_the_gradient_is_that_of_the_formula(isa, filled):
    net = network("float64")
    X, y = samples(ROWS, filled), samples(ROWS, 1, seed=1)[:, :3]
    ys = [X]
    for i, layer in enumerate(net.layers):
        z = ys[-1] @ layer.weight + layer.bias
        ys.append(np.maximum(0, z) if i < 2 else z)
    dz = 2 * (ys[-1] - y)
    got = net.gradients(X, y, loss="sse")
    for i in (2, 1, 0):
        np.testing.assert_allclose(got.layers[i].weight, ys[i].T @ dz, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(got.layers[i].bias, dz.sum(0), rtol=1e-9, atol=1e-9)
        dz = (dz @ net.layers[i].weight.T) * (ys[i] > 0)


@pytest.mark.parametrize("dropout", [0, 0.7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_training_has_the_same_bits_on_any_number_of_threads(isa, dtype, dropout):
    X = samples(150, 0.15, dtype)
    trained = []
    for threads in (1, 2, 3):
        net = network(dtype, "softmax", dropout)
        net.fit(X, np.arange(150) % 3, epochs=2, batch_size=64, threads=threads)
        trained.append(bits(net.parameters))
    assert trained[0] == trained[1] == trained[2]


def test_instruction_sets_with_fma_agree():
    before, trained = _kernels.isa(), set()
    try:
        for isa, here in _kernels.isas().items():
            if here and isa != "generic":
                _kernels.select_isa(isa)
                net = network("float32", "softmax")
                net.fit(samples(150, 0.15, "float32"), np.arange(150) % 3, epochs=2, batch_size=64)
                trained.add(bits(net.parameters))
    finally:
        _kernels.select_isa(before)
    assert len(trained) <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_weight_that_is_not_finite_is_seen_behind_a_zero(isa, layer, value):
    net = network("float64")
    X = samples(ROWS, 0.1)
    net.predict(X)
    hidden = X
    for some in net.layers[:layer]:
        hidden = np.maximum(0, hidden @ some.weight + some.bias)
    net.layers[layer].weight[5] = value  # an input that is zero in most rows
    assert np.mean(hidden[:, 5] == 0) > 0.5
    assert np.isnan(net.predict(X)).any(axis=1).sum() >= np.sum(hidden[:, 5] == 0)
    with pytest.raises(FloatingPointError):
        net.fit(X, X[:, :3], epochs=1, batch_size=ROWS)
