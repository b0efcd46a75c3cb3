"""Parts of a training step beside the numpy reference: `pytest --benchmark-only`; the ratio stands in each group's
table.

What is timed, in one call from Python each:
    forward     Network.predict of a batch with out=                 reference: Network.forward
    backprop    Network.gradients: forward, loss, backward and the   reference: Network.loss_and_gradients
                whole gradient written out
    update      Trainer.step on one sample, where the update is      reference: Adam.update alone, on a gradient
                nearly all of it                                     that is there already
    step        Trainer.step: everything, checks of the data too     reference: Network.step
    single      one sample through a frozen Predictor                reference: Network.forward
Each table holds one net in both implementations; the figure in brackets is the ratio to the faster one.
"""

import numpy as np
import pytest

import nncore as nn
from nncore import reference

from .workloads import TOY

NETS = [
    [2, 8, 1],
    [8, 32, 32, 1],
    [64, 128, 64, 1],
    [64, 100, 10],
    [784, 128, 10],
    [784, 512, 256, 10],
    [1024, 1024, 1024, 10],
]
NETS = NETS[:3] if TOY else NETS
SIZES = [pytest.param(sizes, id="-".join(map(str, sizes))) for sizes in NETS]
WHO = ["nncore", "numpy"]


class Pair:
    """Both networks with the same weights, a batch for them, and what is timed of each."""

    def __init__(self, sizes, batch):
        self.net = nn.Network(sizes, hidden="tanh", seed=0)
        weights = [(layer.weight, layer.bias) for layer in self.net.layers]
        self.other = reference.Network(sizes, "tanh", "identity", weights, dtype="float32")
        rng = np.random.RandomState(0)
        self.X = rng.standard_normal((batch, sizes[0])).astype("float32")
        self.y = rng.standard_normal((batch, sizes[-1])).astype("float32")
        self.out = np.empty((batch, sizes[-1]), np.float32)
        self.trainer = nn.Trainer(self.net, optimizer=nn.Adam(1e-3), batch_size=batch)
        self.adam = reference.Adam(1e-3)

    def forward(self):
        return lambda: self.net.predict(self.X, out=self.out), lambda: self.other.forward(self.X)

    def backprop(self):
        return (
            lambda: self.net.gradients(self.X, self.y).vector,
            lambda: (self.other.loss_and_gradients(self.X, self.y), self.other._gradient)[1],
        )

    def update(self):
        gradient, spans = np.full_like(self.net.parameters, 0.01), [w for w, _ in self.other._spans]
        return (
            lambda: self.trainer.step(self.X[0], self.y[0]),
            lambda: self.adam.update(self.other.parameters, gradient, spans),
        )

    def step(self):
        return lambda: self.trainer.step(self.X, self.y), lambda: self.other.step(self.X, self.y, self.adam)

    def single(self):
        predict, x, out = self.net.freeze(), self.X[0].copy(), self.out[0]
        return lambda: predict(x, out), lambda: self.other.forward(self.X[:1])


@pytest.fixture(autouse=True)
def one_thread():
    """BLAS on one thread as well, where threadpoolctl is there to say so."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = nn.threads()
    nn.set_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    nn.set_threads(before)


def run(benchmark, sizes, batch, what, who, checked=True):
    benchmark.group = f"{what} {'-'.join(map(str, sizes))}" + (f" batch {batch}" if what != "single" else "")
    pair = Pair(sizes, batch)
    mine, theirs = getattr(pair, what)()
    if checked:  # the answers first
        got, want = np.array(mine(), np.float64).ravel(), np.array(theirs(), np.float64).ravel()
        assert np.abs(got - want).max() <= 1e-3 * max(1.0, np.abs(want).max())
    timed = mine if who == "nncore" else theirs
    if TOY:
        benchmark.pedantic(timed, rounds=2, iterations=1)
    else:
        benchmark(timed)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("sizes", SIZES)
def test_forward(benchmark, sizes, who):
    run(benchmark, sizes, 32, "forward", who)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("sizes", SIZES)
def test_backprop(benchmark, sizes, who):
    run(benchmark, sizes, 32, "backprop", who)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("sizes", SIZES)
def test_update(benchmark, sizes, who):
    run(benchmark, sizes, 1, "update", who, checked=False)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("batch", [1, 32, 256])
@pytest.mark.parametrize("sizes", SIZES)
def test_step(benchmark, sizes, batch, who):
    run(benchmark, sizes, batch, "step", who)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("sizes", SIZES)
def test_one_sample(benchmark, sizes, who):
    run(benchmark, sizes, 1, "single", who)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("sizes", SIZES)
def test_predict_many(benchmark, sizes, who):
    run(benchmark, sizes, 40 if TOY else 1000, "forward", who)
