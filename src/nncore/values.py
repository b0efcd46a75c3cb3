"""Words for wrong settings: names that are not on a list, attributes and parameters that there are not, numbers that may not be.

A message says what was expected, what was got and what is allowed. A wrong kind of thing is a TypeError, a wrong value
a ValueError. A check that more than one file needs belongs here; a rule of one subject (what an optimizer's momentum
may be) stands with that subject. Arrays are checked in arrays.py, targets.py and checks.py; the last hands out these as well.
"""

from __future__ import annotations

import contextlib
import functools
import math
import numbers
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

# What sklearn, Keras and torch call it, as `_plain` writes it, under the name of the same thing here. One name may stand
# under two: the first that is allowed is offered.
_ELSEWHERE = {
    "identity": "linear none",
    "leaky_relu": "lrelu leaky",
    "sigmoid": "logistic expit",
    "silu": "swish",
    "softmax": "logsoftmax",
    "mse": "mseloss squarederror meansquarederror",
    "cross_entropy": "ce nll nllloss logloss categoricalcrossentropy sparsecategoricalcrossentropy",
    "binary_cross_entropy": "bce bceloss bcewithlogitsloss",
    "sgd": "momentum nesterov",
    "glorot": "xavier xavieruniform xaviernormal glorotuniform glorotnormal",
    "he": "kaiming kaiminguniform kaimingnormal heuniform henormal",
    "lecun": "lecununiform lecunnormal",
    "learning_rate": "lr learningrateinit stepsize",
    "epsilon": "eps",
    "beta1": "beta betas",
    "nesterov": "nesterovsmomentum",
    "weight_decay": "wd l2",
    "bfloat16": "bf16 float16 fp16 half",
    "float32": "bf16 float16 fp16 half bfloat16 fp32 f4 single",
    "float64": "fp64 f8 double longdouble float128",
}
# Likewise the names of parameters and attributes.
_PARAMETERS_ELSEWHERE = {
    "batch_size": "bs minibatchsize",
    "bias": "usebias",
    "epochs": "maxiter nbepoch nepochs numepochs niter",
    "hidden": "activation hiddenactivation",
    "init": "kernelinitializer initializer",
    "layers": "hiddenlayersizes layersizes sizes",
    "loss": "criterion lossfunction",
    "optimizer": "solver",
    "outputs": "units outfeatures",
    "parameters": "weights params coefs",
    "patience": "earlystopping niternochange",
    "progress": "verbose",
    "seed": "randomstate randomseed rng",
    "test": "testsize",
    "threads": "numthreads njobs workers",
    "validation_data": "validationsplit validationfraction",
}
# Likewise what is asked of a network or a trainer, under what does it here: a member of theirs, or words.
_MEMBERS_ELSEWHERE = {
    "evaluate(X, y)": "score",
    "predict(X)": "predict_proba predict_on_batch decision_function forward",
    "step(x, y)": "partial_fit train_on_batch train_step backward",
    "nncore.Trainer(net).step(x, y)": "partial_fit train_on_batch train_step step",
    "gradients(X, y)": "backward grad gradient",
    "net": "model network module",
    "net.predict(X)": "predict",
    "net.evaluate(X, y)": "evaluate",
    "net.save(path)": "save",
    "parameters, or layers[i].weight": "weights weight coefs_ get_weights state_dict set_weights load_state_dict",
    "parameters.size": "count_params num_parameters",
    "layers[i].bias": "biases bias intercepts_",
    "learning_rate": "lr",
    "nncore.Trainer(net), whose optimizer and loss are given to it": "compile",
    "nothing: fit trains, and predict drops nothing out": "train eval no_grad",
    "nothing: no gradient is kept from one step to the next": "zero_grad",
}
# Parameters that are not here, and what to do instead.
_INSTEAD = {
    "dropout": "a layer has it, as in nncore.Dense(64, dropout=0.1)",
    "class_weight": "give sample_weight=, one number per sample, as the guide on training shows",
    "callbacks": "call fit(epochs=1) in a loop of your own",
    "metrics": "compare with the answers of predict",
}
# What does not exist here, though something of another meaning is spelt nearly so.
_NOWHERE = (
    "elu selu celu prelu rrelu crelu relu6 glu geglu hardtanh hardsigmoid logsigmoid softmin "
    "mae msle adamax nadam radam asgd int16 float8"
)
_NEAR = 0.65  # of difflib's ratio: below it the letters in common are chance


def unknown(kind: str, got: object, allowed: Iterable[str]) -> ValueError:
    """The error for a name that is not on a list; to be raised by the caller.

    Parameters
    ----------
    kind : str
        What the name stands for, as in ``"activation"``.
    got : object
        What was given.
    allowed : iterable of str
        The list, as the registry gives it.

    Returns
    -------
    ValueError
        With the name that is meant, if one is alike or is what another library calls so, and the whole list.

    Examples
    --------
    >>> print(unknown("activation", "rleu", ["identity", "relu", "tanh"]))
    unknown activation 'rleu': did you mean 'relu'? Allowed: identity, relu, tanh
    >>> print(unknown("activation", "linear", ["identity", "relu", "tanh"]))
    unknown activation 'linear': did you mean 'identity'? Allowed: identity, relu, tanh
    """
    return ValueError(f"unknown {kind} {got!r}{rather(got, allowed)}")


def rather(got: object, allowed: Iterable[str]) -> str:
    """The end of a sentence on a name that is not on a list: which one may be meant, and the list.

    Examples
    --------
    >>> rather("elu", ["relu", "tanh"])
    '. Allowed: relu, tanh'
    """
    names = list(allowed)
    guess = _meant(_plain(str(got)), names)
    return (". " if guess is None else f": did you mean {guess!r}? ") + f"Allowed: {', '.join(names)}"


class KnownAttributes:
    """A base whose objects refuse attributes that their class does not have: a mistyped setting would be lost without a word.

    Classes that a user makes from it may have attributes of their own.
    """

    if not TYPE_CHECKING:  # for which it would be a class with every attribute

        def __getattr__(self, name):
            kind = type(self)
            words = f"{kind.__name__!r} object has no attribute {name!r}"
            for here, elsewhere in _MEMBERS_ELSEWHERE.items():
                first = re.split(r"[(,.\[]", here)[0]
                if name in elsewhere.split() and (hasattr(kind, first) or first == "nncore" or " " in first):
                    words += f": here it is {here}"
                    break
            raise AttributeError(words, name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> None:
        kind = type(self)
        known = name.startswith("_") or hasattr(kind, name) or name in _annotated(kind)
        if not known and kind.__module__.startswith(_HERE):
            settable = {n for n in dir(kind) if getattr(getattr(kind, n), "fset", None)} | _annotated(kind)
            raise AttributeError(f"{kind.__name__} has no attribute {name!r}{rather(name, sorted(settable))}")
        super().__setattr__(name, value)


_HERE = __name__.partition(".")[0] + "."


def _annotated(kind: type) -> set[str]:
    return {n for k in kind.__mro__ for n in getattr(k, "__annotations__", ()) if not n.startswith("_")}


def known_parameters(function: Function) -> Function:
    """A function that, called with the name of a parameter that it does not have, says which one may be meant.

    Examples
    --------
    >>> @known_parameters
    ... def train(epochs, seed=0): ...
    >>> train(nb_epoch=3)
    Traceback (most recent call last):
    ...
    TypeError: train() has no parameter 'nb_epoch': did you mean 'epochs'? Allowed: epochs, seed
    """
    code = function.__code__
    most = code.co_argcount  # arguments by place
    names = [n for n in code.co_varnames[: most + code.co_kwonlyargcount] if n != "self"]
    placed = [n for n in code.co_varnames[:most] if n != "self"]
    called = f"{function.__qualname__.removesuffix('.__init__')}()"

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        for name in given:
            if name not in names:
                instead = f": {_INSTEAD[name]}" if name in _INSTEAD else rather(name, names)
                raise TypeError(f"{called} has no parameter {name!r}{instead}")
        if len(args) > most:
            values = args[most - len(placed) :]
            words = f"{called} takes {', '.join(placed)} by place, got {len(values)} values"
            if placed == ["layers"] and all(isinstance(value, numbers.Integral) for value in values):
                raise TypeError(f"{words}: put the sizes into one list, {list(values)}")
            raise TypeError(
                words + "".join(f": all others go by name, as in {n}=..." for n in names[len(placed) :][:1])
            )
        return function(*args, **given)

    return call  # type: ignore[return-value]


def _meant(got: str, names: list[str]) -> str | None:
    import difflib  # here: only who is wrong waits for it

    plain = {_plain(name): name for name in names}
    if got in plain:
        return plain[got]
    for name, others in (_ELSEWHERE | _PARAMETERS_ELSEWHERE).items():
        if name in names and got in others.split():
            return name
    near = [] if got in _NOWHERE.split() else difflib.get_close_matches(got, plain, n=1, cutoff=_NEAR)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    """Letters and digits alone, small: LeakyReLU and leaky-relu are leaky_relu."""
    return "".join(filter(str.isalnum, name.lower()))


def choice(kind: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of the allowed names, else raise.

    Examples
    --------
    >>> choice("loss", "mse", ["mse", "sse"])
    'mse'
    """
    names = list(allowed)
    if not isinstance(value, str):
        raise TypeError(f"{kind} must be a name, got {short(value)}. Allowed: {', '.join(names)}")
    if value not in names:
        raise unknown(kind, value, names)
    return value


def type_name(kind: str, value: object, allowed: Iterable[str]) -> str:
    """The name of a type of number, given as a name or as anything that numpy takes for a dtype, if it is an allowed one.

    Examples
    --------
    >>> type_name("dtype", np.float32, ["float32", "float64"])
    'float32'
    """
    names = list(allowed)
    if value is not None:
        with contextlib.suppress(TypeError):  # `choice` has the words
            name = np.dtype(value).name  # type: ignore[call-overload]
            value = name if name in names or not isinstance(value, str) else value
    return choice(kind, value, names)


def positive_int(name: str, value: object) -> int:
    """Return `value` as an int of at least 1; numpy integers are taken, booleans and floats are not.

    Examples
    --------
    >>> positive_int("epochs", 3)
    3
    >>> positive_int("batch_size", 0)
    Traceback (most recent call last):
    ...
    ValueError: batch_size must be a positive integer, got 0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a positive integer, got {short(value)}")
    if value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value}")
    return int(value)


def number(
    name: str, value: object, expected: str = "a finite number", fits: Callable[[float], bool] = lambda _: True
) -> float:
    """Return `value` as a finite float that `fits`; booleans and text are not numbers.

    Examples
    --------
    >>> number("parameter", 1)
    1.0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {expected}, got {short(value)}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not (math.isfinite(result) and fits(result)):
        raise ValueError(f"{name} must be {expected}, got {short(value)}")
    return result


def positive(name: str, value: object) -> float:
    """Return `value` as a finite float above 0.

    Examples
    --------
    >>> positive("learning_rate", 0)
    Traceback (most recent call last):
    ...
    ValueError: learning_rate must be a number above 0, got 0
    """
    return number(name, value, "a number above 0", lambda result: result > 0)


def non_negative(name: str, value: object) -> float:
    """Return `value` as a finite float of 0 or more."""
    return number(name, value, "a number of 0 or more", lambda result: result >= 0)


def fraction(name: str, value: object) -> float:
    """Return `value` as a float from 0 up to, but not including, 1.

    Examples
    --------
    >>> fraction("dropout", 0.5)
    0.5
    >>> fraction("dropout", 1)
    Traceback (most recent call last):
    ...
    ValueError: dropout must be a number from 0 up to but not including 1, got 1
    """
    return number(name, value, "a number from 0 up to but not including 1", lambda result: 0 <= result < 1)


def flag(name: str, value: object) -> bool:
    """Return `value` as a bool; only True, False, 0 and 1 are taken, so that a stray word does not count as yes."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, numbers.Real) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {short(value)}")


def short(value: object) -> str:
    """A value for a message: its repr where that is short, else its type.

    Examples
    --------
    >>> short(np.float32(3)), short(np.zeros((20, 20)))
    ('3.0', 'a numpy.ndarray')
    """
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value)
    if len(text) <= 40 and "\n" not in text:
        return text
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"
