"""The settings objects of the optimizers: made from the core's rows, checked, comparable, immutable."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels, optimizers

ROWS = _kernels.optimizers()
CLASSES = {name: getattr(optimizers, row.display) for name, row in ROWS.items()}


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_a_class_with_the_rows_defaults(name):
    kind, row = CLASSES[name], ROWS[name]
    settings = kind()
    assert settings.hyper() == list(row.defaults.values()) and list(settings.to_dict()) == list(row.defaults)
    assert settings.info.index == row.index and kind is getattr(nn, row.display)
    assert optimizers.as_optimizer(name) == settings and optimizers.as_optimizer(name.upper()) == settings
    assert optimizers.as_optimizer(kind) == settings and optimizers.as_optimizer(settings) is settings


@pytest.mark.parametrize("name", ROWS)
def test_help_shows_the_settings(name):
    kind, row = CLASSES[name], ROWS[name]
    parameters = inspect.signature(kind).parameters
    assert {key: float(value.default) for key, value in parameters.items()} == row.defaults
    kinds = [parameter.kind for parameter in parameters.values()]
    assert kinds[0] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for kind in kinds[1:])
    assert row.formula in kind.__doc__ and row.source in kind.__doc__ and "learning_rate : float" in kind.__doc__
    for setting in row.defaults:
        assert setting in optimizers._RULES and setting in optimizers._MEANINGS, f"{setting} has no rule or no meaning"


@pytest.mark.parametrize("name", ROWS)
def test_repr_equality_copies(name):
    kind = CLASSES[name]
    one, other = kind(0.5), kind(learning_rate=0.5)
    assert one == other and hash(one) == hash(other) and one != kind(0.25) and one != "sgd"
    assert eval(repr(one), {kind.__name__: kind}) == one
    assert pickle.loads(pickle.dumps(one)) == one and copy.deepcopy(one) == one
    changed = one.replace(weight_decay=0.25)
    assert type(changed) is kind and changed.weight_decay == 0.25 and changed.learning_rate == 0.5
    assert one == other
    assert "learning_rate" in dir(one)


def test_words_of_the_repr():
    assert repr(nn.SGD(0.1, momentum=0.9, nesterov=True)) == (
        "SGD(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.0)"
    )


def test_settings_do_not_change():
    settings = nn.Adam()
    with pytest.raises(AttributeError, match=r"use \.replace\(learning_rate="):
        settings.learning_rate = 0.5
    with pytest.raises(AttributeError):
        del settings.learning_rate
    with pytest.raises(AttributeError, match="Adam has no setting 'momentum'"):
        settings.momentum  # noqa: B018
    settings.to_dict()["learning_rate"] = 5
    assert settings == nn.Adam()


WRONG = [
    ({"learning_rate": -1}, ValueError, "learning_rate must be a number of 0 or more, got -1"),
    ({"learning_rate": float("nan")}, ValueError, "learning_rate must be a number of 0 or more, got nan"),
    ({"learning_rate": float("inf")}, ValueError, "learning_rate must be a number of 0 or more, got inf"),
    ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number of 0 or more, got 'fast'"),
    ({"learning_rate": True}, TypeError, "learning_rate must be a number of 0 or more, got True"),
    ({"learning_rate": None}, TypeError, "learning_rate must be a number of 0 or more, got None"),
    ({"beta1": 1}, ValueError, "beta1 must be a number from 0 up to but not including 1, got 1"),
    ({"beta2": -0.1}, ValueError, "beta2 must be a number from 0 up to"),
    ({"epsilon": 0}, ValueError, "epsilon must be a number above 0"),
    ({"weight_decay": -1}, ValueError, "weight_decay must be a number of 0 or more"),
    ({"learnin_rate": 1}, TypeError, "unknown setting of Adam 'learnin_rate': did you mean 'learning_rate'"),
]


@pytest.mark.parametrize(("settings", "error", "words"), WRONG)
def test_wrong_settings_have_their_words(settings, error, words):
    with pytest.raises(error) as caught:
        nn.Adam(**settings)
    assert words in str(caught.value)
    with pytest.raises(error):
        nn.Adam().replace(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (nn.Adam(epsilon=1e-50), r"epsilon is 1e-50: too small for float32, where it must be at least 1\.17549e-38"),
        (nn.AdamW(epsilon=1e-40), "epsilon is 1e-40: too small for float32"),
        (nn.Adam(epsilon=1e300), r"epsilon is 1e\+300: too large for float32, whose largest number is 3\.40282e\+38"),
        (nn.SGD(1e39), r"learning_rate is 1e\+39: too large for float32"),
        (nn.SGD(weight_decay=1e39), r"weight_decay is 1e\+39: too large for float32"),
    ],
)
def test_what_a_type_cannot_hold_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        optimizers.as_optimizer(settings, "float32")
    assert optimizers.as_optimizer(settings, "float64") is settings is optimizers.as_optimizer(settings)


@pytest.mark.parametrize("dtype", ["float32", np.dtype("float64")])
def test_usual_settings_fit_every_type(dtype):
    # a learning rate that has fallen to nothing stands still, which is no mistake
    for settings in (nn.SGD(1e-60, momentum=0.9, nesterov=True), nn.Adam(1e-60), nn.AdamW(epsilon=1e-37)):
        assert optimizers.as_optimizer(settings, dtype) is settings
    assert optimizers.as_optimizer("adam", dtype) == nn.Adam() == optimizers.as_optimizer(nn.Adam, dtype)


def test_more_wrong_settings():
    with pytest.raises(ValueError, match="momentum must be a number from 0"):
        nn.SGD(0.1, momentum=1)
    with pytest.raises(ValueError, match="nesterov=True needs momentum"):
        nn.SGD(0.1, nesterov=True)
    with pytest.raises(TypeError, match="nesterov must be True or False, got 'yes'"):
        nn.SGD(0.1, momentum=0.5, nesterov="yes")
    with pytest.raises(TypeError, match="learning_rate alone by position"):
        nn.SGD(0.1, 0.9)
    with pytest.raises(TypeError, match="twice"):
        nn.SGD(0.1, learning_rate=0.1)
    with pytest.raises(TypeError, match=f"one of {', '.join(row.display for row in ROWS.values())}"):
        nn.Optimizer()
    with pytest.raises(ValueError, match="unknown optimizer 'adm': did you mean 'adam'"):
        optimizers.as_optimizer("adm")
    with pytest.raises(TypeError, match="optimizer must be a name or a settings object"):
        optimizers.as_optimizer(3)


def test_the_stub_says_what_is_there():
    stub = ast.parse(Path(optimizers.__file__).with_suffix(".pyi").read_text("utf-8"))
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    for row in ROWS.values():
        init = next(n for n in classes[row.display].body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
        names = [argument.arg for argument in [*init.args.args[1:], *init.args.kwonlyargs]]
        defaults = [ast.literal_eval(value) for value in [*init.args.defaults, *init.args.kw_defaults]]
        assert dict(zip(names, map(float, defaults), strict=True)) == row.defaults, row.display
    assert set(classes) == {"Optimizer", *(row.display for row in ROWS.values())}


SEED_X, SEED_Y = np.linspace(-1, 1, 24).reshape(8, 3), np.linspace(-1, 1, 16).reshape(8, 2)


def test_settings_that_the_type_cannot_hold():
    net = nn.Network([3, 2], seed=0)
    with pytest.raises(ValueError, match="epsilon is 1e-50: too small for float32"):
        nn.Trainer(net, optimizer=nn.Adam(epsilon=1e-50))
    with pytest.raises(ValueError, match="learning_rate is 1e\\+39: too large for float32"):
        net.fit(SEED_X, SEED_Y, learning_rate=1e39)
    trainer = nn.Trainer(net)
    with pytest.raises(ValueError, match="epsilon is 1e-50"):
        trainer.optimizer = nn.Adam(epsilon=1e-50)
    with pytest.raises(ValueError, match="learning_rate is 1e\\+39"):
        trainer.learning_rate = 1e39
    assert trainer.optimizer == nn.Adam()
    nn.Trainer(nn.Network([3, 2], dtype="float64", seed=0), optimizer=nn.Adam(epsilon=1e-50)).fit(
        SEED_X, SEED_Y, epochs=2
    )
    smallest = nn.Adam(0.1, epsilon=1.1754944e-38)
    for scale in (1, 1e-18, 1e-30):
        nn.Trainer(nn.Network([3, 2], seed=0), optimizer=smallest).fit(SEED_X * scale, SEED_Y * scale, epochs=30)
