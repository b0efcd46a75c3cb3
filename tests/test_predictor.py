"""Predictor: the network's own bits by every way, strict where it says so, no allocation, from many threads."""

import pickle

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels, checks

SIZES = [1, 2, 3, 8, 16, 17, 31, 33, 64, 65, 100, 130, 257]


def random_network(rng, dtype=None):
    names = list(_kernels.activations())
    hidden = [name for name in names if not _kernels.activations()[name].rowwise]
    layers = [int(rng.choice([1, 5, 17, 64, 100, 300, 2500]))]
    for _ in range(rng.integers(1, 4)):
        layers.append(nn.Dense(int(rng.choice(SIZES)), str(rng.choice(hidden)), bias=bool(rng.random() < 0.7)))
    if rng.random() < 0.3:
        layers.append(nn.Dense(7, "softmax"))
    net = nn.Network(layers, dtype=dtype or str(rng.choice(["float32", "float64"])), seed=int(rng.integers(1 << 30)))
    net.parameters[:] += rng.normal(size=net.parameters.size).astype(net.dtype) * 0.01
    return net


def inputs(net, rng, rows=13):
    X = rng.normal(size=(rows, net.inputs)).astype(net.dtype)
    X[rng.random(X.shape) < rng.choice([0, 0.5, 0.9])] = 0
    return X


# ---- the same answer by every way ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_one_many_and_the_network_have_the_same_bits(isa, seed):
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    X = inputs(net, rng)
    expected = net.predict(np.concatenate([X, X]))[: len(X)]
    predict = net.freeze()
    out = np.full_like(expected, np.nan)
    for x, y in zip(X, out, strict=True):
        assert predict(x, y) is y
    assert out.tobytes() == expected.tobytes()
    assert predict(X).tobytes() == expected.tobytes()
    assert predict(X, np.zeros_like(out)).tobytes() == expected.tobytes()
    assert np.array([predict(x) for x in X]).tobytes() == expected.tobytes()
    assert np.array([net.predict(x) for x in X]).tobytes() == expected.tobytes()
    assert np.array([predict(list(x)) for x in X[:2]]).tobytes() == expected[:2].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_several_chains_in_every_width(isa, dtype):
    rng = np.random.default_rng(0)
    for outputs in range(2, 66):
        for inputs in (1, 2, 3, 4, 5, 31, 63, 64, 65, 66):
            net = nn.Network([inputs, outputs], seed=outputs, dtype=dtype)
            X = rng.normal(size=(9, inputs)).astype(dtype)
            X[4:] *= rng.random((5, inputs)) < 0.2
            expected, predict = net.predict(X), net.freeze()
            assert np.allclose(expected, X.astype("f8") @ net.layers[0].weight.astype("f8"), rtol=1e-4, atol=1e-4)
            assert np.array([predict(x) for x in X]).tobytes() == expected.tobytes()
            assert np.array([net.predict(x) for x in X]).tobytes() == expected.tobytes()


def test_all_instruction_sets_with_fma_give_the_same_bits():
    rng = np.random.default_rng(5)
    nets = [random_network(rng) for _ in range(10)]
    found = {}
    before = _kernels.isa()
    for name, here in _kernels.isas().items():
        if here and name != "generic":
            _kernels.select_isa(name)
            for i, net in enumerate(nets):
                for storage in ("float32", "bfloat16", "int8") if net.dtype == np.float32 else (None,):
                    x = inputs(net, np.random.default_rng(i), 1)[0]
                    found.setdefault((i, storage), set()).add(net.freeze(storage)(x).tobytes())
    _kernels.select_isa(before)
    assert all(len(answers) == 1 for answers in found.values())


@pytest.mark.parametrize("tiny", [1e-30, 1e-44])
@pytest.mark.parametrize("sizes", [[100, 40], [100, 8], [100, 20], [65, 63]])
def test_leaving_zeros_out_changes_no_sign_of_zero(isa, sizes, tiny):
    """Products that vanish leave sums of -0, and without a bias the sign of zero is in the answer."""
    rng = np.random.default_rng(0)
    for trial in range(30):
        net = nn.Network(sizes, bias=False, seed=trial)
        net.parameters[:] = rng.choice([-tiny, tiny, -1.0], size=net.parameters.size, p=[0.5, 0.4, 0.1])
        x = np.where(rng.random(sizes[0]) < 0.03, tiny, 0).astype("f4") * rng.choice([-1, 1], sizes[0]).astype("f4")
        expected = net.predict(np.array([x, x]))[0]
        assert net.freeze()(x).tobytes() == expected.tobytes()


def test_zeros_are_not_left_out_where_weights_are_infinite(isa):
    net = nn.Network([200, 40], seed=0)
    net.layers[0]._weight[7, 3] = np.inf
    x = np.zeros(200, np.float32)
    x[0] = 1
    assert np.isnan(net.freeze()(x)[3])


def test_later_changes_do_not_reach_it_but_reach_the_network():
    net = nn.Network([4, 8, 2], seed=0)
    predict, x = net.freeze(), np.ones(4, np.float32)
    before = predict(x)
    assert before.tobytes() == net.predict(x).tobytes()
    net.layers[0].weight[:] *= 2
    assert predict(x).tobytes() == before.tobytes()
    assert net.predict(x).tobytes() == net.predict(np.array([x, x]))[0].tobytes() != before.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", _kernels.activations())
def test_nothing_beside_out_is_written(isa, activation, dtype):
    for outputs in range(2 if activation == "softmax" else 1, 36):
        net = nn.Network([5, 9, outputs], output=activation, dtype=dtype, seed=0)
        x, buffer = np.ones(5, dtype), np.full(outputs + 2, np.nan, dtype)
        expected = net.predict(np.array([x, x]))[0]
        for predict in [net.freeze(), *([net.freeze("int8")] if dtype == "float32" else [])]:
            buffer[:] = np.nan
            predict(x, buffer[1:-1])
            assert np.isnan(buffer[[0, -1]]).all() and not np.isnan(buffer[1:-1]).any()
        net.freeze()(x, buffer[1:-1])
        assert buffer[1:-1].tobytes() == expected.tobytes()


def test_x_may_be_out():
    net = nn.Network([40, 40], seed=0)
    x = np.linspace(-1, 1, 40, dtype=np.float32)
    expected = net.predict(x)
    net.freeze()(x, x)
    assert x.tobytes() == expected.tobytes()


def test_an_input_that_is_nan_gives_nan():
    predict = nn.Network([3, 8, 2], seed=0).freeze()
    assert np.isnan(predict([np.nan, 0, 0])).all()
    assert np.isnan(predict(np.array([np.nan, 0, 0], np.float32))).all()


def test_arrays_that_were_pickled_and_out_by_name_take_the_quick_way(monkeypatch):
    predict = NET.freeze()
    x, out = pickle.loads(pickle.dumps(X32)), pickle.loads(pickle.dumps(np.empty(2, np.float32)))
    assert x.dtype is not X32.dtype  # numpy makes one of its own
    want = predict(X32).tobytes()
    for name in ("as_inputs", "out_or_new"):  # what the long way calls
        monkeypatch.setattr(checks, name, None)
    assert predict(x).tobytes() == want and predict(x[None])[0].tobytes() == want
    assert predict(x, out) is out and predict(x, out=out) is out and out.tobytes() == want
    with pytest.raises(TypeError):
        predict([1, 2, 3, 4], out=out)


@pytest.mark.parametrize(
    "layers", [[], [(2, 2, 99, 0.0, False, 0.0)], [(2, 3, 0, 0.0, False, 0.0), (2, 1, 0, 0.0, False, 0.0)]]
)
def test_layers_that_do_not_fit_make_no_plan(layers):
    with pytest.raises(ValueError, match="layers"):
        nn.Predictor(layers, np.zeros(sum(layer[0] * layer[1] for layer in layers), np.float32))


# ---- small weights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage, most", [("bfloat16", 2**-8), ("int8", 2**-6)])
@pytest.mark.parametrize("sizes", [[50, 200, 100, 10], [64, 33], [300, 100, 100], [70, 130, 1], [5, 6, 7]])
def test_small_weights_are_close_and_one_is_as_many(isa, storage, most, sizes):
    net = nn.Network(sizes, hidden="tanh", seed=1)
    X = np.random.default_rng(0).normal(size=(40, sizes[0])).astype(np.float32)
    predict = net.freeze(storage, sample=X)
    answers = predict(X)
    assert np.array([predict(x) for x in X]).tobytes() == answers.tobytes()
    error = np.abs(answers - net.predict(X))
    assert predict.report.max_error == error.max() < most * 8 * np.abs(net.predict(X)).max()
    assert predict.report.mean_error == pytest.approx(error.mean())
    assert predict.report.storage == predict.storage == storage
    full = net.freeze().report.bytes
    if sum(n > 32 for n in sizes[1:]) and sizes[0] * sizes[1] > 9000:
        assert predict.report.bytes < full * (0.65 if storage == "bfloat16" else 0.45)


def test_int8_is_within_half_a_step_of_each_weight():
    net = nn.Network([64, 40], init=0.0, bias=False, seed=0)
    net.parameters[:] = np.random.default_rng(0).normal(size=net.parameters.size) * np.tile(
        10.0 ** np.arange(-20, 20), 64
    )
    got = net.freeze("int8")(np.eye(64, dtype=np.float32))
    step = np.abs(net.layers[0].weight).max(axis=0) / 127
    assert (np.abs(got - net.layers[0].weight) <= step * 0.5001).all()


def test_bfloat16_rounds_to_nearest():
    net = nn.Network([64, 40], bias=False, seed=0)
    got = net.freeze("bfloat16")(np.eye(64, dtype=np.float32))
    assert (np.abs(got - net.layers[0].weight) <= np.abs(net.layers[0].weight) * 2**-8).all()


@pytest.mark.parametrize("sizes", [[1, 65], [5, 66], [300, 100], [257, 129], [64, 200], [700, 513]])
def test_bfloat16_of_many_rows_is_that_of_one(isa, sizes):
    """Every number of rows that a tile may have, and then some: the bits of one row, and the products of the rounded weights."""
    rng = np.random.default_rng(sizes[0])
    net = nn.Network(sizes, seed=1)
    predict = net.freeze("bfloat16")
    W = nn.Network(sizes, seed=1).layers[0].weight.view(np.uint32).astype(np.uint64)
    rounded = ((W + 0x7FFF + (W >> 16 & 1) >> 16 << 16).astype(np.uint32)).view(np.float32).astype(np.float64)
    X = rng.normal(size=(101, sizes[0])).astype(np.float32)
    single = np.array([predict(x) for x in X])
    size = np.abs(X) @ np.abs(rounded)
    assert (np.abs(single - (X.astype(np.float64) @ rounded + net.layers[0].bias)) <= 1e-6 * size + 1e-30).all()
    for rows in [*range(1, 20), 96, 97, 101]:
        assert predict(X[:rows]).tobytes() == single[:rows].tobytes(), rows


def test_freeze_refuses_what_is_too_coarse():
    net = nn.Network([50, 100, 3], seed=0)
    X = np.random.default_rng(0).normal(size=(20, 50))
    with pytest.raises(ValueError, match="max_error"):
        net.freeze("int8", sample=X, max_error=1e-9)
    with pytest.raises(ValueError, match="needs sample"):
        net.freeze("int8", max_error=1)
    with pytest.raises(ValueError, match="did you mean 'int8'"):
        net.freeze("int9")
    assert net.freeze("int8", sample=X, max_error=1).report.max_error > 0
    assert net.freeze(sample=X, max_error=0).report.max_error == 0
    net.layers[0]._weight[0, 0] = np.inf
    with pytest.raises(ValueError, match="finite"):
        net.freeze("int8")


@pytest.mark.parametrize("storage", ["float32", "float64", "bfloat16", "int8"])
def test_pickled_on_one_instruction_set_it_is_the_same_on_another(storage):
    net = nn.Network([70, 100, 20, 40, 1], hidden="gelu", seed=3)
    X = np.random.default_rng(0).normal(size=(9, 70))
    before, answers = _kernels.isa(), {}
    for name, here in _kernels.isas().items():
        if here:
            _kernels.select_isa(name)
            predict = net.freeze(storage, sample=X)
            answers[name] = pickle.dumps(predict), predict(X).tobytes(), predict.report
    for name, (_, expected, _) in answers.items():
        _kernels.select_isa(name)
        for data, _, report in answers.values():
            again = pickle.loads(data)
            assert again(X).tobytes() == expected and again.report == report
    _kernels.select_isa(before)


# ---- strict ----------------------------------------------------------------------------------------------------------

NET = nn.Network([4, 8, 2], seed=0)
X32, OUT32 = np.ones(4, np.float32), np.full(2, 7, np.float32)


def read_only():
    out = np.empty(2, np.float32)
    out.flags.writeable = False
    return out


def unaligned(n):
    return np.zeros(4 * n + 1, np.uint8)[1:].view(np.float32)


@pytest.mark.parametrize(
    "x, out, error, words",
    [
        ([1, 2, 3, 4], OUT32, TypeError, r"np.ascontiguousarray\(x, np.float32\)"),
        (np.ones(4), OUT32, TypeError, r"dtype float64.*np.ascontiguousarray\(x, np.float32\)"),
        (np.ones(4, ">f4"), OUT32, TypeError, "ascontiguousarray"),
        (np.ones(8, np.float32)[::2], OUT32, ValueError, "not C-contiguous.*ascontiguousarray"),
        (np.ones(3, np.float32), OUT32, ValueError, r"shape \(3,\)"),
        (np.ones((2, 2, 4), np.float32), OUT32, ValueError, "shape"),
        (np.ones((0, 4), np.float32), OUT32, ValueError, "shape"),
        (unaligned(4), OUT32, ValueError, "aligned"),
        (X32, np.empty(3, np.float32), ValueError, r"np.empty\(\(2,\), np.float32\)"),
        (X32, np.empty(2), TypeError, r"np.empty\(\(2,\), np.float32\)"),
        (X32, [0, 0], TypeError, r"np.empty\(\(2,\), np.float32\)"),
        (X32, read_only(), ValueError, "read-only"),
        (X32, np.empty(4, np.float32)[::2], ValueError, "not C-contiguous"),
        (X32, unaligned(2), ValueError, "aligned"),
        (np.ones((3, 4), np.float32), np.empty((2, 2), np.float32), ValueError, r"np.empty\(\(3, 2\), np.float32\)"),
    ],
)
def test_with_out_it_is_strict(x, out, error, words):
    before = out.tobytes() if isinstance(out, np.ndarray) else None
    with pytest.raises(error, match=words):
        NET.freeze()(x, out)
    assert before is None or out.tobytes() == before


def test_calls_by_name_and_wrong_calls():
    predict = NET.freeze()
    out = np.empty(2, np.float32)
    assert predict(x=X32, out=out) is out and predict(X32, out=out) is out and predict(X32, None).shape == (2,)
    assert predict.__call__(X32, out) is out
    for call, got in (
        (lambda: predict(), "predictor()"),
        (lambda: predict(out=out), "predictor(out=...)"),
        (lambda: predict(X32, out, 1), "predictor(..., ..., ...)"),
        (lambda: predict(X32, y=out), "predictor(..., y=...)"),
        (lambda: predict(X32, x=X32), "predictor(..., x=...)"),
    ):
        with pytest.raises(TypeError, match=r"expected predictor\(x\) or predictor\(x, out\)") as error:
            call()
        assert f"got {got}: x is one sample" in str(error.value)


def test_one_that_was_never_made_says_so():
    empty = nn.Predictor.__new__(nn.Predictor)
    for use in (
        lambda: empty(X32),
        lambda: empty(X32, OUT32),
        *(lambda name=name: getattr(empty, name) for name in ("inputs", "outputs", "ctypes", "capsule")),
    ):
        with pytest.raises(ValueError, match=r"empty; use Network.freeze\(\)"):
            use()


def test_what_is_array_like_is_taken_without_out():
    predict, expected = NET.freeze(), NET.predict(np.ones((3, 4)))
    for X in (np.ones((3, 4)), np.ones((3, 4), int), [[1] * 4] * 3, np.ones((3, 4), ">f4"), np.ones((6, 4))[::2]):
        assert predict(X).tobytes() == expected.tobytes()
    assert predict(np.ones((1, 4), np.float32)).shape == (1, 2)
    with pytest.raises(ValueError, match="takes 4 inputs"):
        predict(np.ones((3, 5)))


def test_memory_that_x_and_out_share_is_refused_for_many():
    both = np.ones((4, 4), np.float32)
    with pytest.raises(ValueError, match="share memory"):
        nn.Network([4, 4], seed=0).freeze()(both, both)


def test_masked_arrays_are_refused():
    predict = nn.Network([3, 2], seed=0).freeze()
    with pytest.raises(TypeError, match="x is a masked array with masked entries"):
        predict(np.ma.masked_array(np.zeros((8, 3), np.float32), np.eye(8, 3)), np.zeros((8, 2), np.float32))
    with pytest.raises(TypeError, match="out is a masked array whose"):
        predict(np.zeros((8, 3), np.float32), np.ma.masked_array(np.zeros((8, 2), np.float32), np.eye(8, 2)))


def test_it_says_how_many_layers_are_stored_small():
    assert repr(nn.Network([17, 64, 64, 6], seed=0).freeze("int8")) == "Predictor(17-64-64-6, int8 in 0 of 3 layers)"
    small = nn.Network([64, 256, 5], seed=0).freeze("bfloat16", sample=np.eye(64))
    assert small.report.small_layers == 1 and "bfloat16 in 1 of 2 layers" in repr(small)
    assert repr(NET.freeze()) == "Predictor(4-8-2, float32)" and NET.freeze().report.small_layers == 0


def test_a_plan_of_wrong_pieces_is_refused():
    one = np.zeros(1, np.float32)
    for layers, scales, words in (
        ([(2**32, 2**32, 0, 0.0, False, 0.0)], None, "larger than the vector"),
        ([(33, 3000, 0, 0.0, False, 0.0)], [one], r"scales\[0\] has 1 numbers for 3000 outputs"),
    ):
        weights = np.zeros(33 * 3000 if scales else 0, np.float32)
        with pytest.raises(ValueError, match=words):
            nn.Predictor(layers, weights, "int8" if scales else None, scales)
    with pytest.raises(ValueError, match="unknown storage 'int16'"):
        nn.Predictor([(1, 1, 0, 0.0, False, 0.0)], one, "int16")
    steep = nn.Network([2, nn.Dense(3, "leaky_relu", alpha=1e300), 1], dtype="float64", seed=0)
    with pytest.raises(ValueError, match="too large for float32"):
        steep.freeze("float32")


def test_the_callers_floating_point_errors_are_not_its_concern():
    with np.errstate(all="raise"):
        for dtype in ("float32", "float64"):
            net = nn.Network([4, 64, 2], dtype=dtype, seed=0)
            net.layers[0].weight = np.full((4, 64), 1e-300)
            for predict in (net.predict, net.freeze(), net.freeze("float32"), net.freeze("bfloat16")):
                assert np.isfinite(predict([1e-300] * 4)).all()
            net.freeze("float32", sample=[[1e30] * 4])


def test_weights_that_float32_cannot_hold_are_refused():
    net = nn.Network([3, 40, 2], seed=0, dtype="float64")
    net.layers[0].weight = 1e300
    for storage in ("float32", "bfloat16", "int8"):
        with pytest.raises(ValueError, match=f"finite to be stored as {storage}"):
            net.freeze(storage)
