"""The digits that the package carries, and the split."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from nncore.datasets import load_digits, split


def test_digits():
    X, y = load_digits()
    assert X.shape == (1797, 64) and X.dtype == np.float32 and X.flags.c_contiguous and X.flags.writeable
    assert y.shape == (1797,) and y.dtype == np.int64
    assert X.min() == 0 and X.max() == 1
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    raw, _ = load_digits(scale=False, dtype="float64")
    assert raw.dtype == np.float64 and raw.max() == 16 and (raw / 16 == X).all()
    assert raw[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


def test_digits_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets")
    X, y = load_digits(scale=False)
    theirs = sklearn.load_digits()
    assert (theirs.data == X).all() and (theirs.target == y).all()


def test_two_calls_share_nothing():
    first, _ = load_digits()
    first[:] = 5
    assert load_digits()[0].max() == 1


def test_the_attribution_comes_with_the_data():
    text = resources.files("nncore.datasets").joinpath("ATTRIBUTION.md").read_text("utf-8")
    assert "Alpaydin" in text and "Kaynak" in text and "CC BY 4.0" in text


@pytest.mark.parametrize(("settings", "words"), [({"dtype": "float16"}, "dtype"), ({"scale": "yes"}, "scale")])
def test_wrong_settings(settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        load_digits(**settings)


# ---- split -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 10, 1797])
@pytest.mark.parametrize("stratify", [False, True])
def test_a_split_loses_nothing(n, stratify):
    X, y = np.arange(2 * n).reshape(n, 2), np.arange(n) % 3
    X_train, X_test, y_train, y_test = split(X, y, 0.2, stratify=stratify)
    assert len(X_train) + len(X_test) == n and len(X_test) == max(round(0.2 * n), 1)
    assert sorted(np.concatenate([X_train, X_test])[:, 0].tolist()) == X[:, 0].tolist()
    assert (y_train == X_train[:, 0] // 2 % 3).all() and (y_test == X_test[:, 0] // 2 % 3).all()


def test_stratify_keeps_the_shares():
    y = np.array([0] * 50 + [1] * 30 + [2] * 21)
    _, _, _, y_test = split(y, y, 0.2, seed=3, stratify=True)
    counts = np.bincount(y_test)
    assert counts.sum() == 20 and (np.abs(counts - np.array([50, 30, 21]) * 20 / 101) < 1).all()


def test_the_seed_decides():
    y = np.arange(100)
    assert split(y, y, seed=1)[0].tolist() == split(y, y, seed=1)[0].tolist() != split(y, y, seed=2)[0].tolist()
    X = np.random.default_rng(0).random(
        100
    )  # drawn from the same seed, which must not choose among them by what they are
    low, high = split(X, X, seed=0)[:2]
    assert low.min() < high.max() and high.min() < low.max()
    assert split(np.arange(10), np.arange(10), 0.3, seed=0)[1].tolist() == [7, 4, 5]


@pytest.mark.parametrize(
    ("X", "y", "settings", "words"),
    [
        ([[1], [2]], [1], {}, r"shapes \(2, 1\) and \(1,\)"),
        ([[1]], [1], {}, "at least 2 samples"),
        ([1, 2], [1, 2], {"test": 0}, "test must be a number above 0 and below 1, got 0"),
        ([1, 2], [1, 2], {"test": 1}, "test must be"),
        ([1, 2], [[1], [2]], {"stratify": True}, "one class per sample"),
        ([1, 2], [1, 2], {"seed": -1}, "seed"),
        ([1, 2], [1, 2], {"test_size": 0.5}, "no parameter 'test_size': did you mean 'test'"),
    ],
)
def test_wrong_splits(X, y, settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        split(X, y, **settings)
