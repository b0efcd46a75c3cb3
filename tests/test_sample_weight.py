"""Samples that count for more or less: in the loss, its gradient, every step, and in what an evaluation says."""

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels

LOSSES = [
    ("mse", "identity"),
    ("mse", "tanh"),
    ("mse", "gelu"),
    ("sse", "relu"),
    ("mse", "softmax"),
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "sigmoid"),
]


def made(output, outputs, rows=11, dtype="float64"):
    """A network, samples, targets, and whole weights."""
    rng = np.random.default_rng(rows)
    net = nn.Network([3, 6, outputs], hidden="tanh", output=output, dtype=dtype, seed=1)
    X = rng.normal(size=(rows, 3))
    y = rng.integers(0, outputs, rows) if output == "softmax" else rng.random((rows, outputs))
    return net, X, y, rng.integers(0, 4, rows)


@pytest.mark.parametrize("outputs", [1, 2, 5, 17, 40])
@pytest.mark.parametrize("loss, output", LOSSES)
def test_a_whole_weight_is_a_sample_so_many_times(isa, loss, output, outputs):
    if output == "softmax" and outputs == 1:
        return
    net, X, y, times = made(output, outputs)
    index = np.repeat(np.arange(len(X)), times)
    want = net.gradients(X[index], y[index], loss=loss)
    got = net.gradients(X, y, loss=loss, sample_weight=times)
    # a mean is over the samples, whatever they count
    size = 1 if _kernels.losses()[loss].reduction == "sum" else len(X) / len(index)
    assert got.loss * size == pytest.approx(want.loss, rel=1e-12)
    assert np.allclose(got.vector * size, want.vector, rtol=1e-10, atol=1e-14)
    found, repeated = net.evaluate(X, y, loss=loss, sample_weight=times), net.evaluate(X[index], y[index], loss=loss)
    assert found.pop("loss") * size == pytest.approx(repeated.pop("loss"), rel=1e-12)
    assert found == pytest.approx(repeated, rel=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 31, 200])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ones_change_no_bit(rows, dtype, fma_isa):
    for output in ("identity", "softmax", "sigmoid"):
        net, X, y, _ = made(output, 5, rows, dtype)
        plain, weighted = nn.Trainer(net.copy(), batch_size=16), nn.Trainer(net.copy(), batch_size=16)
        plain.fit(X, y, epochs=2)
        weighted.fit(X, y, epochs=2, sample_weight=np.ones(rows))
        assert plain.history.loss == weighted.history.loss
        assert plain.net.parameters.tobytes() == weighted.net.parameters.tobytes()


def test_threads_change_no_bit():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(300, 60)), rng.integers(0, 7, 300), rng.random(300)
    found = set()
    for threads in (1, 2, 3, 5):
        net = nn.Network([60, 130, 7], output="softmax", seed=0)
        net.fit(X, y, epochs=2, batch_size=70, sample_weight=w, threads=threads)
        found.add(net.parameters.tobytes())
    assert len(found) == 1


def test_weights_go_with_their_samples_through_shuffling():
    """Samples without weight are as good as not there."""
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(64, 2)), (np.arange(64) % 2).astype(float)
    y = X @ [1.0, -2.0] + 100 * (w == 0)
    net = nn.Network([2, 1], dtype="float64", seed=0)
    history = net.fit(X, y, epochs=400, batch_size=8, optimizer="sgd", learning_rate=0.2, sample_weight=w)
    assert history.loss[-1] < 1e-12 and np.allclose(net.layers[0].weight[:, 0], [1, -2])


def test_steps_fit_and_the_textbook_agree():
    net, X, y, _ = made("identity", 2)
    w = np.random.default_rng(3).random(len(X))
    steps, fit = (
        nn.Trainer(net.copy(), optimizer=nn.SGD(0.1)),
        nn.Trainer(net.copy(), optimizer=nn.SGD(0.1), batch_size=None),
    )
    expected = net.copy()
    for _ in range(3):
        slope = expected.gradients(X, y, sample_weight=w)
        loss = steps.step(X, y, sample_weight=w)
        assert loss == slope.loss
        assert fit.fit(X, y, epochs=1, shuffle=False, sample_weight=w).loss[-1] == pytest.approx(loss, rel=1e-14)
        expected.parameters -= 0.1 * slope.vector
    assert np.allclose(steps.net.parameters, expected.parameters, rtol=1e-12)
    assert steps.net.parameters.tobytes() == fit.net.parameters.tobytes()
    one = nn.Trainer(net.copy(), optimizer=nn.SGD(0.1))
    assert one.step(X[0], y[0], sample_weight=2) == pytest.approx(2 * net.evaluate(X[:1], y[:1])["loss"])
    for _ in range(2):  # the next ones count as they always did, by either way into the core
        want = one.net.evaluate(X[:1], y[:1])["loss"]
        assert one.step(X[0], y[0]) == pytest.approx(want, rel=1e-12)


def test_validation_is_weighted_too():
    net, X, y, times = made("identity", 2, 40)
    history = net.fit(X, y, epochs=2, validation_data=(X, y, times))
    found = net.evaluate(X, y, sample_weight=times)
    assert history.val_loss[-1] == found["loss"] and history.val_r2[-1] == found["r2"]
    other = nn.Network([3, 6, 2], dtype="float64", seed=1).fit(
        X, y, epochs=2, validation_data=0.25, sample_weight=times
    )
    assert np.isfinite(other.val_loss).all()


def test_metrics_by_hand():
    net = nn.Network([1, 1], bias=False, init=1.0, dtype="float64")
    x, y, w = np.array([1.0, 2, 3, 4]), np.array([1.5, 2, 2, 5]), np.array([1.0, 2, 0, 3])
    mean = (w * y).sum() / w.sum()
    want = 1 - (w * (x - y) ** 2).sum() / (w * (y - mean) ** 2).sum()
    assert net.evaluate(x, y, sample_weight=w)["r2"] == pytest.approx(want, rel=1e-14)
    assert np.isnan(net.evaluate(x, y, sample_weight=np.zeros(4))["r2"])
    assert np.isnan(net.evaluate(x, y, sample_weight=[0, 1, 1, 0])["r2"])  # what counts is constant
    classes = nn.Network([1, 2], output="softmax", seed=0)
    right = classes.predict(x).argmax(axis=1) == [0, 1, 0, 1]
    assert classes.evaluate(x, [0, 1, 0, 1], sample_weight=w)["accuracy"] == pytest.approx((w * right).sum() / w.sum())
    assert np.isnan(classes.evaluate(x, [0, 1, 0, 1], sample_weight=np.zeros(4))["accuracy"])


@pytest.mark.parametrize("hidden", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("strange", ["target", "input"])
def test_what_counts_for_nothing_may_be_as_large_as_it_likes(strange, hidden, isa):
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(9, 2)).astype("f4"), rng.normal(size=9).astype("f4"), np.ones(9)
    w[[2, 8]] = 0
    if strange == "target":
        y[[2, 8]] = 1e30, -3e38
    else:
        X[[2, 8]] = 3e38, -3e38
    net = nn.Network([2, 8, 1], hidden=hidden, seed=0)
    left = w > 0
    want = net.evaluate(X[left], y[left], loss="sse")
    assert net.evaluate(X, y, loss="sse", sample_weight=w) == pytest.approx(want)
    got = net.gradients(X, y, loss="sse", sample_weight=w)
    assert np.allclose(got.vector, net.gradients(X[left], y[left], loss="sse").vector, rtol=1e-4, atol=1e-6)
    trainer = nn.Trainer(net, loss="sse", batch_size=4)
    trainer.fit(X, y, sample_weight=w, validation_data=(X, y, w), epochs=3)
    assert np.isfinite(trainer.history.val_loss).all() and np.isfinite(net.parameters).all()


@pytest.mark.parametrize(
    "wrong, kind, words",
    [
        ([1, 2], ValueError, r"sample_weight has shape \(2,\), but 11 samples need shape \(11,\)"),
        (np.ones((11, 1)), ValueError, r"has shape \(11, 1\)"),
        (2.0, ValueError, r"has shape \(\)"),
        ([1] * 10 + [-0.5], ValueError, r"sample_weight\[10\] is -0.5: no sample can count for less than nothing"),
        ([np.nan] * 11, ValueError, r"sample_weight\[0\] is nan"),
        ("balanced", TypeError, "sample_weight holds text"),
        ({0: 1, 1: 5}, TypeError, "sample_weight"),
    ],
)
def test_wrong_weights_have_words_and_change_nothing(wrong, kind, words):
    net, X, y, _ = made("identity", 2)
    trainer = nn.Trainer(net)
    before = net.parameters.copy()
    for call in (net.fit, trainer.fit, trainer.step, net.evaluate, net.gradients):
        with pytest.raises(kind, match=words):
            call(X, y, sample_weight=wrong)
    with pytest.raises(kind, match=f"validation .*{words}"):
        net.fit(X, y, validation_data=(X, y, wrong))
    assert np.array_equal(net.parameters, before) and trainer.steps == 0 and net.history is None
