"""Derivatives of outputs by inputs: against nudged inputs, against each other, and in place."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import nncore as nn

HIDDEN = [name for name, row in nn.activations().items() if not row.rowwise]
# more inputs than outputs, and the other way round: the two ways of computing; narrow, wide, deep, without hidden layer
SIZES = [[1, 1], [3, 2], [2, 3, 1], [12, 64, 64, 6], [64, 32, 10], [3, 50, 70, 40, 5], [100, 300, 7], [33, 1, 2],
         [5, 260, 270, 9]]  # fmt: skip


def made(sizes, hidden="tanh", output="identity", dtype="float64", seed=1):
    net = nn.Network(sizes, hidden=hidden, output=output, dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed)
    for layer in net.layers:
        layer.bias = rng.normal(0, 0.1, layer.outputs)
    return net


def nudged(net, x, eps=1e-6):
    columns = []
    for i in range(net.inputs):
        step = np.zeros(net.inputs)
        step[i] = eps
        columns.append((net.predict(x + step) - net.predict(x - step)).reshape(-1) / (2 * eps))
    return np.array(columns).T


def close(got, expected):
    return np.abs(got - expected).max() <= 1e-6 * max(1e-2, np.abs(expected).max())


@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "-".join(map(str, sizes)))
@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid", "silu"])
def test_every_shape_against_nudging(sizes, output):
    if output == "softmax" and sizes[-1] == 1:
        pytest.skip("softmax needs two outputs")
    net = made(sizes, output=output)
    X = np.random.default_rng(0).normal(size=(3, sizes[0]))
    J = net.jacobian(X)
    assert J.shape == (3, sizes[-1], sizes[0])
    for x, j in zip(X, J, strict=True):
        assert close(j, nudged(net, x))


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("sizes", [[4, 9, 3], [3, 9, 8, 6]], ids=["back", "ahead"])
def test_every_activation_against_nudging(hidden, sizes, isa):
    net = made(sizes, hidden=hidden)
    x = np.random.default_rng(3).normal(size=sizes[0])
    assert close(net.jacobian(x), nudged(net, x))
    assert close(net.input_gradient(x, output=1), nudged(net, x)[1])


def test_a_sample_alone_is_the_same_bits_as_among_others(fma_isa):
    for sizes in SIZES[2:]:
        net = made(sizes, dtype="float32")
        X = np.random.default_rng(0).normal(size=(70, sizes[0])).astype(np.float32)
        J = net.jacobian(X)
        G = net.input_gradient(X)
        for i in (0, 5, 69):
            assert np.array_equal(net.jacobian(X[i]), J[i])
            assert np.array_equal(net.input_gradient(X[i]), G[i])
        for threads in (1, 2, 3):
            assert np.array_equal(net.jacobian(X, threads=threads), J)
            assert np.array_equal(net.input_gradient(X, threads=threads), G)


def test_input_gradient_is_a_weighted_sum_of_rows():
    rng = np.random.default_rng(0)
    for sizes in SIZES:
        net = made(sizes)
        X = rng.normal(size=(5, sizes[0]))
        J = net.jacobian(X)
        W = rng.normal(size=(5, sizes[-1]))
        np.testing.assert_allclose(net.input_gradient(X), J.sum(axis=1), atol=1e-12)
        np.testing.assert_allclose(net.input_gradient(X, output=-1), J[:, -1], atol=1e-12)
        np.testing.assert_allclose(net.input_gradient(X, weights=W), np.einsum("no,noi->ni", W, J), atol=1e-12)
        np.testing.assert_allclose(net.input_gradient(X, weights=W[0]), W[0] @ J, atol=1e-12)


def test_it_is_the_gradient_of_the_loss_by_the_inputs():
    # what a trace says comes back to the inputs is weights = dloss/doutput
    net = made([4, 8, 3])
    X, T = np.random.default_rng(0).normal(size=(2, 6, 4)), np.random.default_rng(1).normal(size=(6, 3))
    trace = net.trace(X[0], T, loss="sse")
    np.testing.assert_allclose(net.input_gradient(X[0], weights=2 * trace.error), trace["dx"], atol=1e-12)


def test_out_is_written_in_place():
    net = made([12, 64, 64, 6], dtype="float32")
    x = np.linspace(-1, 1, 12, dtype=np.float32)
    J, g = np.empty((6, 12), np.float32), np.empty(12, np.float32)
    assert net.jacobian(x, J) is J and net.jacobian(x, out=J) is J
    assert net.input_gradient(x, g) is g
    assert np.array_equal(J, net.jacobian(x)) and np.array_equal(g, net.input_gradient(x))
    many = np.empty((3, 6, 12), np.float32)
    assert net.jacobian(np.stack([x] * 3), many) is many and np.array_equal(many[2], J)


def test_out_that_shares_memory_never_changes_the_answer():
    net = nn.Network([4, 8, 2], hidden="tanh", seed=0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    out = np.empty((300, 2, 4), np.float32)
    x = out.reshape(-1, 4)[:300]  # begins where out does, but is no row of it for each sample
    x[:] = X
    with pytest.raises(ValueError, match="share memory"):
        net.jacobian(x, out)
    assert (x == X).all()
    one = nn.Network([4, 8, 1], hidden="tanh", seed=0)  # row for row it may take X's place
    want, out = one.jacobian(X), X.copy()
    assert (one.jacobian(out, out.reshape(300, 1, 4)) == want).all()
    wide = nn.Network([8, 8, 4], hidden="tanh", seed=0)
    X = rng.normal(size=(300, 8)).astype(np.float32)
    for count in (1, 300):
        out = np.empty((300, 8), np.float32)
        weights = out.reshape(-1)[: count * 4].reshape(count, 4)
        weights[:] = rng.normal(size=weights.shape)
        given = weights[0] if count == 1 else weights
        want = wide.input_gradient(X, weights=given.copy())
        assert (wide.input_gradient(X, out, weights=given) == want).all()


def test_anything_array_like():
    net = made([3, 5, 2])
    expected = net.jacobian(np.array([1.0, 2.0, 3.0]))
    for x in ([1, 2, 3], (1.0, 2, 3), np.array([1, 2, 3]), np.arange(6.0)[1::2] / 2 + 0.5, np.float32([1, 2, 3])):
        assert np.array_equal(net.jacobian(x), expected)
    assert net.jacobian([[1, 2, 3]]).shape == (1, 2, 3)
    assert made([1, 4, 2]).jacobian([0.5]).shape == (2, 1)
    assert made([1, 4, 2]).jacobian([0.5, 1.5]).shape == (2, 2, 1)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda net: net.jacobian([1, 2]), ValueError, "takes 3 inputs"),
        (lambda net: net.jacobian([1, np.nan, 3]), ValueError, "X.0, 1. is nan"),
        (lambda net: net.jacobian(np.array([1, np.inf, 3])), ValueError, "X.0, 1. is inf"),
        (lambda net: net.jacobian("abc"), TypeError, "text"),
        (lambda net: net.jacobian([1, 2, 3], np.empty((3, 2))), ValueError, "shape"),
        (lambda net: net.jacobian([1, 2, 3], np.empty((2, 3), np.float32)), TypeError, "float32"),
        (lambda net: net.jacobian([1, 2, 3], np.empty((2, 6))[:, ::2]), ValueError, "C-contiguous"),
        (lambda net: net.jacobian([1, 2, 3], threads=0), ValueError, "threads"),
        (lambda net: net.input_gradient([1, 2, 3], output=2), ValueError, "0 to 1"),
        (lambda net: net.input_gradient([1, 2, 3], output=1.5), TypeError, "number of an output"),
        (lambda net: net.input_gradient([1, 2, 3], output=1, weights=[1, 1]), ValueError, "not both"),
        (lambda net: net.input_gradient([1, 2, 3], weights=[1, 1, 1]), ValueError, "one number per output"),
        (lambda net: net.input_gradient([1, 2, 3], weights=[1, np.nan]), ValueError, "nan"),
    ],
)  # fmt: skip
def test_errors_in_words(call, kind, words):
    net = made([3, 5, 2])
    with pytest.raises(kind, match=words):
        call(net)
    assert np.isfinite(net.jacobian([1, 2, 3])).all()  # and it goes on working


def test_it_follows_the_weights_and_ignores_dropout():
    net = nn.Network([3, nn.Dense(20, "tanh", dropout=0.5), 2], dtype="float64", seed=0)
    x = np.array([0.1, 0.2, 0.3])
    before = net.jacobian(x)
    assert np.array_equal(before, net.jacobian(x)) and close(before, nudged(net, x))
    net.parameters[:] *= 1.1
    assert not np.array_equal(before, net.jacobian(x)) and close(net.jacobian(x), nudged(net, x))
    assert np.array_equal(net.copy().jacobian(x), net.jacobian(x))


@pytest.mark.parametrize("sizes", [[20000, 10], [4000, 32, 32], [300, 40, 9000]], ids=str)
def test_memory_is_of_the_order_of_the_layers(sizes):
    """Rows as long as the input for each input would be 1.6 GB, and 64 MB."""
    net, x = nn.Network(sizes, seed=0), np.zeros(sizes[0], np.float32)
    tracemalloc.start()
    try:
        net.input_gradient(x, threads=1)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


def test_threads_of_the_caller(together):
    net = made([12, 64, 64, 6], dtype="float32")
    X = np.random.default_rng(0).normal(size=(8, 12)).astype(np.float32)
    expected = net.jacobian(X)

    def work(i):
        out = np.empty((6, 12), np.float32)
        for _ in range(300):
            assert np.array_equal(net.jacobian(X[i], out), expected[i])

    together(8, work)


def test_one_sample_speed(benchmark):
    """At most 3 us on the reference machine (AVX-512)."""
    net = made([12, 64, 64, 6], dtype="float32")
    x, out = np.linspace(-1, 1, 12, dtype=np.float32), np.empty((6, 12), np.float32)
    benchmark(net.jacobian, x, out)
