"""The conversions at the border, and the words of everything that they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nncore as nn
from nncore import checks
from nncore.checks import as_inputs, as_targets, require_finite

DTYPES = ["float32", "float64"]


class Frame:
    """What a pandas or polars frame is to numpy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class Sparse:
    """What a scipy matrix is to numpy."""

    shape = (2, 3)

    def toarray(self):
        return np.zeros(self.shape)


# ---- inputs: what is taken -------------------------------------------------------------------------------------------

GIVEN = {
    "list": [[1, 2, 3], [4, 5, 6]],
    "tuples": ((1, 2, 3), (4, 5, 6)),
    "list of arrays": [np.array([1, 2, 3]), np.array([4, 5, 6])],
    "frame": Frame([[1, 2, 3], [4, 5, 6]]),
    "fortran": np.asfortranarray([[1.0, 2, 3], [4, 5, 6]]),
    "transposed": np.array([[1.0, 4], [2, 5], [3, 6]]).T,
    "strided": np.repeat(np.array([[1.0, 2, 3], [4, 5, 6]]), 2, axis=1)[:, ::2],
    "reversed": np.array([[6.0, 5, 4], [3, 2, 1]])[::-1, ::-1],
    "byte-swapped": np.array([[1, 2, 3], [4, 5, 6]], ">f4"),
    "unaligned": np.frombuffer(b"x" + np.array([[1, 2, 3], [4, 5, 6]], "f4").tobytes(), np.uint8)[1:]
    .view("f4")
    .reshape(2, 3),
    **{
        kind: np.array([[1, 2, 3], [4, 5, 6]], kind)
        for kind in ("i1", "u1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g")
    },
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", GIVEN)
def test_inputs_of_any_kind(kind, dtype):
    array, was_1d = as_inputs(GIVEN[kind], 3, dtype)
    assert array.tolist() == [[1, 2, 3], [4, 5, 6]] and not was_1d
    assert array.dtype == dtype and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned


def test_numbers_kept_as_python_objects_are_numbers():
    # as pandas hands out columns whose integers may be missing
    array, _ = as_inputs(np.array([[1, 2.5], [True, 2**40]], object), 2, "float64")
    assert array.tolist() == [[1, 2.5], [1, 2**40]] and array.dtype == np.float64


def test_booleans_count_as_0_and_1():
    assert as_inputs([[True, False]], 2, "float32")[0].tolist() == [[1, 0]]


def test_what_is_right_already_is_not_copied():
    X = np.zeros((4, 3), np.float32)
    assert as_inputs(X, 3, np.float32)[0] is X
    X.flags.writeable = False
    assert as_inputs(X, 3, "float32")[0] is X
    assert np.shares_memory(as_inputs(X[1], 3, "float32")[0], X)
    assert not np.shares_memory(as_inputs(X, 3, "float64")[0], X)


@pytest.mark.parametrize(
    ("X", "columns", "shape", "was_1d"),
    [
        (np.zeros(3), 3, (1, 3), True),
        (np.zeros((1, 3)), 3, (1, 3), False),
        (np.zeros(5), 1, (5, 1), False),  # five samples of one number
        (np.zeros((5, 1)), 1, (5, 1), False),
        (np.zeros(1), 1, (1, 1), True),
        (2.5, 1, (1, 1), True),
        (np.float32(2.5), 1, (1, 1), True),
    ],
)
def test_one_sample_and_many(X, columns, shape, was_1d):
    array, got = as_inputs(X, columns, "float32")
    assert array.shape == shape and got is was_1d


# ---- inputs: what is refused -----------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
WRONG_INPUTS = [
    # (X, columns, error, words that must be in the message)
    ([], 3, ValueError, ["X has shape (0,)", "3 inputs"]),
    (np.zeros((0, 3)), 3, ValueError, ["X is empty: its shape is (0, 3)", "at least one sample"]),
    ([], 1, ValueError, ["X is empty"]),
    (np.zeros((5, 2)), 3, ValueError, ["X has shape (5, 2)", "takes 3 inputs: shape (n, 3), or (3,) for one sample"]),
    (np.zeros((3, 2)), 3, ValueError, ["X has shape (3, 2)", "X.T"]),
    (np.zeros(4), 3, ValueError, ["X has shape (4,)", "(n, 3)"]),
    (np.zeros((5, 0)), 3, ValueError, ["X has shape (5, 0)"]),
    (np.zeros((7, 8, 8)), 64, ValueError, ["X has shape (7, 8, 8)", "X.reshape(len(X), -1)"]),
    (np.zeros((7, 2, 8)), 64, ValueError, ["X has shape (7, 2, 8)"]),
    (5.0, 3, ValueError, ["X has shape ()"]),
    ([[1, 2, 3], [4, 5]], 3, ValueError, ["differ in length"]),
    ([[1, NAN, 3]], 3, ValueError, ["X[0, 1] is nan"]),
    ([[1, 2, 3], [4, 5, INF], [NAN, 1, 1]], 3, ValueError, ["X[1, 2] is inf"]),
    ([[1, 2, -INF]], 3, ValueError, ["X[0, 2] is -inf"]),
    ([1, 2, NAN], 3, ValueError, ["X[0, 2] is nan"]),
    ([[1e39, 0, 0]], 3, ValueError, ["X[0, 0] is 1e+39: too large for float32", "float64"]),
    ([["a", "b", "c"]], 3, TypeError, ["X holds text"]),
    (np.array([[1, 2, "c"]], object), 3, TypeError, ["X[0, 2] is 'c'"]),
    (np.array([[1, None, 3]], object), 3, TypeError, ["X[0, 1] is None"]),
    (np.array([[1, 10**400, 3]], object), 3, ValueError, ["too large for float64"]),
    ([[1, {}, 3]], 3, TypeError, ["X[0, 1] is {}"]),
    ([[1j, 2, 3]], 3, TypeError, ["complex"]),
    (np.zeros((2, 3), "M8[s]"), 3, TypeError, ["X must hold numbers, got dtype datetime64[s]"]),
    (np.zeros(2, [("a", "f4")]), 3, TypeError, ["X must hold numbers"]),
    (None, 3, TypeError, ["X must be an array of numbers, got None"]),
    ("text", 3, TypeError, ["X holds text"]),
    ({1: 2}, 3, TypeError, ["X"]),
    (Sparse(), 3, TypeError, ["sparse", "X.toarray()"]),
    (np.ma.masked_array([[1.0, 2, 3]], [[True, False, False]]), 3, TypeError, ["masked"]),
]


@pytest.mark.parametrize(("X", "columns", "error", "words"), WRONG_INPUTS, ids=range(len(WRONG_INPUTS)))
def test_wrong_inputs_have_their_words(X, columns, error, words):
    with pytest.raises(error) as caught:
        as_inputs(X, columns, "float32")
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(error, match="features"):
        as_inputs(X, columns, "float32", name="features")


def test_masks_within_lists_and_in_a_split_are_seen():
    masked = np.ma.masked_greater(np.array([1.0, 999.0]), 100)
    with pytest.raises(TypeError, match=r"X\[1\] is a masked array"):
        checks.as_inputs([[1.0, 2.0], masked], 2, np.dtype("float32"))
    for X, y in (([masked, masked], [1, 2]), (np.ma.stack([masked, masked]), [1, 2]), ([[1], [2]], masked)):
        with pytest.raises(TypeError, match="masked"):
            nn.datasets.split(X, y)


def test_a_masked_array_without_masked_entries_is_an_array():
    assert as_inputs(np.ma.masked_array([[1.0, 2.0]]), 2, "float32")[0].tolist() == [[1, 2]]


def test_what_is_read_or_written_as_it_lies_has_no_mask():
    masked = np.ma.masked_array(np.zeros((2, 2), np.float32), np.eye(2))
    with pytest.raises(TypeError, match=r"x is a masked array with masked entries: .* x\.filled\(0\)"):
        checks.require_unmasked(masked, "x")
    with pytest.raises(TypeError, match="out is a masked array whose mask would hide"):
        checks.out_or_new(masked, (2, 2), "float32")
    for plain in (np.zeros((2, 2), np.float32), np.ma.masked_array(np.zeros((2, 2), np.float32))):
        checks.require_unmasked(plain, "x")
        assert checks.out_or_new(plain, (2, 2), "float32") is plain


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_within_a_type(dtype):
    largest = float(np.finfo(dtype).max)
    assert checks.within("alpha", largest, dtype) == largest and checks.within("alpha", -largest, dtype) == -largest


def test_too_large_a_number_hears_of_the_largest():
    with pytest.raises(
        ValueError, match=r"alpha is -1e\+39: too large for float32, .* is 3\.40282e\+38; .* float64 network"
    ):
        checks.within("alpha", -1e39, "float32")
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        with pytest.raises(ValueError, match=r"too large for float64, .* is 1\.79769e\+308; rescale it$"):
            as_inputs(np.full((1, 1), np.finfo(np.longdouble).max), 1, "float64")


def test_the_finite_check_can_be_left_out():
    assert np.isnan(as_inputs([[NAN]], 1, "float32", finite=False)[0]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("size", [1, 7, 8191, 8192, 8193, 40000])
def test_the_finite_check_sees_every_place(size, value, dtype):
    array = np.ones((size, 1), dtype)
    require_finite(array, "X")
    for where in {0, size // 2, size - 1}:
        array[where] = value
        with pytest.raises(ValueError, match=rf"X\[{where}, 0\] is {value}"):
            require_finite(array, "X")
        array[where] = 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_numbers_are_finite(dtype):
    require_finite(np.full((100, 3), np.finfo(dtype).max, dtype), "X")
    require_finite(np.full((100, 3), np.finfo(dtype).smallest_subnormal, dtype), "X")


@given(
    st.lists(st.lists(st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text()))), st.integers(1, 4)
)
def test_nothing_comes_through_that_is_not_finite_numbers(X, columns):
    try:
        array, _ = as_inputs(X, columns, "float32")
    except (ValueError, TypeError) as error:
        assert "X" in str(error)
    else:
        assert array.shape[1] == columns and np.isfinite(array).all()


# ---- targets: what is taken ------------------------------------------------------------------------------------------

SOFTMAX = {"activation": "softmax", "loss": "cross_entropy", "dtype": "float32"}
SIGMOID = {"activation": "sigmoid", "loss": "binary_cross_entropy", "dtype": "float32"}
PLAIN = {"activation": "identity", "loss": "mse", "dtype": "float32"}


@pytest.mark.parametrize(
    "y",
    [
        [0, 2, 1],
        [[0], [2], [1]],
        [0.0, 2.0, 1.0],
        np.array([0, 2, 1], "u1"),
        np.array([0, 2, 1], ">i8"),
        Frame([0, 2, 1]),
    ],
    ids=range(6),
)
def test_labels(y):
    labels = as_targets(y, 3, 3, **SOFTMAX)
    assert labels.tolist() == [0, 2, 1] and labels.dtype == np.int32 and labels.flags.c_contiguous


def test_labels_that_are_right_already_are_not_copied():
    y = np.array([0, 1], np.int32)
    assert np.shares_memory(as_targets(y, 2, 2, **SOFTMAX), y)
    assert as_targets([True, False], 2, 2, **SOFTMAX).tolist() == [1, 0]


def test_one_hot_stays_and_other_losses_spread_labels():
    one_hot = [[1, 0, 0], [0, 0, 1]]
    assert as_targets(one_hot, 3, 2, **SOFTMAX).tolist() == one_hot
    spread = as_targets([0, 2], 3, 2, "softmax", "mse", "float64")
    assert spread.tolist() == one_hot and spread.dtype == np.float64


@pytest.mark.parametrize(
    ("y", "outputs", "rows", "expected"),
    [
        ([1, 2], 1, 2, [[1], [2]]),
        ([[1], [2]], 1, 2, [[1], [2]]),
        ([[1, 2], [3, 4]], 2, 2, [[1, 2], [3, 4]]),
        ([1, 2], 2, 1, [[1, 2]]),  # one sample without its axis
        (5, 1, 1, [[5]]),
        ([5], 1, 1, [[5]]),
    ],
)
def test_dense_targets(y, outputs, rows, expected):
    result = as_targets(y, outputs, rows, **PLAIN)
    assert result.tolist() == expected and result.dtype == np.float32 and result.flags.c_contiguous


def test_one_sample_of_a_softmax():
    assert as_targets(2, 3, 1, **SOFTMAX).tolist() == [2]
    assert as_targets([2], 3, 1, **SOFTMAX).tolist() == [2]
    assert as_targets([0, 0, 1], 3, 1, **SOFTMAX).tolist() == [[0, 0, 1]]


# ---- targets: what is refused ----------------------------------------------------------------------------------------

WRONG_TARGETS = [
    # (y, outputs, rows, settings, error, words)
    ([0, 1], 3, 5, SOFTMAX, ValueError, ["y has 2 rows", "X has 5"]),
    ([0, 1, 3], 3, 3, SOFTMAX, ValueError, ["y[2] is 3", "from 0 to 2 for 3 outputs"]),
    ([1, 2, 3], 3, 3, SOFTMAX, ValueError, ["y[2] is 3", "y - 1"]),
    ([0, -1, 1], 3, 3, SOFTMAX, ValueError, ["y[1] is -1", "from 0 to 2"]),
    ([0, 0.5, 1], 3, 3, SOFTMAX, ValueError, ["y[1] is 0.5", "whole numbers from 0 to 2"]),
    ([0, NAN, 1], 3, 3, SOFTMAX, ValueError, ["y[1] is nan"]),
    ([2**40, 0, 1], 3, 3, SOFTMAX, ValueError, ["y[0] is 1099511627776"]),
    (np.array([2**63], "u8"), 3, 1, SOFTMAX, ValueError, ["y[0] is 9223372036854775808"]),
    (["cat", "dog"], 2, 2, SOFTMAX, TypeError, ["y holds text", "np.unique(y, return_inverse=True)"]),
    (np.array(["cat", "dog"], object), 2, 2, SOFTMAX, TypeError, ["y[0] is 'cat'", "np.unique"]),
    ([[0, 1], [1, 0]], 3, 2, SOFTMAX, ValueError, ["y has shape (2, 2)", "(2,) or rows of shape (2, 3)"]),
    ([[0, 0, 1]], 3, 2, SOFTMAX, ValueError, ["y has 1 row (", "X has 2"]),
    ([[0, 0, 2], [1, 0, 0]], 3, 2, SOFTMAX, ValueError, ["y[0, 2] is 2.0", "cross_entropy"]),
    ([], 3, 2, SOFTMAX, ValueError, ["y is empty", "X has 2"]),
    (1, 3, 2, SOFTMAX, ValueError, ["y has shape ()"]),
    ([0, 1.5], 1, 2, SIGMOID, ValueError, ["y[1] is 1.5", "binary_cross_entropy", "from 0 to 1"]),
    ([[0, 1], [-1, 1]], 2, 2, SIGMOID, ValueError, ["y[1, 0] is -1"]),
    ([0, NAN], 1, 2, SIGMOID, ValueError, ["y[1] is nan"]),
    ([1, 2, 3], 1, 2, PLAIN, ValueError, ["y has 3 rows", "X has 2"]),
    ([1, 2], 2, 2, PLAIN, ValueError, ["y has shape (2,)", "2 samples and 2 outputs need shape (2, 2)"]),
    ([[1, 2, 3]] * 2, 2, 2, PLAIN, ValueError, ["y has shape (2, 3)", "shape (2, 2)"]),
    ([[1, 2]] * 2, 1, 2, PLAIN, ValueError, ["y has shape (2, 2)", "shape (2,) or (2, 1)"]),
    ([], 1, 2, PLAIN, ValueError, ["y is empty"]),
    ([1, INF], 1, 2, PLAIN, ValueError, ["y[1] is inf"]),
    ([1, 1e39], 1, 2, PLAIN, ValueError, ["y[1] is 1e+39: too large for float32"]),
    ([[1], [INF]], 1, 2, PLAIN, ValueError, ["y[1, 0] is inf"]),
    ([1, INF], 2, 1, PLAIN, ValueError, ["y[1] is inf"]),
    (NAN, 1, 1, PLAIN, ValueError, ["y is nan"]),
    ([[1], [2]], 1, 2, SIGMOID, ValueError, ["y[1, 0] is 2", "from 0 to 1"]),
    ([0, 2], 2, 1, SIGMOID, ValueError, ["y[1] is 2", "from 0 to 1"]),
    (3, 1, 1, SIGMOID, ValueError, ["y is 3", "from 0 to 1"]),
    ([1, -1, 1], 1, 3, SIGMOID, ValueError, ["y[1] is -1", "for labels of -1 and 1 give (y + 1) / 2"]),
    ([0, 2, 1], 3, 3, PLAIN, ValueError, ["y has shape (3,)", "class labels make the network with output='softmax'"]),
    ([[0.0], [2]], 3, 2, SIGMOID, ValueError, ["y has shape (2, 1)", "class labels", "output='softmax'"]),
    (2, 3, 1, PLAIN, ValueError, ["y has shape ()", "class labels", "output='softmax'"]),
    (None, 1, 2, PLAIN, TypeError, ["y must be an array of numbers, got None"]),
    ([1j, 1], 1, 2, PLAIN, TypeError, ["complex"]),
    (["a", "b"], 1, 2, PLAIN, TypeError, ["y holds text"]),
]


@pytest.mark.parametrize(
    ("y", "outputs", "rows", "settings", "error", "words"), WRONG_TARGETS, ids=range(len(WRONG_TARGETS))
)
def test_wrong_targets_have_their_words(y, outputs, rows, settings, error, words):
    with pytest.raises(error) as caught:
        as_targets(y, outputs, rows, **settings)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("y", "outputs", "rows", "settings"),
    [
        ([0, 2, 3], 3, 3, PLAIN),
        ([0, -1, 2], 3, 3, PLAIN),
        ([0, 0.5, 2], 3, 3, PLAIN),
        ([0, NAN, 2], 3, 3, PLAIN),
        ([0, 1], 3, 3, PLAIN),
        ([], 3, 3, PLAIN),
        ([[0, 1]] * 2, 3, 2, PLAIN),
        ([[0, 1]] * 2, 3, 2, SOFTMAX),
        ([0, 1, 2], 1, 3, SIGMOID),
        ([0.5, -1, 1], 1, 3, SIGMOID),
    ],
    ids=range(10),
)
def test_only_what_looks_like_labels_hears_of_labels(y, outputs, rows, settings):
    with pytest.raises(ValueError) as caught:
        as_targets(y, outputs, rows, **settings)
    assert "class labels" not in str(caught.value) and "labels of -1" not in str(caught.value)


def test_what_is_advised_is_taken():
    y = np.array([1, -1, 1])
    assert as_targets((y + 1) / 2, 1, 3, **SIGMOID).tolist() == [[1], [0], [1]]


# ---- the same through the public face: nothing changes ---------------------------------------------------------------


def _network(settings):
    return nn.Network([2, 3, 3], output=settings["activation"], seed=0)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((4, 3)), np.zeros((4, 3))),
        (np.zeros((4, 2)), np.zeros((3, 3))),
        (np.zeros((4, 2)), np.zeros((4, 2))),
        (np.full((4, 2), NAN), np.zeros((4, 3))),
        (np.zeros((4, 2)), np.full((4, 3), INF)),
        (np.zeros((0, 2)), np.zeros((0, 3))),
        ([["a", "b"]], [[0, 0, 1]]),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("settings", [SOFTMAX, SIGMOID, PLAIN], ids=["softmax", "sigmoid", "identity"])
def test_a_refused_call_leaves_the_network_as_it_was(X, y, settings):
    net = _network(settings)
    trainer = nn.Trainer(net)
    before = net.parameters.copy()
    for call in (net.fit, net.evaluate, net.gradients, trainer.fit, trainer.step):
        with pytest.raises((ValueError, TypeError)):
            call(X, y)
    assert (net.parameters == before).all() and trainer.history.epochs == 0 and trainer.steps == 0
