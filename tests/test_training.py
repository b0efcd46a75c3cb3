"""The public face of training: what fit and Trainer take, what they give back. Its numbers: test_training_locked.py."""

import copy
import pickle
import sys

import numpy as np
import pytest

import nncore as nn


def small(**keywords):
    return nn.Network([3, 5, 2], **{"hidden": "tanh", "seed": 1, **keywords})


def test_fit_learns_and_tells():
    net = nn.Network([2, 8, 1], hidden="tanh", seed=0)
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    history = net.fit(X, y, epochs=600, learning_rate=0.05)
    assert history is net.history and len(history.loss) == 600 and history.val_loss == []
    assert history.loss[-1] < 1e-3 < history.loss[0]
    assert np.abs(net.predict(X)[:, 0] - y).max() < 0.1
    assert len(history.seconds) == 600 and min(history.seconds) > 0


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_forms_of_targets_are_the_same_training(output, uniform):
    X = uniform((12, 3), 1)
    labels = np.arange(12) % (2 if output != "softmax" else 4)
    if output == "softmax":
        targets = [
            labels,
            labels.tolist(),
            labels.astype(float),
            labels[:, None],
            labels.astype("uint8"),
            np.eye(4)[labels],
        ]
        sizes = [3, 6, 4]
    else:
        targets = [
            labels,
            labels[:, None],
            labels.astype(bool),
            labels.astype("float32").tolist(),
            np.asfortranarray(labels[:, None]),
        ]
        sizes = [3, 6, 1]
    trained = []
    for y in targets:
        net = nn.Network(sizes, output=output, seed=3)
        net.fit(X, y, epochs=3, batch_size=5)
        trained.append(net.parameters)
    assert all(np.array_equal(parameters, trained[0]) for parameters in trained)


@pytest.mark.parametrize(
    "optimizer", [nn.SGD(0.1), nn.SGD(0.1, momentum=0.9, nesterov=True), nn.Adam(0.01), nn.AdamW(0.01)]
)
def test_fit_goes_on_where_it_ended(optimizer, uniform):
    X, y = uniform((50, 3), 1), uniform((50, 2), 2)
    one, two, parts = (nn.Network([3, nn.Dense(7, "tanh", dropout=0.2), 2], seed=5) for _ in range(3))
    nn.Trainer(one, optimizer=optimizer, batch_size=8).fit(X, y, epochs=6)
    trainer = nn.Trainer(two, optimizer=optimizer, batch_size=8)
    for epochs in (1, 3, 2):
        trainer.fit(X, y, epochs=epochs)
    assert np.array_equal(one.parameters, two.parameters) and len(trainer.history) == 6 and trainer.steps == 42

    first = nn.Trainer(parts, optimizer=optimizer, batch_size=8)
    first.fit(X, y, epochs=2)
    state = pickle.loads(pickle.dumps(first.state()))
    saved = pickle.loads(pickle.dumps(parts))
    first.fit(X, y, epochs=1)  # must not reach into the state that was taken
    second = nn.Trainer(saved, optimizer=optimizer, batch_size=8)
    second.restore(state)
    assert second.steps == 14
    second.fit(X, y, epochs=4)
    assert np.array_equal(one.parameters, saved.parameters)


def test_batch_size_goes_by_name_for_others_have_it_before_epochs(uniform):
    with pytest.raises(TypeError, match="by place, got 4 values: all others go by name, as in batch_size="):
        small().fit(uniform((30, 3), 1), uniform((30, 2), 2), 32, 10)


def test_fit_of_the_network_starts_anew(uniform):
    X, y = uniform((20, 3), 1), uniform((20, 2), 2)
    a, b = small(), small()
    a.fit(X, y, epochs=2)
    a.fit(X, y, epochs=2)
    nn.Trainer(b).fit(X, y, epochs=2)
    nn.Trainer(b).fit(X, y, epochs=2)
    assert np.array_equal(a.parameters, b.parameters) and len(a.history) == 2


def test_seed_of_a_trainer(uniform):
    X, y = uniform((40, 3), 1), uniform((40, 2), 2)
    nets = [small() for _ in range(4)]
    for net, seed in zip(nets, (None, 1, 7, 7), strict=True):
        net.fit(X, y, epochs=2, batch_size=3, seed=seed)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)  # the network's own seed is 1
    assert np.array_equal(nets[2].parameters, nets[3].parameters)
    assert not np.array_equal(nets[0].parameters, nets[2].parameters)
    plain = [small() for _ in range(2)]
    for net, seed in zip(plain, (1, 7), strict=True):
        net.fit(X, y, epochs=2, batch_size=3, seed=seed, shuffle=False)
    assert np.array_equal(plain[0].parameters, plain[1].parameters)


def test_batch_size_none_is_everything(uniform):
    X, y = uniform((40, 3), 1), uniform((40, 2), 2)
    trainers = [nn.Trainer(small(), batch_size=size) for size in (None, 40, 1000)]
    for trainer in trainers:
        trainer.fit(X, y, epochs=3, shuffle=False)
        assert trainer.steps == 3
        assert np.array_equal(trainer.net.parameters, trainers[0].net.parameters)


def test_online_steps(uniform):
    X, y = uniform((10, 3), 1), uniform((10, 2), 2)
    rows, samples = small(), small()
    by_rows, by_samples = nn.Trainer(rows), nn.Trainer(samples)
    for i in range(10):
        loss = by_rows.step(X[i : i + 1], y[i : i + 1])
        assert isinstance(loss, float)
        assert by_samples.step(X[i], y[i]) == loss
    assert np.array_equal(rows.parameters, samples.parameters) and by_rows.steps == 10
    assert len(by_rows.history) == 0


def test_the_loss_of_an_epoch_does_not_depend_on_its_stretches(uniform):
    X, y = uniform((20000, 20), 1), uniform((20000, 1), 2)
    trainer = nn.Trainer(nn.Network([20, 64, 1], seed=0))
    trainer.fit(X, y, epochs=1)  # so that the copies begin with short stretches, and it goes on with long ones
    for _ in range(5):
        again = copy.deepcopy(trainer)
        assert trainer.fit(X, y, epochs=1).loss[-1] == again.fit(X, y, epochs=1).loss[-1]


def test_what_a_trainer_is_may_not_change_but_how_it_works_may(uniform):
    X, y = uniform((40, 3), 1), uniform((40, 2), 2)
    net = small()
    trainer = nn.Trainer(net, batch_size=8)
    trainer.fit(X, y, epochs=1)
    for name, value in (("loss", "sse"), ("net", small()), ("seed", 3)):
        with pytest.raises(AttributeError):
            setattr(trainer, name, value)
    for name in ("batch_size", "threads"):
        for wrong in (0, -1, 1.5, "a", True):
            with pytest.raises((ValueError, TypeError), match=name):
                setattr(trainer, name, wrong)
    trainer.batch_size, trainer.threads = 20, 2
    trainer.fit(X, y, epochs=1)
    assert trainer.steps == 5 + 2 and trainer.threads == 2
    trainer.batch_size = trainer.threads = None
    trainer.fit(X, y, epochs=1)
    assert trainer.steps == 8


def test_a_trainer_shows_what_it_is():
    trainer = nn.Trainer(small(), optimizer=nn.SGD(0.5), batch_size=None)
    assert repr(trainer) == f"Trainer({trainer.net!r}, mse, {trainer.optimizer!r}, batch_size=None, 0 steps)"


@pytest.mark.parametrize(
    "wrong", ["another network", "another shape", "another type", "another optimizer", "junk", None, {}, 3]
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(wrong, uniform):
    X, y = uniform((40, 3), 1), uniform((40, 2), 2)
    trainer, other = nn.Trainer(small()), nn.Trainer(nn.Network([3, 7, 2], seed=0))
    other.step(X, y)
    trainer.step(X, y)
    state = copy.deepcopy(trainer.state())
    if wrong == "another network":
        wrong = other.state()
    if wrong == "another shape":  # of as many parameters
        shape = nn.Trainer(nn.Network([trainer.net.parameters.size - 1, 1], seed=0))
        shape.step(np.ones((1, shape.net.inputs)), [[1]])
        wrong = shape.state()
    if wrong == "another type":
        doubles = nn.Trainer(nn.Network(trainer.net.sizes, dtype="float64", seed=0))
        doubles.step(X, y)
        wrong = doubles.state()
    if wrong == "junk":
        wrong = {**trainer.state(), "engine": (nn.Adam(), 1, [1] * 8, [object()] * 2, 1, 1)}
    if wrong == "another optimizer":
        wrong = {**trainer.state(), "engine": (nn.SGD(0.1), *trainer.state()["engine"][1:])}
    with pytest.raises((TypeError, ValueError), match="state"):
        trainer.restore(wrong)
    again = nn.Trainer(small())
    again.restore(state)
    again.net.parameters[:] = trainer.net.parameters
    assert again.step(X, y) == trainer.step(X, y) and trainer.steps == again.steps == 2
    assert np.array_equal(again.net.parameters, trainer.net.parameters)


def test_a_state_is_of_a_network_and_a_loss():
    trainer = nn.Trainer(nn.Network([3, 4, 2], seed=0))
    trainer.step([1, 2, 3], [1, 2])
    for other, words in (
        (nn.Trainer(nn.Network([3, 4, 2], hidden="tanh", seed=0)), "another network"),
        (nn.Trainer(nn.Network([3, nn.Dense(4, bias=False), 3], seed=0)), "another network"),
        (nn.Trainer(nn.Network([3, 4, 2], seed=0), loss="sse"), "another loss: mse, and not sse"),
    ):
        with pytest.raises(ValueError, match=words):
            other.restore(trainer.state())
        assert other.steps == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_rate_of_0_moves_nothing(uniform, optimizer):
    X, y = uniform((20, 3), 1), uniform((20, 2), 2)
    net = small()
    trainer = nn.Trainer(net, optimizer=optimizer)
    trainer.fit(X, y, epochs=1)
    before = net.parameters.copy()
    trainer.learning_rate = 0
    trainer.fit(X, y, epochs=2)
    assert np.array_equal(net.parameters, before)
    trainer.learning_rate = 0.01
    trainer.fit(X, y, epochs=1)
    assert np.isfinite(net.parameters).all() and not np.array_equal(net.parameters, before)


def test_what_fails_before_training_keeps_the_history(uniform, monkeypatch):
    X, y = uniform((20, 3), 1), uniform((20, 2), 2)
    net = small()
    before = net.fit(X, y, epochs=1)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # not installed
    with pytest.raises(ImportError):
        net.fit(X, y, epochs=1, progress=True)
    trainer = nn.Trainer(net)
    trainer.history.stopped = "stop_loss"
    with pytest.raises(ImportError):
        trainer.fit(X, y, epochs=1, progress=True)
    assert net.history is before and trainer.history.stopped == "stop_loss"


def test_a_state_holds_the_seed(uniform):
    X, y = uniform((40, 3), 1), uniform((40, 2), 2)
    for steps in (0, 3):
        trainer, other = nn.Trainer(small(), seed=5), nn.Trainer(small(), seed=6)
        for one in (trainer, other)[: 1 + (steps == 0)]:
            for _ in range(steps):
                one.step(X, y)
        other.restore(trainer.state())
        other.net.parameters = trainer.net.parameters
        assert other.seed == 5
        for one in (trainer, other):
            one.fit(X, y, epochs=2, validation_data=0.2)
        assert other.history.val_loss == trainer.history.val_loss and np.array_equal(
            other.net.parameters, trainer.net.parameters
        )


@pytest.mark.parametrize("size", [10**8, 10**18])
def test_a_copy_needs_no_more_room_than_its_original(size, uniform):
    trainer = nn.Trainer(small(), batch_size=size)
    trainer.fit(uniform((40, 3), 1), uniform((40, 2), 2), epochs=1)
    again = copy.deepcopy(trainer)
    assert again.steps == 1 and again.step(uniform((40, 3), 1), uniform((40, 2), 2)) > 0


def test_slots_that_nothing_feeds_end_at_zero():
    """0.9 of the smallest numbers is rounded back to them, and arithmetic on such numbers is slow."""
    tiny = np.finfo(np.float32).tiny
    for optimizer in (nn.Adam(), nn.SGD(0.1, momentum=0.9)):
        for threads in (1, 2):
            trainer = nn.Trainer(small(bias=False), optimizer=optimizer, threads=threads)
            trainer.step(np.ones((4, 3)), np.ones((4, 2)))
            for _ in range(2600):
                trainer.step(np.zeros((4, 3)), np.zeros((4, 2)))
            slots = trainer.state()["engine"][3]
            assert all(((slot == 0) | (np.abs(slot) >= tiny)).all() for slot in slots) and (slots[0] == 0).all()


def test_labels_that_change_under_it_are_no_addresses(uniform):
    net = nn.Network([3, 5, 2], output="softmax", seed=0)
    trainer = nn.Trainer(net)
    trainer.step(uniform((4, 3), 1), [0, 1, 1, 0])
    X = uniform((4, 3), 1, "float32")
    for label in (2**30, -(2**30), 2, -1):  # past the checks, as another thread could do it
        assert np.isfinite(trainer._engine.step(X, np.full(4, label, np.int32), None, trainer.optimizer))


def test_stop_loss():
    X, y = np.arange(5), 4 * np.arange(5)
    trainer = nn.Trainer(
        nn.Network([1, 1], init=2.0, bias=False, dtype="float64"), "sse", nn.SGD(0.01), batch_size=None
    )
    history = trainer.fit(X, y, epochs=100, stop_loss=1e-6)
    assert history.stopped == "stop_loss" and history.loss[-1] <= 1e-6 < history.loss[-2]
    at_it = trainer.fit(X, y, epochs=5, stop_loss=history.loss[-1])
    assert at_it.epochs == history.epochs
    before = trainer.history.epochs
    assert trainer.fit(X, y, epochs=3).stopped == "" and trainer.history.epochs == before + 3


def test_validation_pair(uniform):
    X, y, V, t = uniform((30, 3), 1), uniform((30, 2), 2), uniform((11, 3), 3), uniform((11, 2), 4)
    net = small()
    trainer = nn.Trainer(net)
    values = [trainer.fit(X, y, epochs=1, validation_data=(V, t)).val_loss[-1]]
    assert values[0] == net.evaluate(V, t)["loss"]
    trainer.fit(X, y, epochs=1)
    history = trainer.fit(X, y, epochs=1, validation_data=(V.tolist(), t))
    assert (
        len(history.val_loss) == 3
        and np.isnan(history.val_loss[1])
        and history.val_loss[2] == net.evaluate(V, t)["loss"]
    )
    assert history["val_r2"][2] == net.evaluate(V, t)["r2"]


@pytest.mark.parametrize("part", [0.1, 0.25, 0.5])
def test_validation_fraction_is_set_aside(part, uniform):
    X, y = uniform((40, 3), 1), uniform((40, 2), 2)
    a, b = small(), small()
    history = a.fit(X, y, epochs=3, batch_size=7, validation_data=part)
    assert b.fit(X, y, epochs=3, batch_size=7, validation_data=part).val_loss == history.val_loss
    assert np.array_equal(a.parameters, b.parameters)
    # what was set aside was not trained on: targets that are wild there change the validation loss alone
    found = []
    for i in range(40):
        wild = y.copy()
        wild[i] += 1e3
        c = small()
        c.fit(X, wild, epochs=1, batch_size=40, validation_data=part)
        d = small()
        d.fit(X, y, epochs=1, batch_size=40, validation_data=part)
        if np.array_equal(c.parameters, d.parameters):
            found.append(i)
    assert len(found) == round(40 * part) and found != list(range(len(found)))


def test_patience_ends_with_the_weights_of_the_best_epoch(uniform):
    X, y, V, t = uniform((60, 3), 1), uniform((60, 2), 2), uniform((11, 3), 3), uniform((11, 2), 4)
    whole = nn.Trainer(small(), optimizer=nn.Adam(0.05))
    losses = whole.fit(X, y, epochs=60, validation_data=(V, t)).val_loss
    best = int(np.argmin(losses))
    for patience in (1, 4, 60):
        net = small()
        trainer = nn.Trainer(net, optimizer=nn.Adam(0.05))
        history = trainer.fit(X, y, epochs=60, validation_data=(V, t), patience=patience)
        kept = int(np.argmin(history.val_loss))
        assert history.val_loss == losses[: history.epochs] and net.evaluate(V, t)["loss"] == losses[kept]
        assert history.stopped == ("" if patience == 60 else "patience") and trainer.steps == 2 * history.epochs
        if history.stopped:
            assert history.epochs == kept + 1 + patience and min(losses[kept:][: patience + 1]) == losses[kept]
        else:
            assert kept == best
    assert best < 55, "the data must overfit for this test to say something"
    net = small()
    assert net.fit(X, y, epochs=60, optimizer=nn.Adam(0.05), validation_data=0.2, patience=2).stopped == "patience"
    for wrong in (0, -1, 1.5, "two"):
        with pytest.raises((ValueError, TypeError), match="patience"):
            net.fit(X, y, validation_data=0.2, patience=wrong)
    with pytest.raises(ValueError, match="patience needs validation_data="):
        net.fit(X, y, patience=3)


def test_patience_without_any_best_epoch_keeps_what_was_learnt():
    net = nn.Network([1, 1], seed=0)
    before = net.parameters.copy()
    with np.errstate(all="raise"):  # which is the caller's, and not for what happens in here
        history = net.fit([1.0, 2, 3], [1.0, 2, 3], validation_data=([[1e30]], [0.0]), patience=3, learning_rate=0.1)
    assert (
        history.stopped == "patience"
        and history.val_loss == [np.inf] * 3
        and not np.array_equal(net.parameters, before)
    )


@pytest.mark.parametrize("rows", [1, 2])
def test_very_few_samples(rows):
    for output, y in (
        ("identity", np.ones((rows, 2))),
        ("softmax", np.zeros(rows, int)),
        ("sigmoid", np.ones((rows, 2))),
    ):
        net = small(output=output)
        history = net.fit(np.ones((rows, 3)), y, epochs=2)
        assert len(history.loss) == 2 and np.isfinite(net.parameters).all()
        assert net.evaluate(np.ones((rows, 3)), y)["loss"] < history.loss[0]
    assert nn.Network([1, 1]).fit([3], [4], epochs=1).epochs == 1
