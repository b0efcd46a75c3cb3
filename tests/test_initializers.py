"""First weights: the named distributions, their bits, and every wrong init."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from nncore import initializers
from nncore.initializers import INITIALIZERS, as_seed, check, fill, generator, label, permutation, uniform

# variance times the fan that it is meant for: uniform on [-a, a) has variance a^2 / 3
VARIANCES = {"he": (2, "in"), "glorot": (2, "both"), "lecun": (1, "in")}


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])
def test_distribution(name):
    weight = np.empty((300, 200))
    fill(weight, name, generator(1))
    factor, fan = VARIANCES[name]
    limit = math.sqrt(3 * factor / (300 if fan == "in" else 500))
    assert np.abs(weight).max() <= limit and np.abs(weight).max() > 0.999 * limit
    assert weight.mean() == pytest.approx(0, abs=0.02 * limit)
    assert weight.var() == pytest.approx(limit**2 / 3, rel=0.02)


def test_every_row_says_where_it_is_from():
    for name, row in INITIALIZERS.items():
        assert row.formula and row.source, name


@pytest.mark.parametrize(("dtype", "digest"), [("float32", "c9f8ff2caf31cda5"), ("float64", "5c6b3ee978f6d2e4")])
def test_a_seed_gives_the_same_bits_everywhere(dtype, digest):
    weight = np.empty((17, 13), dtype)
    fill(weight, "he", generator(42))
    assert hashlib.sha256(weight.astype(weight.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16] == digest


def test_the_stream_is_the_top_53_bits_of_pcg64():
    words = np.random.PCG64(7).random_raw(5)
    assert uniform(generator(7), 5).tolist() == [int(word >> 11) / 2**53 for word in words.tolist()]


def test_layers_take_their_turns():
    rng, again = generator(0), generator(0)
    first, second, both = np.empty((2, 2)), np.empty((2, 2)), np.empty((4, 2))
    fill(first, "he", rng)
    fill(second, "he", rng)
    fill(both[:2], "he", again)
    fill(both[2:], "he", again)
    assert (np.concatenate([first, second]) == both).all() and (first != second).any()


def test_float32_is_float64_rounded():
    wide, narrow = np.empty((5, 6)), np.empty((5, 6), np.float32)
    fill(wide, "glorot", generator(3))
    fill(narrow, "glorot", generator(3))
    assert (wide.astype(np.float32) == narrow).all()


def test_constants_zeros_and_callables():
    weight = np.full((2, 3), 9.0, np.float32)
    fill(weight, "zeros", generator(0))
    assert (weight == 0).all()
    fill(weight, 0.5, generator(0))
    assert (weight == 0.5).all()
    fill(weight, lambda rng, fan_in, fan_out: np.arange(fan_in * fan_out).reshape(fan_in, fan_out), generator(0))
    assert weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    fill(weight, lambda rng, fan_in, fan_out: fan_in, generator(0))
    assert (weight == 2).all()
    fill(weight, lambda rng, fan_in, fan_out: rng.standard_normal((fan_in, fan_out)), generator(0))
    assert np.isfinite(weight).all()


def test_a_view_that_is_not_contiguous_is_filled():
    base = np.zeros((4, 6))
    fill(base[::2, ::2], "he", generator(0))
    assert (base[::2, ::2] != 0).all() and (base[1::2] == 0).all()


@pytest.mark.parametrize(
    ("init", "error", "words"),
    [
        ("hee", ValueError, "unknown init 'hee': did you mean 'he'?"),
        ("xavier", ValueError, "Allowed: he, glorot, lecun, zeros, a number"),
        (None, TypeError, "init must be one of he, glorot"),
        (float("nan"), ValueError, "init must be one of"),
        (True, TypeError, "init must be one of"),
        ([1, 2], TypeError, "init must be one of"),
        (
            lambda rng, i, o: np.zeros((o, i)),
            ValueError,
            "init returned shape (3, 2), but the layer's weight is (2, 3)",
        ),
        (lambda rng, i, o: np.full((i, o), np.nan), ValueError, "is nan"),
        (lambda rng, i, o: "text", TypeError, "text"),
        (lambda rng, i, o: None, TypeError, "None"),
    ],
)
def test_a_wrong_init_has_its_words_and_writes_nothing(init, error, words):
    weight = np.full((2, 3), 9.0)
    with pytest.raises(error) as caught:
        fill(weight, init, generator(0))
    assert words in str(caught.value) and (weight == 9).all()


@pytest.mark.parametrize("init", [1e300, lambda rng, i, o: 1e300, lambda rng, i, o: np.full((i, o), 1e300)])
def test_a_number_too_large_for_the_type_is_refused(init, recwarn):
    weight = np.full((2, 3), 9.0, np.float32)
    with pytest.raises(
        ValueError, match=r"init.* is 1e\+300: too large for float32, whose largest number is 3\.40282e\+38"
    ):
        fill(weight, init, generator(0))
    assert (weight == 9).all() and not recwarn.list
    wide = np.empty((2, 3))
    fill(wide, init, generator(0))
    assert (wide == 1e300).all()


def test_seeds():
    assert uniform(generator(5), 3).tolist() == uniform(generator(np.int64(5)), 3).tolist()
    assert uniform(generator(None), 3).tolist() != uniform(generator(None), 3).tolist()
    rng = generator(1)
    assert generator(rng) is rng
    assert uniform(generator(2**200), 2).size == 2
    for wrong, error in ((-1, ValueError), (1.5, TypeError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(error, match="seed must be an integer of 0 or more"):
            generator(wrong)
        with pytest.raises(error, match="a numpy Generator, or None"):
            as_seed(wrong)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_gives_a_seed_that_can_be_kept(bits):
    rng, again = np.random.Generator(bits(3)), np.random.Generator(bits(3))
    first, second = as_seed(rng), as_seed(rng)
    assert type(first) is int and first >= 0 and first != second
    assert [first, second] == [as_seed(again), as_seed(again)]
    assert as_seed(7) == 7 and type(as_seed(np.int64(7))) is int and as_seed(2**200) == 2**200
    assert as_seed(None) != as_seed(None)


def test_permutation():
    order = permutation(generator(0), 1000)
    assert sorted(order.tolist()) == list(range(1000)) and order.tolist() != list(range(1000))
    assert order.tolist() == permutation(generator(0), 1000).tolist()


def test_labels():
    assert [label(init) for init in ("he", 0.5, 1, lambda rng, i, o: 0)] == ["he", "0.5", "1.0", "custom"]
    assert check("he") == "he" and check(2) == 2.0 and check(initializers.uniform) is initializers.uniform
