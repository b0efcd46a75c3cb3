"""Every wrong call has its words, and changes nothing: one table of calls and what their errors must say."""

import copy
import operator
import re

import numpy as np
import pytest

import nncore as nn

X = np.linspace(-1, 1, 24).reshape(8, 3)
Y = np.linspace(-1, 1, 16).reshape(8, 2)
LABELS = np.arange(8) % 3
NAN, INF = X.copy(), X.copy()
NAN[4, 1] = np.nan
INF[2, 0] = -np.inf
BAD_Y = Y.copy()
BAD_Y[5, 1] = np.inf


class World:
    """A regression network (3-5-2), a classifier (3-5-3), one with sigmoids (3-2), and trainers that have begun."""

    def __init__(self):
        self.net = nn.Network([3, 5, 2], hidden="tanh", seed=1)
        self.classifier = nn.Network([3, 5, 3], output="softmax", seed=2)
        self.sigmoid = nn.Network([3, 2], output="sigmoid", seed=3, dtype="float64")
        self.line = nn.Network([1, 1], seed=4)
        self.trainer = nn.Trainer(self.net)
        self.class_trainer = nn.Trainer(self.classifier, optimizer=nn.SGD(0.1, momentum=0.5))
        self.trainer.fit(X, Y, epochs=2)
        self.class_trainer.fit(X, LABELS, epochs=1)
        self.predict = self.net.freeze()

    def picture(self):
        """Everything that a failed call must leave as it was."""
        nets = [self.net, self.classifier, self.sigmoid, self.line]
        trainers = [self.trainer, self.class_trainer]
        return copy.deepcopy((
            [net.parameters.tobytes() for net in nets], [net.describe() for net in nets], [net.history and
            net.history.loss for net in nets], [(t.history.loss, t.history.val_loss) for t in trainers],
            [t.history.stopped for t in trainers], [t.steps for t in trainers], [repr(t.state()) for t in trainers],
            [repr(t.optimizer) for t in trainers], nn.threads(), nn.isa(), self.predict(np.zeros((1, 3),
            np.float32)).tobytes(), [a.tobytes() for a in (X, Y, LABELS, NAN, INF, BAD_Y)],
        ))  # fmt: skip


def unaligned(shape):
    return np.zeros(4 * shape[0] * shape[1] + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(shape):
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


# what, error, words that its message must hold in this order, the call on a World
CALLS = [
    # ---- making a network
    ("no layers", ValueError, "layers", lambda w: nn.Network([])),
    ("one layer", ValueError, r"layers must name .*at least one layer.*\[64, 10]", lambda w: nn.Network([5])),
    ("a number", TypeError, "layers must be a list", lambda w: nn.Network(5)),
    ("a string", TypeError, "layers must be a list", lambda w: nn.Network("64-10")),
    ("zero units", ValueError, r"layers\[1].*positive integer.*0", lambda w: nn.Network([3, 0, 2])),
    ("no inputs", ValueError, "inputs.*positive integer.*0", lambda w: nn.Network([0, 2])),
    ("negative units", ValueError, r"layers\[2].*positive integer.*-2", lambda w: nn.Network([3, 4, -2])),
    ("half a unit", TypeError, r"layers\[1].*positive integer.*2.5", lambda w: nn.Network([3, 2.5, 1])),
    ("yes as units", TypeError, "positive integer.*True", lambda w: nn.Network([3, True, 1])),
    ("text as units", TypeError, "positive integer.*'8'", lambda w: nn.Network([3, "8", 1])),
    ("None as units", TypeError, "positive integer.*None", lambda w: nn.Network([3, None, 1])),
    ("Dense first", ValueError, "start with the number of inputs", lambda w: nn.Network([nn.Dense(3), 2])),
    ("unknown hidden", ValueError, "activation 'rleu'.*did you mean 'relu'.*identity, relu",
     lambda w: nn.Network([3, 2, 1], hidden="rleu")),
    ("unknown output", ValueError, "activation 'sofmax'.*'softmax'", lambda w: nn.Network([3, 2], output="sofmax")),
    ("output of Keras", ValueError, "unknown activation 'linear': did you mean 'identity'",
     lambda w: nn.Network([3, 2], output="linear")),
    ("hidden of torch", ValueError, "unknown activation 'ReLU': did you mean 'relu'",
     lambda w: nn.Network([3, 2, 2], hidden="ReLU")),
    ("hidden of nowhere", ValueError, "unknown activation 'elu'. Allowed", lambda w: nn.Network([3, 2, 2], hidden="elu")),
    ("hidden softmax", ValueError, r"layers\[1].*'softmax'.*output layer only",
     lambda w: nn.Network([3, 4, 2], hidden="softmax")),
    ("softmax of one", ValueError, "one output is always 1.*sigmoid", lambda w: nn.Network([3, 1], output="softmax")),
    ("activation a function", TypeError, "hidden must be the name of an activation",
     lambda w: nn.Network([3, 2, 1], hidden=np.tanh)),
    ("dtype", (ValueError, TypeError), "float16.*did you mean 'float32'.*float32, float64",
     lambda w: nn.Network([3, 2], dtype="float16")),
    ("dtype int", (ValueError, TypeError), "'int64'. Allowed: float32, float64", lambda w: nn.Network([3, 2], dtype=int)),
    ("dtype None", TypeError, "dtype must be a name, got None.*float32, float64",
     lambda w: nn.Network([3, 2], dtype=None)),
    ("dtype misspelt", ValueError, "'flaot32'.*did you mean 'float32'", lambda w: nn.Network([3, 2], dtype="flaot32")),
    ("dtype a number", TypeError, "dtype must be a name, got 3", lambda w: nn.Network([3, 2], dtype=3)),
    ("frozen as a number", TypeError, "dtype must be a name, got 3.*int8", lambda w: w.net.freeze(3)),
    ("more than there is", MemoryError, "no memory for a network of 1,000,000,001,000,000,000 parameters",
     lambda w: nn.Network([10**9, 10**9])),
    ("more than can be counted", MemoryError, "no memory for a network", lambda w: nn.Network([10**30, 2])),
    ("seed negative", ValueError, "seed.*0 or more.*-1", lambda w: nn.Network([3, 2], seed=-1)),
    ("seed float", TypeError, "seed.*integer.*1.5", lambda w: nn.Network([3, 2], seed=1.5)),
    ("init unknown", ValueError, "unknown init 'xavier': did you mean 'glorot'.*he, glorot",
     lambda w: nn.Network([3, 2], init="xavier")),
    ("init nan", ValueError, "init must be one of.*got nan", lambda w: nn.Network([3, 2], init=float("nan"))),
    ("init of wrong shape", ValueError, r"shape.*\(2,\).*\(3, 2\)",
     lambda w: nn.Network([3, 2], init=lambda r, i, o: np.ones(2))),
    ("bias a word", TypeError, "bias must be True or False.*'no'", lambda w: nn.Network([3, 2], bias="no")),
    ("positional", TypeError, "takes layers by place", lambda w: nn.Network([3, 2], "relu")),
    ("swapped", ValueError, r"X has shape \(8, 2\).*are X and its targets swapped\?", lambda w: w.net.fit(Y, X)),
    ("swapped labels", ValueError, r"X has shape \(8,\).*are X and its targets swapped\?", lambda w: w.classifier.fit(LABELS, X)),
    ("several classes at once", ValueError, r"y\[0\] sums to 2: .*softmax.*must sum to 1; .*output='sigmoid'",
     lambda w: w.classifier.fit(X, np.tile([1, 1, 0], (8, 1)))),
    ("no class at all", ValueError, r"y\[2\] sums to 0: ",
     lambda w: w.class_trainer.step(X, np.eye(3)[LABELS] * (np.arange(8) != 2)[:, None])),
    ("labels of 1 and 2", ValueError, "for labels of 1 and 2 give y - 1", lambda w: w.sigmoid.fit(X, np.ones((8, 2)) + (Y > 0))),
    ("unknown keyword", TypeError, "hiden", lambda w: nn.Network([3, 2], hiden="relu")),
    ("Dense of zero", ValueError, "outputs.*positive integer.*0", lambda w: nn.Dense(0)),
    ("Dense dropout 1", ValueError, "dropout.*not including 1.*got 1", lambda w: nn.Dense(3, dropout=1)),
    ("Dense dropout negative", ValueError, "dropout.*-0.1", lambda w: nn.Dense(3, dropout=-0.1)),
    ("dropout on the output", ValueError, "dropout belongs to hidden layers",
     lambda w: nn.Network([3, nn.Dense(2, dropout=0.5)])),
    ("Dense alpha of relu", TypeError, "alpha belongs to .*'leaky_relu': name it, as in",
     lambda w: nn.Dense(3, "relu", alpha=0.1)),
    ("Dense alpha of nothing", TypeError, "alpha belongs to .*'leaky_relu': name it, as in", lambda w: nn.Dense(3, alpha=0.1)),
    ("Dense other parameter", TypeError, "no setting 'slope'.*Allowed: .*alpha", lambda w: nn.Dense(3, "leaky_relu", slope=0.1)),
    ("Dense of Keras", TypeError, "no setting 'use_bias': did you mean 'bias'", lambda w: nn.Dense(3, use_bias=False)),
    ("keyword of sklearn", TypeError, r"Network\(\) has no parameter 'random_state': did you mean 'seed'",
     lambda w: nn.Network([3, 2], random_state=0)),
    ("keyword of Keras", TypeError, r"Network.fit\(\) has no parameter 'validation_split': did you mean 'validation_data'",
     lambda w: w.net.fit(X, Y, validation_split=0.1)),
    ("Trainer's keyword", TypeError, r"Trainer\(\) has no parameter 'lr': did you mean 'learning_rate'",
     lambda w: nn.Trainer(w.net, lr=0.1)),
    ("an attribute of Network", AttributeError, "Network has no attribute 'weights': did you mean 'parameters'",
     lambda w: setattr(w.net, "weights", 0)),
    ("an attribute of Trainer", AttributeError, "Trainer has no attribute 'lr': did you mean 'learning_rate'",
     lambda w: setattr(w.trainer, "lr", 5)),
    ("an attribute of a layer", AttributeError, "a layer has no 'foo'", lambda w: setattr(w.net.layers[0], "foo", 5)),
    ("layers cut off", AttributeError, "", lambda w: w.net.layers.pop()),
    ("a layer replaced", TypeError, "", lambda w: operator.setitem(w.net.layers, 0, 3)),
    ("seed set to text", TypeError, "seed", lambda w: setattr(w.net, "seed", "x")),
    ("parameters of wrong shape", ValueError, "parameters has shape", lambda w: setattr(w.net, "parameters", [1, 2])),
    ("the optimizer as loss", TypeError, "second argument is the loss.*did you mean optimizer='adam'",
     lambda w: nn.Trainer(w.net, "adam")),
    ("Dense alpha nan", ValueError, "alpha must be a number of 0 or more, got nan",
     lambda w: nn.Dense(3, "leaky_relu", alpha=float("nan"))),
    ("Dense alpha negative", ValueError, "alpha must be a number of 0 or more, got -0.1",
     lambda w: nn.Dense(3, "leaky_relu", alpha=-0.1)),
    ("Dense alpha too large", ValueError, r"alpha is 1e\+300: too large for float32.*3.40282e\+38.*float64 network",
     lambda w: nn.Network([3, nn.Dense(3, "leaky_relu", alpha=1e300), 1])),
    ("init too large", ValueError, r"init is 1e\+300: too large for float32.*3.40282e\+38",
     lambda w: nn.Network([3, 2], init=1e300)),
    ("init a callable too large", ValueError, r"from init\[0, 1] is -1e\+39: too large for float32.*3.40282e\+38",
     lambda w: nn.Network([3, 2], init=lambda r, i, o: np.array([[0, -1e39]] * 3))),
    ("weight of wrong shape", ValueError, r"weight has shape \(3, 5\), got \(5, 3\)",
     lambda w: setattr(w.net.layers[0], "weight", np.zeros((5, 3)))),
    ("weight of nan", ValueError, "weight is nan.*finite", lambda w: setattr(w.net.layers[0], "weight", np.nan)),
    ("weight too large", ValueError, r"weight is 1e\+300: too large for float32.*3.40282e\+38",
     lambda w: setattr(w.net.layers[0], "weight", 1e300)),
    ("weights too large for float64", ValueError, "weight holds a whole number that is too large for float64",
     lambda w: setattr(w.sigmoid.layers[0], "weight", 10**400)),
    ("bias too large", ValueError, r"bias\[1] is -1e\+39: too large for float32.*3.40282e\+38",
     lambda w: setattr(w.net.layers[1], "bias", [0, -1e39])),
    ("weight of text", TypeError, "weight holds text", lambda w: setattr(w.net.layers[0], "weight", "a")),
    ("bias None", TypeError, "bias must be an array of numbers, got None",
     lambda w: setattr(w.net.layers[0], "bias", None)),
    ("weight behind a mask", TypeError, "weight is a masked array",
     lambda w: setattr(w.net.layers[0], "weight", np.ma.masked_array(np.ones((3, 5)), np.eye(3, 5)))),
    ("another activation", AttributeError, "activation of a layer does not change.*make a new Network",
     lambda w: setattr(w.net.layers[0], "activation", "relu")),
    ("another dropout", AttributeError, "dropout of a layer does not change",
     lambda w: setattr(w.net.layers[0], "dropout", 0.5)),
    ("no bias any more", AttributeError, "bias of a layer cannot be deleted", lambda w: delattr(w.net.layers[0], "bias")),
    ("bias where none is", ValueError, "no bias",
     lambda w: setattr(nn.Network([2, 1], bias=False).layers[0], "bias", 0)),
    # ---- inputs
    ("X of wrong width", ValueError, r"X has shape \(8, 2\).*3 inputs", lambda w: w.net.predict(Y)),
    ("X transposed", ValueError, r"X has shape \(3, 8\).*X\.T", lambda w: w.net.predict(X.T)),
    ("X of one wrong row", ValueError, r"X has shape \(4,\).*3 inputs", lambda w: w.net.predict(np.zeros(4))),
    ("X in three dimensions", ValueError, r"X has shape \(2, 1, 3\).*reshape",
     lambda w: w.net.predict(np.zeros((2, 1, 3)))),
    ("X a number", ValueError, r"X has shape \(\).*3 inputs", lambda w: w.net.predict(1.0)),
    ("X empty", ValueError, "X is empty", lambda w: w.net.evaluate(np.zeros((0, 3)), Y[:0])),
    ("X empty list", ValueError, "X.*shape", lambda w: w.net.predict([])),
    ("X None", TypeError, "X must be an array of numbers, got None", lambda w: w.net.predict(None)),
    ("X ragged", ValueError, "X.*rows differ in length: row 0 has 3, row 1 has 2",
     lambda w: w.net.predict([[1, 2, 3], [1, 2]])),
    ("y ragged", ValueError, "y.*rows differ in length: row 0 has 2, row 2 has 1",
     lambda w: w.trainer.fit(X, [[1, 2], [1, 2], [1]])),
    ("X text", TypeError, "X holds text", lambda w: w.net.predict([["a", "b", "c"]])),
    ("X complex", TypeError, "X holds complex", lambda w: w.net.predict(X + 1j)),
    ("X dates", TypeError, "X must hold numbers.*datetime", lambda w: w.net.predict(np.zeros((2, 3), "datetime64[D]"))),
    ("X objects", TypeError, r"X\[1, 2\] is None", lambda w: w.net.predict([[1, 2, 3], [1, 2, None]])),
    ("X with nan", ValueError, r"X\[4, 1\] is nan", lambda w: w.net.predict(NAN)),
    ("X with inf", ValueError, r"X\[2, 0\] is -inf", lambda w: w.net.predict(INF)),
    ("X too large", ValueError, r"X\[0, 0\] is 1e\+40: too large for float32",
     lambda w: w.net.predict(np.full((1, 3), 1e40))),
    ("frozen of wrong width", ValueError, r"shape \(8, 2\).*3 inputs", lambda w: w.predict(Y)),
    # ---- out
    ("out of wrong shape", ValueError, r"out has shape \(7, 2\).*\(8, 2\)",
     lambda w: w.net.predict(X, out=np.zeros((7, 2), np.float32))),
    ("out of wrong type", TypeError, "out has dtype float64.*float32",
     lambda w: w.net.predict(X, out=np.zeros((8, 2)))),
    ("out in columns", ValueError, "out is not C-contiguous",
     lambda w: w.net.predict(X, out=np.zeros((2, 8), np.float32).T)),
    ("out read-only", ValueError, "out is read-only", lambda w: w.net.predict(X, out=read_only((8, 2)))),
    ("out between words", ValueError, "out is not aligned in memory.*np.empty",
     lambda w: w.net.predict(X, out=unaligned((8, 2)))),
    ("out of a Jacobian between words", ValueError, "out is not aligned in memory",
     lambda w: w.net.jacobian(X[0], out=unaligned((2, 3)))),
    ("out a list", TypeError, "out must be an ndarray", lambda w: w.net.predict(X, out=[0] * 16)),
    ("out for one sample", ValueError, r"out has shape \(1, 2\).*\(2,\)",
     lambda w: w.net.predict(X[0], out=np.zeros((1, 2), np.float32))),
    ("out with a mask", TypeError, r"out is a masked array whose mask would hide.*np.empty\(\(8, 2\)",
     lambda w: w.net.predict(X, out=np.ma.masked_array(np.zeros((8, 2), np.float32), np.eye(8, 2)))),
    ("out, but X with nan", ValueError, "nan", lambda w: w.net.predict(NAN, out=np.zeros((8, 2), np.float32))),
    # ---- targets
    ("y of wrong length", ValueError, r"y has 7 rows \(shape \(7, 2\)\), but X has 8",
     lambda w: w.trainer.fit(X, Y[:7])),
    ("y of wrong width", ValueError, r"y has shape \(8, 3\).*2 outputs", lambda w: w.trainer.fit(X, X)),
    ("y in one dimension", ValueError, r"y has shape \(8,\).*2 outputs.*\(8, 2\)", lambda w: w.trainer.fit(X, Y[:, 0])),
    ("labels for another output", ValueError, r"y has shape \(8,\).*for class labels.*output='softmax'",
     lambda w: w.trainer.fit(X, LABELS % 2)),
    ("y with inf", ValueError, r"y\[5, 1\] is inf", lambda w: w.trainer.fit(X, BAD_Y)),
    ("y text", TypeError, "y holds text.*np.unique", lambda w: w.class_trainer.fit(X, ["a"] * 8)),
    ("y empty", ValueError, "y", lambda w: w.trainer.fit(X, [])),
    ("X empty in fit", ValueError, "X is empty", lambda w: w.trainer.fit(X[:0], Y[:0])),
    ("label too large", ValueError, r"y\[2\] is 3: labels must be from 0 to 2",
     lambda w: w.class_trainer.fit(X, LABELS + 1)),
    ("label negative", ValueError, r"y\[0\] is -1: labels must be from 0 to 2",
     lambda w: w.class_trainer.fit(X, LABELS - 1)),
    ("label not whole", ValueError, r"y\[0\] is 0.5.*whole", lambda w: w.class_trainer.fit(X, LABELS + 0.5)),
    ("label nan", ValueError, r"y\[3.*nan", lambda w: w.class_trainer.fit(X, np.where(np.arange(8) == 3, np.nan, 0))),
    ("one-hot of wrong width", ValueError, r"y has shape \(8, 4\).*labels.*\(8, 3\)",
     lambda w: w.class_trainer.fit(X, np.eye(8)[:, :4])),
    ("probability above 1", ValueError, r"y\[0, 0\] is 2.*cross_entropy.*0 to 1",
     lambda w: w.class_trainer.fit(X, 2 * np.eye(8)[:, :3])),
    ("sigmoid target below 0", ValueError, r"y\[0, 0\] is -1.*binary_cross_entropy.*0 to 1",
     lambda w: w.sigmoid.fit(X, Y)),
    ("signs for a sigmoid", ValueError, r"y\[0, 0\] is -1.*for labels of -1 and 1 give \(y \+ 1\) / 2",
     lambda w: w.sigmoid.fit(X, np.sign(Y))),
    # ---- fit
    ("no epochs", ValueError, "epochs must be a positive integer, got 0", lambda w: w.trainer.fit(X, Y, epochs=0)),
    ("half an epoch", TypeError, "epochs must be a positive integer, got 0.5",
     lambda w: w.trainer.fit(X, Y, epochs=0.5)),
    ("shuffle a word", TypeError, "shuffle must be True or False", lambda w: w.trainer.fit(X, Y, shuffle="no")),
    ("stop_loss nan", ValueError, "stop_loss", lambda w: w.trainer.fit(X, Y, stop_loss=float("nan"))),
    ("stop_loss text", TypeError, "stop_loss", lambda w: w.trainer.fit(X, Y, stop_loss="low")),
    ("progress a word", ValueError, "progress must be 'auto', True or False",
     lambda w: w.trainer.fit(X, Y, progress="yes")),
    ("validation X alone", ValueError, "validation_data must be a pair",
     lambda w: w.trainer.fit(X, Y, validation_data=X)),
    ("validation of wrong width", ValueError, "validation X has shape",
     lambda w: w.trainer.fit(X, Y, validation_data=(Y, Y))),
    ("validation of other length", ValueError, "validation y has 7 rows",
     lambda w: w.trainer.fit(X, Y, validation_data=(X, Y[:7]))),
    ("validation with nan", ValueError, r"validation X\[4, 1\] is nan",
     lambda w: w.trainer.fit(X, Y, validation_data=(NAN, Y))),
    ("validation of everything", ValueError, "validation_data=1.0.*between 0 and 1",
     lambda w: w.trainer.fit(X, Y, validation_data=1.0)),
    ("validation of nothing", ValueError, "validation_data=0.01.*sets aside 0",
     lambda w: w.trainer.fit(X, Y, validation_data=0.01)),
    ("validation nan", ValueError, "validation_data=nan.*between 0 and 1",
     lambda w: w.trainer.fit(X, Y, validation_data=float("nan"))),
    ("validation yes", ValueError, "validation_data must be a pair",
     lambda w: w.trainer.fit(X, Y, validation_data=True)),
    ("validation of one sample", ValueError, "of 1 it sets aside 0",
     lambda w: w.trainer.fit(X[:1], Y[:1], validation_data=0.5)),
    ("validation negative", ValueError, "validation_data=-0.5", lambda w: w.trainer.fit(X, Y, validation_data=-0.5)),
    ("batch of zero", ValueError, "batch_size must be a positive integer, got 0",
     lambda w: w.net.fit(X, Y, batch_size=0)),
    ("batch of 2.5", TypeError, "batch_size must be a positive integer, got 2.5",
     lambda w: w.net.fit(X, Y, batch_size=2.5)),
    ("threads zero", ValueError, "threads must be a positive integer, got 0", lambda w: w.net.fit(X, Y, threads=0)),
    ("threads in predict", ValueError, "threads must be a positive integer, got -1",
     lambda w: w.net.predict(X, threads=-1)),
    ("threads yes", TypeError, "threads must be a positive integer, got True",
     lambda w: w.net.predict(X, threads=True)),
    ("nan in fit", ValueError, r"X\[4, 1\] is nan", lambda w: w.trainer.fit(NAN, Y)),
    ("seed in fit", ValueError, "seed", lambda w: w.net.fit(X, Y, seed=-3)),
    # ---- steps, losses, optimizers
    ("step with nan", ValueError, r"X\[4, 1\] is nan", lambda w: w.trainer.step(NAN, Y)),
    ("step of other length", ValueError, "y has 7 rows", lambda w: w.trainer.step(X, Y[:7])),
    ("step with a bad label", ValueError, "labels must be from 0 to 2", lambda w: w.class_trainer.step(X[0], 3)),
    ("unknown loss", ValueError, "unknown loss 'mes': did you mean 'mse'.*cross_entropy",
     lambda w: nn.Trainer(w.net, "mes")),
    ("loss a number", TypeError, "loss must be a name", lambda w: nn.Trainer(w.net, 1)),
    ("loss of another output", ValueError, "'cross_entropy' needs output='softmax'.*'identity'",
     lambda w: nn.Trainer(w.net, "cross_entropy")),
    ("the other entropy", ValueError, "needs output='sigmoid'.*'softmax'",
     lambda w: w.classifier.evaluate(X, LABELS, loss="binary_cross_entropy")),
    ("loss of Keras", ValueError, "'sparse_categorical_crossentropy': did you mean 'cross_entropy'",
     lambda w: nn.Trainer(w.classifier, "sparse_categorical_crossentropy")),
    ("loss of nowhere", ValueError, "unknown loss 'mae'. Allowed", lambda w: nn.Trainer(w.net, "mae")),
    ("optimizer of nowhere", ValueError, "unknown optimizer 'adagrad'. Allowed",
     lambda w: nn.Trainer(w.net, optimizer="adagrad")),
    ("unknown optimizer", ValueError, "unknown optimizer 'adma': did you mean 'adam'.*sgd",
     lambda w: nn.Trainer(w.net, optimizer="adma")),
    ("optimizer a number", TypeError, "optimizer must be a name or a settings object",
     lambda w: w.net.fit(X, Y, optimizer=0.1)),
    ("learning rate negative", ValueError, "learning_rate must be a number of 0 or more, got -0.1",
     lambda w: w.net.fit(X, Y, learning_rate=-0.1)),
    ("learning rate nan", ValueError, "learning_rate.*0 or more, got nan", lambda w: nn.SGD(float("nan"))),
    ("learning rate text", TypeError, "learning_rate.*'fast'", lambda w: nn.Trainer(w.net, learning_rate="fast")),
    ("learning rate set below zero", ValueError, "learning_rate.*0 or more",
     lambda w: setattr(w.trainer, "learning_rate", -1e-9)),
    ("optimizer set to text", ValueError, "unknown optimizer 'best'",
     lambda w: setattr(w.trainer, "optimizer", "best")),
    ("momentum 1", ValueError, "momentum.*not including 1, got 1", lambda w: nn.SGD(0.1, momentum=1)),
    ("unknown setting", TypeError, "unknown setting of Adam 'beta_1': did you mean 'beta1'",
     lambda w: nn.Adam(beta_1=0.9)),
    ("setting of torch", TypeError, "unknown setting of Adam 'lr': did you mean 'learning_rate'", lambda w: nn.Adam(lr=1)),
    # ---- evaluate and gradients
    ("evaluate without y", TypeError, "y", lambda w: w.net.evaluate(X)),
    ("evaluate with nan", ValueError, r"X\[4, 1\] is nan", lambda w: w.net.evaluate(NAN, Y)),
    ("evaluate of other length", ValueError, "y has 7 rows", lambda w: w.net.evaluate(X, Y[:7])),
    ("gradients with inf", ValueError, r"y\[5, 1\] is inf", lambda w: w.net.gradients(X, BAD_Y)),
    ("gradients of a loss", ValueError, "unknown loss 'l2'", lambda w: w.net.gradients(X, Y, loss="l2")),
    # ---- looking inside
    ("a trainer of text", TypeError, "net must be a Network, got 'net'", lambda w: nn.Trainer("net")),
    ("a trainer of a plan", TypeError, "net must be a Network, got Predictor", lambda w: nn.Trainer(w.predict)),
    ("no network to check", TypeError, "net must be a Network, got None", lambda w: nn.check_gradient(None, X, Y)),
    ("no network to sweep", TypeError, "net must be a Network, got 3", lambda w: nn.loss_sweep(3, X, Y, 0, [1])),
    ("a trace's trainer", TypeError, "trainer must be a Trainer.*got 3", lambda w: w.net.trace(X, Y, trainer=3)),
    ("a trace with nan", ValueError, r"X\[4, 1\] is nan", lambda w: w.net.trace(NAN, Y)),
    ("a jacobian with inf", ValueError, r"X\[2, 0\] is -inf", lambda w: w.net.jacobian(INF)),
    ("a jacobian's out", TypeError, r"out has dtype float64.*\(2, 3\)", lambda w: w.net.jacobian(X[0], np.zeros((2, 3)))),
    ("no such output", ValueError, "output 7 is not one of the network's 2", lambda w: w.net.input_gradient(X, output=7)),
    ("a curve of two lengths", ValueError, "x has 2 numbers and y has 1", lambda w: nn.text_curve([1, 2], [1])),
    # ---- threads and files
    ("load a folder", IsADirectoryError, "cannot load .: it is a folder", lambda w: nn.load(".")),
    ("save into no folder", FileNotFoundError, "cannot save nowhere/m.safetensors: there is no folder",
     lambda w: w.net.save("nowhere/m.safetensors")),
    ("save in no format", nn.FormatError, "unknown file suffix '.pkl'.*safetensors", lambda w: w.net.save("m.pkl")),
    ("set_threads negative", ValueError, "threads must be a whole number.*-1", lambda w: nn.set_threads(-1)),
    ("set_threads text", ValueError, "threads must be a whole number.*'2'", lambda w: nn.set_threads("2")),
    ("load what is not there", (FileNotFoundError, nn.FormatError), "nowhere",
     lambda w: nn.load("nowhere.safetensors")),
]  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.mark.parametrize(("error", "words", "call"), [row[1:] for row in CALLS], ids=[row[0] for row in CALLS])
def test_a_wrong_call_says_so_and_changes_nothing(error, words, call, world):
    before = world.picture()
    with pytest.raises(error) as caught:
        call(world)
    message = str(caught.value)
    assert re.search(words, message, re.DOTALL), message
    assert len(message) < 400 and message == message.strip()
    assert world.picture() == before


def test_the_table_has_no_doubles():
    names = [row[0] for row in CALLS]
    assert len(set(names)) == len(names)


def test_training_goes_on_after_every_mistake(world):
    # a trainer that met all wrong calls of the table takes the same steps as one that met none
    fresh, tried = World(), World()
    for _, error, _, call in CALLS:
        with pytest.raises(error):
            call(tried)
    for one in (fresh, tried):
        one.trainer.fit(X, Y, epochs=3)
        one.class_trainer.fit(X, LABELS, epochs=3)
    assert fresh.picture() == tried.picture()
