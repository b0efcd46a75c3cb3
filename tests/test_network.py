"""The public face of Network: what is accepted, what comes back, what is shared and what is not."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels
from nncore._arena import aligned


def small(**keywords):
    return nn.Network([3, 5, 2], **{"hidden": "tanh", "seed": 1, **keywords})


def by_hand(net, X):
    """The forward pass of a tanh network in numpy."""
    y = np.asarray(X, np.float64)
    for layer in net.layers:
        y = y @ layer.weight.astype(np.float64) + (0 if layer.bias is None else layer.bias.astype(np.float64))
        y = np.tanh(y) if layer.activation == "tanh" else y
    return y


def in_a_child(code):
    """What a fresh Python prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(nn.__file__).resolve().parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.split()


# ---- names -----------------------------------------------------------------------------------------------------------


def test_dir_is_what_is_public():
    assert len(nn.__all__) == len(set(nn.__all__))
    assert dir(nn) == sorted([*nn.__all__, "__version__", "reference"])
    assert all(hasattr(nn, name) for name in dir(nn))
    star = {}
    exec("from nncore import *", star)
    assert set(nn.__all__) <= set(star) and "reference" not in star


def test_the_reference_waits_until_it_is_asked_for():
    code = "import sys, nncore as nn; print('nncore.reference' in sys.modules, nn.reference.__name__, hasattr(nn, 'x'))"
    assert in_a_child(code) == ["False", "nncore.reference", "False"]
    with pytest.raises(AttributeError, match="module 'nncore' has no attribute 'Netwrok'"):
        nn.Netwrok  # noqa: B018


# ---- shape and weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype("float64")])
def test_layers_and_sizes(dtype):
    net = nn.Network(
        [4, nn.Dense(8, "tanh", dropout=0.1), nn.Dense(6, bias=False), 2], output="softmax", dtype=dtype, seed=0
    )
    assert net.sizes == [4, 8, 6, 2] and (net.inputs, net.outputs) == (4, 2)
    assert [layer.activation for layer in net.layers] == ["tanh", "relu", "softmax"]
    assert [layer.weight.shape for layer in net.layers] == [(4, 8), (8, 6), (6, 2)]
    assert [None if layer.bias is None else layer.bias.shape for layer in net.layers] == [(8,), None, (2,)]
    assert [layer.size for layer in net.layers] == [40, 48, 14]
    assert net.dtype == np.dtype(dtype) and net.layers[0].weight.dtype == net.dtype
    assert net.loss == "cross_entropy" and net.history is None
    assert nn.Network([2, 1], output="sigmoid").loss == "binary_cross_entropy"
    assert nn.Network([2, 1], output="tanh").loss == "mse"
    assert all(layer.bias is None for layer in nn.Network([2, 3, 1], bias=False).layers)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[1, 1], [3, 5, 2], [7, 13, 11, 3], [100, 1]])
def test_parameters_are_one_aligned_vector(sizes, dtype):
    net = nn.Network(sizes, dtype=dtype, seed=0)
    vector = net.parameters
    assert vector.ndim == 1 and vector.flags.c_contiguous and vector.flags.writeable
    assert vector.ctypes.data % 64 == 0
    assert vector.size == sum((i + 1) * o for i, o in zip(sizes, sizes[1:], strict=False))
    vector[:] = np.arange(vector.size)
    at = 0
    for layer in net.layers:
        for part in (layer.weight, layer.bias):
            assert np.shares_memory(part, vector) and part.flags.c_contiguous
            assert np.array_equal(part.ravel(), np.arange(at, at + part.size))
            at += part.size


@pytest.mark.parametrize("size", [1, 33, 1000, 100_000])
def test_what_is_walked_together_lies_quarters_of_a_page_apart(size):
    vector = aligned(size, "float32")
    for quarter in (1, 2, 3):
        other = aligned(size, "float32", vector, quarter)
        assert (other.ctypes.data - vector.ctypes.data) % 4096 == 1024 * quarter
        assert other.shape == (size,) and not other.any() and other.base.nbytes >= 4 * size + 512


def test_what_is_written_into_a_view_is_in_the_network():
    net = small()
    predict = net.freeze()
    X = np.eye(3)
    before = net.predict(X)
    net.layers[0].weight[1, 2] += 1
    net.layers[1].bias[:] = [3, -4]
    np.testing.assert_allclose(net.predict(X), by_hand(net, X), rtol=1e-5, atol=1e-6)
    assert not np.array_equal(net.predict(X), before)
    net.layers[1].weight = np.zeros((5, 2))
    assert np.array_equal(net.predict(X), [[3, -4]] * 3)
    assert np.array_equal(predict(X), before)  # frozen is frozen
    net.parameters[:] = 0
    assert np.array_equal(net.predict(X), np.zeros((3, 2)))


@pytest.mark.parametrize("name", ["inputs", "outputs", "activation", "parameter", "dropout", "init", "size"])
def test_what_a_layer_is_does_not_change(name):
    net = small()
    layer, before = net.layers[0], net.describe()
    one, many = net.predict(np.ones(3)), net.predict(np.ones((4, 3)))
    with pytest.raises(AttributeError, match=f"^{name} of a layer does not change.*make a new Network"):
        setattr(layer, name, getattr(layer, name))
    with pytest.raises(AttributeError, match=f"^{name} of a layer cannot be deleted"):
        delattr(layer, name)
    assert net.describe() == before and np.array_equal(net.predict(np.ones(3)), one)
    assert np.array_equal(net.predict(np.ones((4, 3))), many) and np.array_equal(many[0], one)


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_of_a_layer_is_one(twin):
    layer = nn.Network([3, nn.Dense(5, "leaky_relu", alpha=0.25, dropout=0.5), 2], seed=1).layers[0]
    other = twin(layer)
    assert repr(other) == repr(layer) and other.parameter == 0.25 and np.array_equal(other.weight, layer.weight)
    with pytest.raises(AttributeError, match="activation of a layer does not change"):
        other.activation = "tanh"
    other.bias = 1
    assert np.all(other.bias == 1)


def test_a_dense_may_be_used_again():
    dense = nn.Dense(3)
    first, second = nn.Network([3, dense, dense], hidden="tanh", init=0.5), nn.Network([2, dense, 1], hidden="relu")
    assert repr(dense) == "Dense(3)" and [layer.activation for layer in first.layers] == ["tanh", "identity"]
    assert [layer.activation for layer in second.layers] == ["relu", "identity"] and second.layers[0].init == "he"


@pytest.mark.parametrize("value", [1e300, -1e39, np.full((3, 5), 1e39), np.full((3, 5), np.inf), [[np.nan] * 5] * 3])
def test_what_is_assigned_must_be_finite_in_the_networks_type(value, recwarn):
    net = small()
    before = net.parameters.copy()
    with pytest.raises(ValueError, match="^weight"):
        net.layers[0].weight = value
    with pytest.raises(ValueError, match="^bias"):
        net.layers[0].bias = np.asarray(value).flat[0]
    assert np.array_equal(net.parameters, before) and not recwarn.list
    largest = np.finfo(np.float32).max
    net.layers[0].weight = float(largest)
    assert np.all(net.layers[0].weight == largest)
    wide = small(dtype="float64")
    wide.layers[0].weight = 1e300
    assert np.all(wide.layers[0].weight == 1e300)


def test_weights_of_any_kind_can_be_assigned():
    net = nn.Network([2, 2], seed=0)
    for value in ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], object), np.array([[1, 2], [3, 4]], ">f8", order="F")):
        net.layers[0].weight = value
        assert net.layers[0].weight.tolist() == [[1, 2], [3, 4]]
    net.layers[0].weight = net.layers[0].weight.T
    assert net.layers[0].weight.tolist() == [[1, 3], [2, 4]]
    net.layers[0].bias = True
    assert net.layers[0].bias.tolist() == [1, 1]


def test_views_and_weights_survive_training():
    net = small()
    weight, vector, bias = net.layers[0].weight, net.parameters, net.layers[1].bias
    net.fit(np.eye(3), np.eye(3)[:, :2], epochs=2)
    assert weight is net.layers[0].weight and vector is net.parameters
    assert np.shares_memory(weight, net.parameters) and np.any(bias != 0)
    assert np.array_equal(weight.ravel(), net.parameters[:15])


def test_first_weights():
    net = nn.Network(
        [400, nn.Dense(300, "relu"), nn.Dense(100, "tanh", init="lecun"), nn.Dense(50, init=0.25), 10], seed=1
    )
    for layer, limit in zip(net.layers, [np.sqrt(6 / 400), np.sqrt(3 / 300)], strict=False):
        assert 0.98 * limit < np.abs(layer.weight).max() <= limit
        assert abs(layer.weight.mean()) < 0.01 * limit
    assert np.all(net.layers[2].weight == 0.25)
    assert np.abs(net.layers[3].weight).max() <= np.sqrt(6 / 60)
    assert all(np.all(layer.bias == 0) for layer in net.layers)
    drawn = nn.Network([2, 3, 1], init=lambda rng, fan_in, fan_out: np.full((fan_in, fan_out), fan_in + fan_out / 10))
    assert np.allclose(drawn.layers[0].weight, 2.3) and np.allclose(drawn.layers[1].weight, 3.1)


# ---- words about itself ----------------------------------------------------------------------------------------------


def test_repr_and_summary():
    net = nn.Network([64, nn.Dense(32, dropout=0.25), nn.Dense(10, bias=False)], output="softmax", seed=0)
    assert repr(net) == "Network(64-32-10, relu, softmax, 2,400 parameters, float32)"
    assert repr(net.layers[0]) == "Layer(64 -> 32, relu, dropout=0.25, 2,080 parameters)"
    assert repr(net.layers[1]) == "Layer(32 -> 10, softmax, no bias, 320 parameters)"
    summary = net.summary().splitlines()
    assert summary[0].split() == ["layer", "activation", "weight", "bias", "dropout", "parameters"]
    assert summary[1].split() == ["1", "relu", "64", "x", "32", "32", "0.25", "2,080"]
    assert summary[2].split() == ["2", "softmax", "32", "x", "10", "320"]
    assert summary[3] == "2,400 parameters, 9,600 bytes in float32"
    assert repr(nn.Dense(8, "leaky_relu", alpha=0.1, bias=False)) == "Dense(8, 'leaky_relu', bias=False, alpha=0.1)"
    assert "3-5-2" in repr(small().freeze())


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter, lambda _: range(3, 0, -1)])
def test_no_bias_whatever_names_the_sizes(kind):
    assert all(layer.bias is None for layer in nn.Network(kind([3, 4, 1]), bias=False).layers)


def test_the_sizes_are_one_list():
    with pytest.raises(TypeError, match=r"put the sizes into one list, \[64, 32, 10\]"):
        nn.Network(64, 32, 10)
    with pytest.raises(TypeError, match="as in batch_size="):
        small().fit(np.eye(3), [1, 2, 3], 5, 32)
    with pytest.raises(TypeError, match=r"hidden must be .*Dense\(8, 'tanh'\)"):
        nn.Network([2, 3, 1], hidden=["tanh"])


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("net", "score", r"here it is evaluate\(X, y\)"),
        ("net", "partial_fit", r"nncore.Trainer\(net\).step"),
        ("net", "backward", "gradients"),
        ("net", "state_dict", "parameters"),
        ("net", "count_params", "parameters.size"),
        ("net", "model", "no attribute 'model'$"),
        ("net", "nothing_like_it", "no attribute"),
        ("trainer", "backward", r"step\(x, y\)"),
        ("trainer", "zero_grad", "no gradient is kept"),
        ("trainer", "model", "here it is net$"),
        ("trainer", "predict", r"net.predict\(X\)"),
        ("predictor", "predict", r"predictor\(x\)"),
        ("predictor", "nothing_like_it", "no attribute 'nothing_like_it'$"),
    ],
)
def test_members_of_other_libraries_are_named(kind, name, words):
    one = {"net": small(), "trainer": nn.Trainer(small()), "predictor": small().freeze()}[kind]
    with pytest.raises(AttributeError, match=words):
        getattr(one, name)
    assert not hasattr(one, name)
    with pytest.raises(AttributeError, match="here it is Dense"):
        nn.Linear  # noqa: B018


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.Network([2, 3, 1], dropout=0.1), "a layer has it, as in nncore.Dense"),
        (lambda: small().fit(np.eye(3), [0, 1, 2], class_weight="balanced"), "give sample_weight="),
        (lambda: small().fit(np.eye(3), [0, 1, 2], callbacks=[]), r"fit\(epochs=1\) in a loop"),
    ],
)
def test_parameters_that_are_not_here_say_what_to_do(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_cross_entropy_is_finite_for_every_finite_z(isa):
    net = nn.Network([1, 3], output="softmax", seed=0)
    net.layers[0].bias = [3e38, -3e38, 0]
    assert net.evaluate([0], [0])["loss"] == 0 and np.isfinite(net.gradients([0], [0]).vector).all()
    assert net.evaluate([0], [1])["loss"] > 3e38


@pytest.mark.parametrize("inputs", [1, 3])
def test_no_samples_have_no_answers(inputs):
    net = nn.Network([inputs, 4, 2], seed=0)
    none, predict = np.empty((0, inputs), np.float32), net.freeze()
    out = np.empty((0, 2), np.float32)
    for answer in (
        net.predict(none),
        predict(none),
        predict(none, out),
        net.predict(none.astype("f8")),
        net.predict(none, out),
    ):
        assert answer.shape == (0, 2) and answer.dtype == np.float32
    assert predict(none, out) is out and net.jacobian(none).shape == (0, 2, inputs)
    assert net.input_gradient(none).shape == (0, inputs) and (inputs > 1 or net.predict([]).shape == (0, 2))
    for call in (lambda: net.fit(none, out), lambda: net.evaluate(none, out), lambda: net.freeze(sample=none)):
        with pytest.raises(ValueError, match="is empty"):
            call()


# ---- what predict takes and gives ------------------------------------------------------------------------------------


def forms(X):
    """The same numbers in every form that is accepted."""
    yield "float32", X
    yield "float64", X.astype("float64")
    yield "list", X.tolist()
    yield "tuples", tuple(map(tuple, X.tolist()))
    yield "list of rows", list(X)
    yield "Fortran", np.asfortranarray(X)
    yield "every second row", np.repeat(X, 2, axis=0)[::2]
    yield "every second column", np.repeat(X, 2, axis=1)[:, ::2]
    yield "backwards", X[::-1, ::-1].copy()[::-1, ::-1]
    yield "swapped bytes", X.astype(X.dtype.newbyteorder())
    yield "subclass", np.asarray(X).view(type("Sub", (np.ndarray,), {}))
    yield "memoryview", memoryview(X)
    fixed = X.copy()
    fixed.flags.writeable = False
    yield "read-only", fixed
    raw = np.zeros(X.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(X.dtype).reshape(X.shape)
    unaligned[:] = X
    yield "unaligned", unaligned
    yield "with __array__", type("Frame", (), {"__array__": lambda self, dtype=None, copy=None: np.array(X, dtype)})()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whatever_is_array_like(dtype, uniform):
    X = (uniform((6, 3), 1) * 4).round() / 4  # exact in every type
    y = (uniform((6, 2), 2) * 4).round() / 4
    want, gradient = small(dtype=dtype).predict(X), small(dtype=dtype).gradients(X, y).vector
    trained = small(dtype=dtype)
    trained.fit(X, y, epochs=2, seed=0)
    for (name, x_form), (_, y_form) in zip(forms(X.astype("float32")), forms(y.astype("float32")), strict=True):
        net = small(dtype=dtype)
        answer = net.predict(x_form)
        assert type(answer) is np.ndarray and answer.dtype == net.dtype, name
        assert np.array_equal(answer, want), name
        assert np.array_equal(net.freeze()(x_form), want), name
        assert np.array_equal(net.gradients(x_form, y_form).vector, gradient), name
        net.fit(x_form, y_form, epochs=2, seed=0)
        assert np.array_equal(net.parameters, trained.parameters), name


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16", "bool", "float16", "longdouble"])
def test_numbers_of_other_types(kind):
    X = np.array([[0, 1, 1], [1, 0, 1]]).astype(kind)
    assert np.array_equal(small().predict(X), small().predict(X.astype("float32")))


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [0.5, 1.5, 2], "b": [1, 2, 3], "c": [True, False, True]}).astype({"c": float})
    target = pandas.Series([0.0, 1.0, 2.0])
    net, other = (nn.Network([3, 4, 1], seed=2) for _ in range(2))
    assert np.array_equal(net.predict(frame), net.predict(frame.to_numpy()))
    net.fit(frame, target, epochs=2)
    other.fit(frame.to_numpy(), target.to_numpy(), epochs=2)
    assert np.array_equal(net.parameters, other.parameters)
    assert net.predict(frame.iloc[0]).shape == (1,)


def test_polars_frames():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [0.5, 1.5], "b": [1.0, 2.0], "c": [3.0, 4.0]})
    assert np.array_equal(small().predict(frame), small().predict(frame.to_numpy()))


def test_one_dimension_in_one_out():
    net = small()
    x = np.array([0.1, -0.2, 0.3])
    assert net.predict(x).shape == (2,) and net.predict([x]).shape == (1, 2)
    assert np.array_equal(net.predict(x), net.predict([x])[0])
    one = nn.Network([1, 4, 1], seed=0)  # one input: a vector is that many samples
    assert one.predict(np.arange(5)).shape == (5, 1)
    assert one.predict([0.5]).shape == (1,) and one.predict(0.5).shape == (1,) and one.predict([[0.5]]).shape == (1, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_out_is_written_in_place(dtype, uniform):
    net = small(dtype=dtype)
    X = uniform((9, 3), 3)
    want = net.predict(X)
    out = np.full((9, 2), np.nan, dtype)
    assert net.predict(X, out=out) is out and np.array_equal(out, want)
    frame = np.full((11, 2), 7, dtype)
    net.predict(X, out=frame[1:10])
    assert np.array_equal(frame[1:10], want) and np.all(frame[[0, 10]] == 7)
    single = np.full(2, np.nan, dtype)
    assert net.predict(X[4], out=single) is single and np.array_equal(single, want[4])
    predict = net.freeze()
    ready = np.ascontiguousarray(X, dtype)
    assert predict(ready, out) is out and np.array_equal(out, want)


def test_inputs_are_never_written(uniform):
    X, y = uniform((20, 3), 1, "float32"), uniform((20, 2), 2, "float32")
    before = X.copy(), y.copy()
    net = small()
    net.fit(X, y, epochs=3, validation_data=0.2)
    net.predict(X), net.evaluate(X, y), net.gradients(X, y)
    assert np.array_equal(X, before[0]) and np.array_equal(y, before[1])


# ---- evaluate and gradients ------------------------------------------------------------------------------------------


def test_evaluate():
    net = nn.Network([2, 2], output="softmax", seed=0)
    net.layers[0].weight, net.layers[0].bias = np.eye(2), [0, 0]
    X = [[1, 0], [0, 1], [2, 0], [0, 3]]
    found = net.evaluate(X, [0, 1, 1, 1])
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    assert found["accuracy"] == 0.75
    assert found["loss"] == pytest.approx(-np.mean(np.log(p[[0, 1, 2, 3], [0, 1, 1, 1]])), rel=1e-6)
    assert net.evaluate(X, np.eye(2)[[0, 1, 1, 1]]) == found
    assert net.evaluate(X, np.eye(2)[[0, 1, 1, 1]], loss="mse")["loss"] == pytest.approx(
        np.mean((p - np.eye(2)[[0, 1, 1, 1]]) ** 2)
    )
    line = nn.Network([1, 1], init=2.0, seed=0)
    assert line.evaluate([0, 1, 2, 3], [0, 2, 4, 6]) == {"loss": 0, "r2": 1}
    assert np.isnan(line.evaluate([0, 1, 2], [0.1, 0.1, 0.1])["r2"])  # whose mean is not 0.1
    assert line.evaluate([0, 1], [1, 3])["loss"] == 1 and line.evaluate([0, 1], [1, 3], loss="sse")["loss"] == 2
    assert set(nn.Network([2, 1], output="sigmoid").evaluate(X, [0, 1, 1, 0])) == {"loss", "accuracy"}


def test_the_slope_of_a_line_by_hand():
    net = nn.Network([1, nn.Dense(1, bias=False, init=2.0)], dtype="float64")
    gradients = net.gradients([0, 1, 2, 3, 4], [0, 4, 8, 12, 16], loss="sse")
    assert (
        gradients.loss == 120 and gradients.layers[0].weight.tolist() == [[-120]] and gradients.layers[0].bias is None
    )
    assert gradients.vector.tolist() == [-120] and [g.weight[0, 0] for g in gradients] == [-120]
    assert "120" in repr(gradients)


def test_gradients_are_views_in_the_order_of_parameters(uniform):
    net = small()
    gradients = net.gradients(uniform((4, 3)), uniform((4, 2)))
    at = 0
    for layer, (dW, db) in zip(net.layers, gradients.layers, strict=True):
        assert dW.shape == layer.weight.shape and db.shape == layer.bias.shape
        assert np.array_equal(gradients.vector[at : at + dW.size], dW.ravel())
        at += dW.size + db.size
    assert np.shares_memory(gradients.layers[1].bias, gradients.vector) and at == gradients.vector.size


SEED_X, SEED_Y = np.linspace(-1, 1, 24).reshape(8, 3), np.linspace(-1, 1, 16).reshape(8, 2)


def test_a_generator_is_a_seed():
    def trained(rng):
        net = nn.Network([3, nn.Dense(5, dropout=0.2), 2], seed=rng)
        net.fit(SEED_X, SEED_Y, epochs=2, seed=rng)
        nn.Trainer(net, seed=rng).fit(SEED_X, SEED_Y, epochs=2)
        return net

    rng = np.random.default_rng(3)
    one, other = trained(np.random.default_rng(3)), trained(rng)
    assert one.seed == other.seed and np.array_equal(one.parameters, other.parameters)
    assert nn.Network([3, 2], seed=rng).seed != nn.Network([3, 2], seed=rng).seed
    assert np.array_equal(
        nn.Network([3, 5], seed=one.seed).parameters[:15],
        nn.Network([3, 5], seed=np.random.default_rng(3)).parameters[:15],
    )
    nn.random_search(one, SEED_X, SEED_Y, trials=3, seed=rng)


@pytest.mark.parametrize("rows", [1, 7, 600])
@pytest.mark.parametrize(
    ("output", "outputs"), [("softmax", 3), ("softmax", 40), ("sigmoid", 1), ("sigmoid", 5), ("tanh", 2)]
)
def test_one_pass_gives_the_losses_and_the_answers(output, outputs, rows, uniform):
    net = nn.Network([4, 9, outputs], output=output, seed=3)
    X, y = uniform((rows, 4), 1, "float32"), uniform((rows, outputs), 2, "float32")
    engine, answers, losses = net._take_engine(rows), np.empty((rows, outputs), np.float32), np.empty(rows)
    engine.set_loss(_kernels.losses()[net.loss].index)
    alone = engine.losses(X, y, None, np.empty(rows))
    assert engine.losses(X, y, None, losses, answers) == alone and np.isfinite(losses).all()
    assert answers.tobytes() == net.predict(X).tobytes()
