"""Copies, pickles and files: whole, apart from what they were made of, and the same in every bit."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest

import nncore as nn


def small():
    return nn.Network([3, 5, 2], hidden="tanh", seed=1)


@pytest.mark.parametrize(
    "duplicate",
    [
        nn.Network.copy,
        copy.copy,
        copy.deepcopy,
        *(lambda net, p=p: pickle.loads(pickle.dumps(net, p)) for p in range(2, 6)),
    ],
    ids=["copy", "copy.copy", "deepcopy", *(f"pickle {p}" for p in range(2, 6))],
)
def test_copies_are_whole_and_apart(duplicate):
    layers = [3, nn.Dense(5, "leaky_relu", alpha=0.2, dropout=0.1, init="lecun"), nn.Dense(2, bias=False)]
    net = nn.Network(layers, output="sigmoid", dtype="float64", seed=4)
    net.fit(np.eye(3), np.eye(3)[:, :2], epochs=3, progress=False)
    other = duplicate(net)
    assert type(other) is nn.Network and other is not net
    assert repr(other) == repr(net) and other.summary() == net.summary() and other.describe() == net.describe()
    assert np.array_equal(other.parameters, net.parameters) and other.parameters.ctypes.data % 64 == 0
    assert not np.shares_memory(other.parameters, net.parameters)
    assert np.shares_memory(other.layers[0].weight, other.parameters)
    assert np.array_equal(other.predict(np.eye(3)), net.predict(np.eye(3)))
    before = net.parameters.copy()
    other.layers[0].weight[:] = 9
    other.fit(np.eye(3), np.eye(3)[:, :2], epochs=2)
    assert np.array_equal(net.parameters, before) and len(net.history) == 3
    same, again = duplicate(net), duplicate(net)  # and training them gives the same bits
    for one in (same, again):
        one.fit(np.eye(3), np.eye(3)[:, :2], epochs=2)
    assert np.array_equal(same.parameters, again.parameters)


class Named(nn.Network):
    def __init__(self, sizes, name):
        self.early = name
        super().__init__(sizes)
        self.name = name


def test_a_subclass_keeps_what_it_has():
    net = Named([2, 2], "first")
    net.more = [1]
    for other in (net.copy(), copy.copy(net), pickle.loads(pickle.dumps(net)), copy.deepcopy(nn.Trainer(net)).net):
        assert (
            type(other) is Named
            and other.name == other.early == "first"
            and other.more == [1]
            and other.predict([1, 2]).shape == (2,)
        )
    assert net.copy().more is not net.more


class Apart(nn.Network):
    """A network whose copies do without a part of it, by the hook that Python has for that."""

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "lock"}


@pytest.mark.parametrize("twin", [nn.Network.copy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_strange_networks(twin):
    net = Apart([2, 2], seed=0)
    net.lock, net.name = threading.Lock(), "here"
    net.layers[0].weight[0, 0] = np.nan
    other = twin(net)
    assert not hasattr(other, "lock") and other.name == "here"
    assert np.array_equal(other.parameters, net.parameters, equal_nan=True)


class Own(nn.Network):
    """A network that has its own trainer."""

    def __init__(self, sizes):
        super().__init__(sizes, seed=0)
        self.trainer = nn.Trainer(self)


@pytest.mark.parametrize(
    "twin",
    [nn.Network.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_network_with_its_own_trainer(twin):
    net = Own([2, 3, 1])
    net.trainer.step([1, 2], 3)
    other = twin(net)
    assert other.trainer.net is other and other.trainer.steps == 1
    assert other.trainer.step([1, 2], 3) == net.trainer.step([1, 2], 3)
    assert np.array_equal(other.parameters, net.parameters) and not np.shares_memory(other.parameters, net.parameters)


@pytest.mark.parametrize("twin", [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_trainer_and_its_copy_go_on_alike(twin, uniform):
    X, y = uniform((20, 3)), uniform((20, 2))
    trainer = nn.Trainer(nn.Network([3, nn.Dense(5, dropout=0.2), 2], seed=1), learning_rate=0.01, batch_size=6)
    fresh = twin(trainer)
    assert fresh.steps == 0
    trainer.fit(X, y, epochs=3)
    other = twin(trainer)
    assert other.steps == trainer.steps and other.history.loss == trainer.history.loss
    if other.net is trainer.net:  # copy.copy: the same network, training apart
        return
    assert trainer.fit(X, y, epochs=2).loss == other.fit(X, y, epochs=2).loss
    assert np.array_equal(trainer.net.parameters, other.net.parameters)
    assert not np.shares_memory(trainer.net.parameters, other.net.parameters)


class Slower(nn.SGD):
    """A user's own name for settings."""


def test_pickles_of_the_rest():
    predict = small().freeze()
    assert np.array_equal(pickle.loads(pickle.dumps(predict))(np.eye(3)), predict(np.eye(3)))
    assert b"tanh" in pickle.dumps(predict)  # activations go by name, not by the number that this version gives them
    assert pickle.loads(pickle.dumps(nn.Adam(0.5))) == nn.Adam(0.5)
    assert type(pickle.loads(pickle.dumps(Slower()))) is type(copy.deepcopy(Slower())) is Slower
    for one in (predict.report, predict.ctypes, nn.activations(), nn.losses()):
        assert repr(pickle.loads(pickle.dumps(one))) == repr(one)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_gradients_are_views_of_one_vector(twin):
    net = nn.Network([3, nn.Dense(2, bias=False), 1], seed=0)
    for given in (net.gradients(np.eye(3), [1, 2, 3]), nn.numeric_gradient(net, np.eye(3), [1, 2, 3])):
        other = twin(given)
        assert type(other) is type(given) and np.array_equal(other.vector, given.vector)
        other.vector[:] = 7
        assert (other.layers[0].weight == 7).all() and other.layers[0].bias is None and other.layers[1].bias == 7
        assert not (given.vector == 7).any()


def test_a_number_is_an_initialiser_after_loading_too(tmp_path):
    net = nn.Network([2, nn.Dense(3, init=lambda rng, fan_in, fan_out: 1.0), 1], init=0.5, seed=3)
    net.save(tmp_path / "a.safetensors")
    other = nn.load(tmp_path / "a.safetensors")
    assert [layer.init for layer in other.layers] == ["custom", 0.5] == [layer.init for layer in net.copy().layers]
    assert net.copy().layers[1].init == 0.5
    if os.path.isdir("/proc/1"):
        with pytest.raises(OSError, match="cannot save .*the folder /proc/1 cannot be written"):
            net.save("/proc/1/a.safetensors")


def test_save_and_load(tmp_path):
    net = nn.Network([3, nn.Dense(4, "leaky_relu", alpha=0.3), 2], output="softmax", seed=1, dtype="float64")
    net.save(tmp_path / "net.safetensors")
    other = nn.load(tmp_path / "net.safetensors")
    assert np.array_equal(other.parameters, net.parameters) and other.describe() == net.describe()
    assert np.array_equal(other.predict(np.eye(3)), net.predict(np.eye(3)))
