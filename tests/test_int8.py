"""int8 layers: whole numbers all through, equal to the bit to a numpy twin on every instruction set, and what their error is."""

import ctypes
import platform
import sys

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels

LARGEST = np.float32(np.finfo(np.float32).max)


def whole_inputs(x):
    """(q, unit): x in whole numbers of its unit, as csrc/kernels/row_int8.h says it."""
    largest = np.abs(x).max()  # nan if any is
    if np.isnan(largest):
        return np.zeros(len(x), np.int64), np.float32("nan")
    if np.isinf(largest):
        return np.where(np.isinf(x), np.sign(x) * 127, 0).astype(np.int64), np.float32("inf")
    if largest < 2.0**-119:
        return np.zeros(len(x), np.int64), np.float32(0)
    return np.rint(x * (np.float32(127) / largest)).astype(np.int64), largest / np.float32(127)


def whole_weights(weight):
    scale = np.abs(weight).max(axis=0)
    scale = np.where(scale < 2.0**-90, 0, scale / np.float32(127)).astype(np.float32)
    return np.rint(weight / np.where(scale > 0, scale, np.float32(np.inf))).astype(np.int64), scale


@np.errstate(all="ignore")
def twin(net, x):
    """The layers before activation, of a network whose layers are all int8 with relu or identity."""
    for layer in net.layers:
        q, unit = whole_inputs(x)
        weight, scale = whole_weights(layer.weight)
        sums = q @ weight
        assert np.abs(sums).max() < 2**31
        factor = unit * scale
        x = sums.astype(np.float32) * np.where(factor > LARGEST, LARGEST, factor)
        if layer.bias is not None:
            x = x + layer.bias
        if layer.activation == "relu":
            x = np.where(x < 0, np.float32(0), x)
    return x


def same(a, b):
    """The same bits, any nan being as good as another."""
    a, b = np.asarray(a), np.asarray(b)
    return (
        a.dtype == b.dtype
        and (np.isnan(a) == np.isnan(b)).all()
        and a[~np.isnan(a)].tobytes() == b[~np.isnan(b)].tobytes()
    )


SHAPES = [[1, 65], [2, 66], [3, 96], [5, 93], [31, 97, 43], [64, 128, 64], [67, 257, 131, 37], [130, 33, 133], [784, 256, 40],
          [9001, 65]]  # fmt: skip


def network(sizes, seed, bias=True):
    net = nn.Network([sizes[0], *(nn.Dense(n, "relu", bias=bias) for n in sizes[1:-1]), nn.Dense(sizes[-1], bias=bias)],
                     seed=seed)  # fmt: skip
    for layer in net.layers:
        if bias:
            layer.bias[:] = np.random.default_rng(seed).normal(size=layer.outputs)
    return net


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_equal_to_the_twin_one_by_one_and_many_at_once(isa, sizes, bias):
    net = network(sizes, 1, bias)
    predict = net.freeze("int8")
    X = np.random.default_rng(2).normal(size=(8, sizes[0])).astype(np.float32)
    X[1] = np.abs(X[1])
    X[2][np.random.default_rng(3).random(sizes[0]) < 0.8] = 0
    X[3] = np.maximum(X[2], 0)
    X[4] = 0
    X[4, -1] = -1e-30
    X[5, 0] = 1e4
    X[6:] = np.maximum(X[6:], 0)
    expected = np.array([twin(net, x) for x in X])
    assert same([predict(x) for x in X], expected)
    for rows in (slice(0, 8), slice(6, 8), slice(3, 7), slice(1, 2), slice(0, 5)):
        assert same(predict(X[rows]), expected[rows])


def test_small_layers_stay_float32(isa):
    for sizes, small in (([300, 32], True), ([64, 64], True), ([65, 64], False), ([3, 65], False)):
        net = network(sizes, 1)
        x = np.random.default_rng(4).normal(size=sizes[0]).astype(np.float32)
        assert same(net.freeze("int8")(x), net.freeze()(x)) is small
        assert (net.freeze("int8").report.bytes == net.freeze().report.bytes) is small


ODD = {
    "zeros": lambda x: 0 * x,
    "minus zeros": lambda x: -0.0 * x,
    "a nan": lambda x: np.where(np.arange(x.size) == 17, np.nan, x),
    "infinite": lambda x: np.where(np.arange(x.size) == 17, np.inf, x),
    "both infinite": lambda x: np.where(np.arange(x.size) % 9 == 0, np.inf * np.sign(x), x),
    "nan and infinite": lambda x: np.where(np.arange(x.size) == 3, np.nan, np.inf),
    "huge": lambda x: x / np.abs(x).max() * LARGEST,
    "huge and small": lambda x: np.where(np.arange(x.size) == 5, LARGEST, x),
    "small": lambda x: x * np.float32(1e-30),
    "at the edge": lambda x: x / np.abs(x).max() * np.float32(2.0**-119),
    "below it": lambda x: x / np.abs(x).max() * np.float32(2.0**-119) * np.float32(0.99),
    "subnormal": lambda x: x * np.float32(1e-44),
    "halves": lambda x: np.where(np.arange(x.size) == 0, 127, np.rint(x * 9) + np.float32(0.5)),
    "one": lambda x: (np.arange(x.size) == 41) * np.float32(-3),
    "the last": lambda x: (np.arange(x.size) == x.size - 1) * np.float32(1),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("sizes", [[67, 65], [130, 66, 63], [42, 98, 43]], ids=str)
def test_odd_inputs(isa, what, sizes):
    net = network(sizes, 4, bias=False)  # a bias would hide what is small
    with np.errstate(all="ignore"):
        x = ODD[what](np.random.default_rng(5).normal(size=sizes[0]).astype(np.float32)).astype(np.float32)
    expected = twin(net, x)
    predict = net.freeze("int8")
    assert same(predict(x), expected)
    assert same(predict(np.array([x, x, x, x])), np.array([expected] * 4))
    if "nan" in what:
        assert np.isnan(predict(x)).all()
    if what == "huge":
        assert (np.abs(predict(x)) > 1e30).mean() > 0.9  # whole numbers may well sum to 0


def test_weights_of_every_size(isa):
    net = network([70, 80], 0)
    net.layers[0].weight[:] *= np.float32(10.0) ** np.arange(-40, 40).clip(-44, 37)
    net.layers[0].weight[:, 3] = 0
    for size in (1, 1e-20, 1e20, 1e38):
        x = np.random.default_rng(1).uniform(-size, size, 70).astype(np.float32)
        assert same(net.freeze("int8")(x), twin(net, x))


def test_the_largest_sum_fits_and_longer_layers_stay_float32(isa):
    longest = 132104
    net = nn.Network([longest, 33], init=1.0, seed=0)
    net.parameters[:] = 1
    x = np.ones(longest, np.float32)
    assert same(net.freeze("int8")(x), twin(net, x)) and net.freeze("int8").report.bytes < 2 * longest * 33
    longer = nn.Network([longest + 1, 33], seed=0)
    x = np.random.default_rng(0).normal(size=longest + 1).astype(np.float32)
    assert same(longer.freeze("int8")(x), longer.predict(x))


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64", reason="sets the rounding as on x86"
)
def test_the_largest_input_keeps_its_sign_in_any_rounding():
    upward, nearest, maths = 0x800, 0, ctypes.CDLL("libm.so.6")
    net, before, answers = network([50, 70, 90], 3), _kernels.isa(), {}
    X = np.random.default_rng(0).normal(size=(200, 50)).astype(np.float32)
    want = net.predict(X)
    for name, here in _kernels.isas().items():
        if here:
            _kernels.select_isa(name)
            predict, out = net.freeze("int8"), np.empty_like(want)
            maths.fesetround(upward)
            predict(X, out)
            maths.fesetround(nearest)
            answers[name] = out.tobytes()
            assert np.abs(out - want).max() < 0.1 * np.abs(want).max()
    _kernels.select_isa(before)
    answers.pop("generic", None)  # without FMA it differs in the last places
    assert len(set(answers.values())) <= 1


def test_all_instruction_sets_give_the_same_bits():
    before, answers = _kernels.isa(), {}
    net = network([50, 70, 90], 3)
    X = np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    for name, here in _kernels.isas().items():
        if here:
            _kernels.select_isa(name)
            answers[name] = net.freeze("int8")(X).tobytes()
    _kernels.select_isa(before)
    assert len(set(answers.values())) == 1


@pytest.mark.parametrize("sizes", [[300, 200], [40, 100], [784, 256, 40]], ids=str)
def test_error_is_no_more_than_half_a_step_of_each_factor(sizes):
    """|error| of a sum <= sum of |x| step_w / 2 + |w| step_x / 2 + step_w step_x / 4, before what later layers make of it."""
    net = network([sizes[0], sizes[1]], 7)
    weight, predict = net.layers[0].weight.astype(float), net.freeze("int8")
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=sizes[0]).astype(np.float32)
        step_x, step_w = np.abs(x).max() / 127, np.abs(weight).max(axis=0) / 127
        most = np.abs(x).sum() * step_w / 2 + np.abs(weight).sum(axis=0) * step_x / 2 + len(x) * step_w * step_x / 4
        error = np.abs(predict(x) - (x @ weight + net.layers[0].bias))
        assert (error <= most * 1.0001).all() and error.mean() < most.mean() / 5
