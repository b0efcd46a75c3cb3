"""Names and numbers that may not be: what is refused, in what words, and which name is meant."""

import inspect

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels, checks, initializers, values

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "names"),
    [("activation", _kernels.activations()), ("loss", _kernels.losses()), ("optimizer", _kernels.optimizers())],
)
def test_an_unknown_name_lists_all_and_the_nearest(kind, names):
    for name in names:
        message = str(checks.unknown(kind, name.upper() + "x", names))
        assert f"unknown {kind}" in message and f"did you mean {name!r}?" in message
        assert message.endswith(", ".join(names))
    assert "did you mean" not in str(checks.unknown(kind, "qqqqqqqq", names))


# What users of sklearn, Keras and torch write, and the name that they hear of; None where nothing here means the same.
ELSEWHERE = {
    "activation": {
        "linear": "identity", "none": "identity", "Logistic": "sigmoid", "swish": "silu", "lrelu": "leaky_relu",
        "ReLU": "relu", "Tanh": "tanh", "LeakyReLU": "leaky_relu", "leaky-relu": "leaky_relu", "log_softmax": "softmax",
        "elu": None, "selu": None, "PReLU": None, "ReLU6": None, "hard_sigmoid": None, "softsign": None, "mish": None,
    },
    "loss": {
        "MSE": "mse", "MSELoss": "mse", "mean_squared_error": "mse", "squared_error": "mse", "log_loss": "cross_entropy",
        "ce": "cross_entropy", "nll": "cross_entropy", "CrossEntropyLoss": "cross_entropy",
        "categorical_crossentropy": "cross_entropy", "sparse_categorical_crossentropy": "cross_entropy",
        "bce": "binary_cross_entropy", "binary_crossentropy": "binary_cross_entropy",
        "BCEWithLogitsLoss": "binary_cross_entropy", "mae": None, "l1": None, "huber": None, "hinge": None, "msle": None,
    },
    "optimizer": {
        "adam_w": "adamw", "momentum": "sgd", "adagrad": None, "adamax": None, "nadam": None, "rmsprop": None, "lbfgs": None,
    },
    "init": {
        "xavier": "glorot", "xavier_uniform_": "glorot", "glorot_normal": "glorot", "kaiming": "he", "he_uniform": "he",
        "kaiming_normal_": "he", "lecun_normal": "lecun", "ones": None, "orthogonal": None,
    },
    "dtype": {
        "float16": "float32", "half": "float32", "bfloat16": "float32", "single": "float32", "double": "float64",
        "int64": None, "int32": None, "complex64": None,
    },
    "storage": {"float16": "bfloat16", "bf16": "bfloat16", "int4": "int8", "double": "float64"},
    "setting": {
        "lr": "learning_rate", "learning_rate_init": "learning_rate", "eps": "epsilon", "betas": "beta1", "l2": "weight_decay",
        "momentum": None, "amsgrad": None, "decay": None,
    },
}  # fmt: skip
NAMES = {
    "activation": _kernels.activations(), "loss": _kernels.losses(), "optimizer": _kernels.optimizers(),
    "init": initializers.INITIALIZERS, "dtype": ["float32", "float64"],
    "storage": ["float32", "float64", "bfloat16", "int8"], "setting": _kernels.optimizers()["adam"].defaults,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "got"), [(kind, got) for kind, names in ELSEWHERE.items() for got in names])
def test_names_from_elsewhere(kind, got):
    meant, message = ELSEWHERE[kind][got], str(checks.unknown(kind, got, NAMES[kind]))
    assert f"did you mean {meant!r}?" in message if meant else "did you mean" not in message


def test_every_name_that_stands_for_another_is_one_of_ours():
    ours = {name for names in NAMES.values() for name in names} | set(_kernels.optimizers()["sgd"].defaults)
    plain = {values._plain(name) for name in ours - {"momentum", "nesterov", "bfloat16"}}
    assert set(values._ELSEWHERE) <= ours
    for others in [*values._ELSEWHERE.values(), values._NOWHERE]:
        for name in others.split():
            assert name == values._plain(name) and name not in plain


NUMBERS = [
    (
        "positive_int",
        [1, np.int64(7)],
        [(0, ValueError), (-1, ValueError), (1.0, TypeError), ("1", TypeError), (True, TypeError)],
    ),
    (
        "number",
        [0, -1.5, np.float32(2)],
        [(NAN, ValueError), (INF, ValueError), ("1", TypeError), (None, TypeError), (1j, TypeError)],
    ),
    (
        "positive",
        [1e-300, 5],
        [(0, ValueError), (-1, ValueError), (NAN, ValueError), (10**400, ValueError), (False, TypeError)],
    ),
    ("non_negative", [0, 5], [(-1e-9, ValueError), (INF, ValueError), ([1], TypeError)]),
    ("fraction", [0, 0.999], [(1, ValueError), (-0.1, ValueError), (NAN, ValueError), ("0.5", TypeError)]),
    ("flag", [True, False, np.True_, 0, 1], [(2, TypeError), ("yes", TypeError), (None, TypeError)]),
]


@pytest.mark.parametrize(("check", "right", "wrong"), NUMBERS, ids=[row[0] for row in NUMBERS])
def test_numbers(check, right, wrong):
    function = getattr(checks, check)
    for value in right:
        assert function("size", value) == value
        assert type(function("size", value)) in (int, float, bool)
    for value, error in wrong:
        with pytest.raises(error, match="^size must be"):
            function("size", value)


def test_a_long_value_is_named_by_its_type():
    assert checks.short(list(range(100))) == "a list" and checks.short(np.zeros((5, 5))) == "a numpy.ndarray"
    with pytest.raises(TypeError, match="loss must be a name, got 3. Allowed: mse"):
        checks.choice("loss", 3, ["mse"])


def test_parameters_from_elsewhere_stand_under_parameters_that_exist_here():
    calls = [nn.Network, nn.Network.fit, nn.Trainer, nn.Trainer.fit, nn.Dense, nn.datasets.split]
    ours = {name for call in calls for name in inspect.signature(call).parameters} | {"parameters"}
    assert set(values._PARAMETERS_ELSEWHERE) <= ours
    for others in values._PARAMETERS_ELSEWHERE.values():
        for name in others.split():
            assert name == values._plain(name) and name not in {values._plain(one) for one in ours - {"activation"}}
