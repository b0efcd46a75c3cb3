"""Large layers are shared out by columns among the threads of a team, small ones by rows: the same bits either way."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn

# name: (layers, output, loss, dtype), each with a layer of more weights than every thread had better read
CASES = {
    "by columns, then by rows": ([256, nn.Dense(512, "tanh"), nn.Dense(256, "gelu"), 10], "identity", "mse", "float32"),
    "one after the other": ([300, 512, 512, 384], "identity", "mse", "float32"),
    "odd widths, no bias": ([301, nn.Dense(521, bias=False), nn.Dense(263), 5], "softmax", "cross_entropy", "float32"),
    "many classes": ([64, 1040], "softmax", "cross_entropy", "float32"),
    "a softmax by itself": ([64, 1040], "softmax", "mse", "float32"),
    "dropout": ([256, nn.Dense(512, dropout=0.3), nn.Dense(512), 3], "sigmoid", "binary_cross_entropy", "float32"),
    "one output": ([1030, 256, 1], "identity", "mse", "float32"),
    "double": ([200, 260, 256, 4], "identity", "mse", "float64"),
}


def trained(name, batch, threads):
    layers, output, loss, dtype = CASES[name]
    net = nn.Network(layers, hidden="relu", output=output, seed=5, dtype=dtype)
    random = np.random.default_rng(batch)
    X = random.standard_normal((2 * batch + batch // 2, net.inputs)).astype(dtype)
    y = random.uniform(0, 1, (len(X), net.outputs)).astype(dtype)
    if loss == "cross_entropy":
        y = y.argmax(axis=1)
    losses = net.fit(X, y, epochs=2, batch_size=batch, loss=loss, threads=threads, seed=3, progress=False).loss
    return net.parameters.tobytes(), tuple(losses), net.evaluate(X, y, loss=loss)["loss"]


@pytest.mark.parametrize("batch", [1, 2, 7, 33, 96])
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_threads_has_the_same_bits(name, batch, fma_isa):
    want = trained(name, batch, 1)
    for threads in (2, 3, 4, 6, 8):
        assert trained(name, batch, threads) == want, f"{threads} threads"


def test_gradients_are_shared_out_too():
    net = nn.Network([300, 512, 512, 384], hidden="tanh", seed=1)
    X, y = np.random.default_rng(0).standard_normal((2, 20, 384)).astype("float32")
    found = set()
    for threads in (1, 2, 5):
        nn.set_threads(threads)
        gradients = net.gradients(X[:, :300].copy(), y)
        found.add((gradients.loss, gradients.vector.tobytes()))
    assert len(found) == 1
