"""Plain arrays take a quick way into the core, past the checks that have words: the answers are the same, bit for bit, and
whatever is not plain still meets its words."""

import numpy as np
import pytest

import nncore as nn


def network(outputs=1, dtype="float32", output="identity"):
    return nn.Network([3, nn.Dense(5, "tanh"), outputs], output=output, seed=4, dtype=dtype)


def data(rows, columns, dtype="float32", seed=0):
    return np.random.RandomState(seed).standard_normal((rows, columns)).astype(dtype)


def slow(array):
    """The same numbers in a form that is not plain."""
    return array.tolist()


STEPS = {
    "one sample": (lambda x, y: (x[0], y[0])),
    "one row": (lambda x, y: (x[:1], y[:1])),
    "a batch": (lambda x, y: (x, y)),
    "half a batch": (lambda x, y: (x[:4], y[:4])),
    "more than there is room for": (lambda x, y: (np.tile(x, (5, 1)), np.tile(y, (5, 1)))),
    "read only": (lambda x, y: (np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape), y)),
    "strided": (lambda x, y: (np.repeat(x, 2, 0)[::2], y)),
    "reversed columns": (lambda x, y: (x[:, ::-1], y)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("which", STEPS)
def test_a_step_is_the_same_step(which, outputs, dtype):
    x, y = STEPS[which](data(8, 3, dtype), data(8, outputs, dtype, 1))
    nets = [network(outputs, dtype) for _ in range(2)]
    trainers = [nn.Trainer(net, batch_size=8) for net in nets]
    for _ in range(4):  # the first has no workspace yet, so goes the long way
        assert trainers[0].step(x, y) == trainers[1].step(slow(x), slow(y))
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


def test_a_column_of_targets_may_be_a_vector():
    nets = [network() for _ in range(2)]
    x, y = data(8, 3), data(8, 1)
    trainers = [nn.Trainer(net) for net in nets]
    for _ in range(3):
        assert trainers[0].step(x, y) == trainers[1].step(x, y[:, 0].copy())


TARGETS = {
    "labels": ("softmax", 3, [2, 0, 1, 1], [lambda y: y, lambda y: y.astype(np.int32)]),
    "one label": ("softmax", 3, [2], [lambda y: y, lambda y: int(y[0]), lambda y: y[0], lambda y: np.int8(y[0])]),
    "yes or no": ("sigmoid", 1, [[1.0], [0], [0.25], [1]], [lambda y: y, lambda y: y[:, 0].copy()]),
    "one yes": ("sigmoid", 1, [[1.0]], [lambda y: y[0], lambda y: True, lambda y: 1, lambda y: y[0, 0], lambda y: 1.0]),
    "answers": ("sigmoid", 2, [[1.0, 0], [0.5, 1], [0, 0], [1, 1]], [lambda y: y]),
    "one number": (
        "identity",
        1,
        [[-1.5]],
        [lambda y: y[0], lambda y: -1.5, lambda y: y[0, 0], lambda y: np.float64(-1.5)],
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("which", TARGETS)
def test_every_form_of_targets_takes_the_quick_way(which, dtype, monkeypatch):
    from nncore import checks

    output, outputs, y, forms = TARGETS[which]
    x, y = data(len(y), 3, dtype), np.array(y, None if output == "softmax" else dtype)
    for form in forms:
        for rows in (
            (x, x[0]) if len(y) == 1 and np.ndim(form(y)) < 2 and output == "softmax" else (x if len(y) > 1 else x[0],)
        ):
            nets = [network(outputs, dtype, output) for _ in range(2)]
            trainers = [nn.Trainer(net, batch_size=4) for net in nets]
            for trainer in trainers:
                trainer.step(x, y)  # the first has no workspace yet, so goes the long way
            want = [trainers[1].step(slow(x), slow(y)) for _ in range(3)]
            with monkeypatch.context() as patch:
                patch.setattr(checks, "as_inputs", None)
                assert [trainers[0].step(rows, form(y)) for _ in range(3)] == want
            assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


@pytest.mark.parametrize(
    ("output", "outputs", "y", "words"),
    [
        ("softmax", 3, 3, "labels must be from 0 to 2"),
        ("softmax", 3, -1, "labels must be from 0 to 2"),
        ("softmax", 3, np.array([3]), "labels must be from 0 to 2"),
        ("softmax", 3, np.array([-1], np.int32), "labels must be from 0 to 2"),
        ("softmax", 3, np.array([2**32]), "labels must be from 0 to 2"),
        ("softmax", 3, 2**70, "y"),
        ("sigmoid", 1, 1.5, "from 0 to 1"),
        ("sigmoid", 1, float("nan"), "nan"),
        ("sigmoid", 2, np.array([0, -0.1], np.float32), "from 0 to 1"),
        ("identity", 1, 1e300, "too large for float32"),
        ("identity", 1, float("inf"), "inf"),
        ("identity", 1, 10**400, "y"),
        ("identity", 1, "1", "text|str"),
    ],
)
def test_targets_that_are_wrong_still_have_their_words(output, outputs, y, words):
    net = network(outputs, output=output)
    trainer, x = nn.Trainer(net), data(1, 3)[0]
    trainer.step(x, 0 if outputs != 2 else [0, 0])
    before = net.parameters.tobytes()
    with pytest.raises((ValueError, TypeError, OverflowError), match=words):
        trainer.step(x, y)
    assert net.parameters.tobytes() == before
    trainer.step(x, 0 if outputs != 2 else [0, 0])


@pytest.mark.parametrize("output, y", [("softmax", [0, 1, 1, 0]), ("sigmoid", [[0, 1], [1, 1], [0, 0], [1, 0]])])
def test_classes_and_probabilities_keep_their_checks(output, y):
    trainer = nn.Trainer(network(2, output=output))
    x, y = data(4, 3), np.array(y)
    before = trainer.step(x, y)
    assert trainer.step(x, y) < before
    with pytest.raises(ValueError, match="from 0 to 1"):
        trainer.step(x, (y + 7).astype("float32"))


BAD = {
    "nan in x": (lambda x, y: (np.where(x == x[1, 2], np.nan, x), y), r"X\[1, 2\] is nan"),
    "inf in y": (lambda x, y: (x, np.where(y == y[2, 0], -np.inf, y)), r"y\[2, 0\] is -inf"),
    "columns": (lambda x, y: (x[:, :2].copy(), y), "3"),
    "rows": (lambda x, y: (x, y[:3]), "3"),
    "no rows": (lambda x, y: (x[:0], y[:0]), "empty|no samples|at least one"),
    "masked": (lambda x, y: (np.ma.masked_array(x, x > 0), y), "masked"),
}


@pytest.mark.parametrize("which", BAD)
def test_what_is_wrong_still_has_its_words(which):
    net = network()
    trainer = nn.Trainer(net)
    x, y = data(4, 3), data(4, 1, seed=1)
    trainer.step(x, y)
    before = net.parameters.tobytes()
    make, words = BAD[which]
    with pytest.raises((ValueError, TypeError), match=words):
        trainer.step(*make(x, y))
    assert net.parameters.tobytes() == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_prediction_is_the_same_prediction(dtype):
    net, x = network(2, dtype), data(9, 3, dtype)
    want = net.predict(slow(x))
    assert net.predict(x).tobytes() == want.tobytes()
    out = np.empty((9, 2), dtype)
    assert net.predict(x, out=out) is out and out.tobytes() == want.tobytes()
    wide = np.zeros((9, 16), dtype)  # a row of its own, wider than the answer: nothing beyond it is touched
    assert net.predict(x[:1], out=wide[:1, :2]) is not None
    assert wide[0, :2].tobytes() == want[0].tobytes() and not wide[:, 2:].any() and not wide[1:].any()


# the last one's weights are read row by row
@pytest.mark.parametrize("sizes", [[3, 5, 2], [90, 131, 1, 4], [130, 300, 257]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_is_one_sample(sizes, dtype):
    net = nn.Network(sizes, hidden="tanh", seed=5, dtype=dtype)
    x = data(4, sizes[0], dtype)
    want, frozen = net.predict(slow(x)), net.freeze()
    outputs = sizes[-1]
    for i in range(4):
        for shape, sample in (((1, outputs), x[i : i + 1]), ((outputs,), x[i])):
            for predict in (net.predict, frozen):
                out = np.empty(shape, dtype)
                assert predict(sample, out) is out
                got = predict(sample)
                assert got.shape == shape
                assert got.tobytes() == out.tobytes() == want[i].tobytes()


@pytest.mark.parametrize("which", ["nan in x", "columns", "no rows", "masked"])
def test_a_refused_prediction_leaves_out_as_it_was(which):
    net, x = network(), data(4, 3)
    make, words = BAD[which]
    out = np.full((4, 1), 7, "float32")
    with pytest.raises((ValueError, TypeError), match=words):
        net.predict(make(x, x)[0], out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("rows", [1, 3, 2000])
@pytest.mark.parametrize("name", ["predict", "input_gradient"])
def test_out_that_overlaps_the_input_is_refused_and_in_its_place_is_right(rows, name):
    call = getattr(nn.Network([4, 4], hidden="tanh", seed=0), name)
    both = np.zeros((rows + 3, 4), "float32")
    both[:rows] = data(rows, 4)
    before = both.copy()
    for shift in range(1, min(rows, 4)):
        with pytest.raises(ValueError, match="share memory"):
            call(both[:rows], both[shift : shift + rows])
        assert np.array_equal(both, before)
    want = call(before[:rows])
    assert np.array_equal(call(both[:rows], both[:rows]), want) and np.array_equal(both[:rows], want)


def test_a_jacobian_over_its_input_is_refused():
    both = np.ones(20, "float32")
    with pytest.raises(ValueError, match="share memory"):
        nn.Network([4, 4], seed=0).jacobian(both[:4], both[2:18].reshape(4, 4))
    assert both.all()


def test_gradients_of_a_kept_workspace_are_those_of_a_new_one():
    net = network()
    x, y = data(40, 3), data(40, 1, seed=1)
    for rows in (8, 40, 3, 40):
        got = net.gradients(x[:rows], y[:rows])
        assert got.vector.tobytes() == net.copy().gradients(x[:rows], y[:rows]).vector.tobytes()
