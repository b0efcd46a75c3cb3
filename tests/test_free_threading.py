"""Nothing leans on the GIL: what threads share stays right when they really run at once.

On an interpreter with a GIL these tests run as well, and hold what stands in the core anyhow: it lets go of the GIL while it
computes. Without one (python3.13t, python3.14t) every line of them meets every other.
"""

import copy
import ctypes
import pickle
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels

COUNT = 4  # threads; more than the cores of a small machine, so that some are stopped midway
WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.mark.skipif(not WITHOUT_GIL, reason="this interpreter has a GIL")
def test_no_module_of_the_package_switches_the_gil_on():
    code = """if True:
        import importlib, pkgutil, sys
        import nncore
        for module in pkgutil.iter_modules(nncore.__path__):
            if module.name.startswith("_") and module.name != "__main__":
                importlib.import_module(f"nncore.{module.name}")
        print(sys._is_gil_enabled())
    """
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr


# ---- one Predictor -----------------------------------------------------------------------------------------------------

PLANS = {
    "small": ([17, 64, 64, 6], None),
    "image": ([784, 256, 10], None),
    "bfloat16": ([64, 100, 100, 5], "bfloat16"),
    "int8": ([64, 100, 100, 5], "int8"),
    "wide": ([40, 2100, 2100, 5], None),  # its workspace for many samples is made by the first call and kept
}


def predictor(which):
    sizes, storage = PLANS[which]
    return nn.Network(sizes, hidden="tanh", seed=1).freeze(storage)


@pytest.mark.parametrize("which", PLANS)
def test_one_predictor_answers_every_thread_as_it_answers_one(which, together, uniform):
    nn.set_threads(2)
    single, shared = predictor(which), predictor(which)
    work = sum(a * b for a, b in zip(PLANS[which][0][:-1], PLANS[which][0][1:], strict=True))
    most = max(64, min(300, int(6e7 / work)))
    X = uniform((most, shared.inputs), 2, "float32")
    want = single(X)

    def ask(i):
        out = np.empty_like(want)
        for turn in range(12):
            rows = 1 + (7 * i + 5 * turn) % most
            assert shared(X[:rows], out[:rows]) is not None
            assert out[:rows].tobytes() == want[:rows].tobytes()
            for row in range(turn % 7, rows, 7):
                out[row] = 0
                shared(X[row], out[row])
                assert shared(X[row]).tobytes() == out[row].tobytes() == want[row].tobytes()
        return shared(X).tobytes()

    assert set(together(COUNT, ask)) == {want.tobytes()}


def test_the_wide_plan_above_keeps_a_workspace():
    kept = predictor("wide")
    scratch, scratch_many = (ctypes.c_int64 * 2).from_address(kept.ctypes.plan + 32)  # nncore.h
    assert scratch < 256 * 1024 < scratch_many


def test_one_predictor_hands_out_copies_capsules_and_addresses(together, uniform):
    shared = predictor("small")
    X = uniform((5, shared.inputs), 2, "float32")
    want = shared(X).tobytes()

    def use(i):
        for _ in range(30):
            kept = [shared.capsule, shared.ctypes, shared.report, repr(shared)]
            assert kept[1] == shared.ctypes and kept[2].bytes > 0
            assert copy.deepcopy(shared)(X).tobytes() == want
            assert pickle.loads(pickle.dumps(shared))(X).tobytes() == want
        return True

    assert all(together(COUNT, use))


def test_a_predictor_is_not_made_over():
    net, shared = nn.Network([3, 2], seed=0), nn.Network([3, 2], seed=0).freeze()
    with pytest.raises(TypeError, match="does not change"):
        shared.__init__(net._core_layers(dropout=False), net.parameters)


# ---- training ----------------------------------------------------------------------------------------------------------


def data(uniform):
    return uniform((120, 9), 3, "float32"), uniform((120, 4), 4, "float32")


def network():
    return nn.Network([9, nn.Dense(40, "tanh", dropout=0.1), 30, 4], seed=5)


def trained(X, y):
    net = network()
    trainer = nn.Trainer(net, batch_size=20, threads=2)
    for i in range(100):
        trainer.step(X[i : i + 10], y[i : i + 10])
    trainer.fit(X, y, epochs=10, validation_data=0.25)
    return net.parameters.tobytes()


def test_networks_of_their_own_train_as_alone(together, uniform):
    X, y = data(uniform)
    want = trained(X, y)
    assert set(together(COUNT, lambda i: trained(X, y))) == {want}


def test_a_network_is_asked_frozen_and_copied_while_it_trains(together, uniform):
    # its weights change under those who read them, so of their answers only this is said: they are numbers. Training is not
    # disturbed, to the bit.
    X, y = data(uniform)
    net, done = network(), threading.Event()

    def train():
        try:
            nn.Trainer(net, batch_size=20).fit(X, y, epochs=150)
        finally:
            done.set()

    def look(i):
        turn = 0
        while not done.is_set():
            turn += 1
            assert np.isfinite(net.predict(X[turn % 100])).all() and np.isfinite(net.predict(X[:33])).all()
            assert np.isfinite(net.evaluate(X, y)["loss"]) and np.isfinite(net.gradients(X[:20], y[:20]).vector).all()
            assert np.isfinite(net.freeze(["float32", "bfloat16", "int8"][turn % 3])(X)).all()
            assert np.isfinite(net.jacobian(X[:3])).all() and np.isfinite(net.copy().predict(X[0])).all()
        return turn

    together(3, lambda i: train() if i == 0 else look(i))
    alone = network()
    nn.Trainer(alone, batch_size=20).fit(X, y, epochs=150)
    assert net.parameters.tobytes() == alone.parameters.tobytes()


def test_one_trainer_takes_one_step_at_a_time(together, uniform):
    X, y = data(uniform)
    net = nn.Network([9, 40, 30, 4], seed=5)
    trainer = nn.Trainer(net, optimizer=nn.SGD(1e-30), batch_size=120, threads=2)  # steps that change nothing
    parts = [(X[i : i + 100], y[i : i + 100]) for i in range(COUNT)]
    want = [trainer.step(*part) for part in parts]

    def steps(i):
        taken = 0
        for _ in range(200):
            x, t = (array.copy() for array in parts[i])  # gone after the turn
            try:
                assert trainer.step(x, t) == want[i], "a step on another thread's samples"
                taken += 1
            except RuntimeError as error:
                assert "at work in another call" in str(error)
        return taken

    assert sum(together(COUNT, steps)) + COUNT == trainer.steps


def test_a_step_from_inside_an_epoch_is_refused(uniform):
    X, y = data(uniform)
    trainer = nn.Trainer(network(), batch_size=20)
    trainer.step(X[:20], y[:20])
    engine, state = trainer._engine, trainer.state()

    def tick(done):
        with pytest.raises(RuntimeError, match="at work in another call"):
            trainer.step(X[:20], y[:20])
        with pytest.raises(RuntimeError, match="at work in another call"):
            trainer.step(X, y)  # for which there is no room yet
        with pytest.raises(RuntimeError, match="at work in another call"):
            trainer.optimizer = nn.SGD(0.1)
        with pytest.raises(RuntimeError, match="at work in another call"):
            trainer.restore(state)
        assert trainer.state()["engine"][1] == trainer.steps  # between two stretches, in the thread that trains
        trainer.learning_rate = 1e-3 * (1 + done)

    engine.turn.take(tick)
    engine.epoch(X, y, None, 20, True, lambda: trainer.optimizer, tick)
    engine.turn.give(X)  # of another call: nothing
    with pytest.raises(RuntimeError, match="at work in another call"):
        trainer.step(X[:20], y[:20])
    engine.turn.give(tick)
    assert trainer.steps == 7 and trainer.learning_rate == 2e-3 and isinstance(trainer.optimizer, nn.Adam)
    trainer.optimizer = nn.SGD(0.1)
    assert trainer.step(X[:20], y[:20]) > 0


def test_settings_change_while_it_trains(together, uniform):
    X, y = data(uniform)
    trainer, done = nn.Trainer(network(), batch_size=20, threads=2), threading.Event()

    def train():
        try:
            trainer.fit(X, y, epochs=100)
        finally:
            done.set()

    def change(i):
        turn = 0
        while not done.is_set():
            turn += 1
            try:
                trainer.learning_rate = 1e-3 * (1 + turn % 5)
                trainer.optimizer = nn.Adam() if turn % 2 else nn.SGD(0.01, momentum=0.5)
                settings, _, _, slots, *_ = trainer.state()["engine"] or (nn.SGD(), 0, 0, [])
                assert len(slots) == (2 if isinstance(settings, nn.Adam) else 1 if settings.momentum else 0)
            except RuntimeError as error:  # another kind than the one that trains; a state in the midst of a step
                assert "at work in another call" in str(error)

    together(3, lambda i: train() if i == 0 else change(i))
    assert np.isfinite(trainer.net.parameters).all() and len(trainer.history.loss) == 100


def test_every_step_counts_whoever_comes_first(together, uniform):
    X, y = data(uniform)
    for _ in range(50):
        trainer, taken = nn.Trainer(network(), batch_size=20), []

        def step(i, trainer=trainer, taken=taken):
            for rows in (3, 40, 100):
                try:
                    trainer.step(X[:rows], y[:rows])
                    taken.append(rows)
                except RuntimeError as error:
                    assert "at work in another call" in str(error)

        together(3, step)
        assert trainer.steps == len(taken) > 0


def test_nobody_steps_between_the_epochs_of_a_fit(together, uniform):
    X, y = data(uniform)
    trainer, epochs = nn.Trainer(network(), batch_size=20), 60

    def work(i):
        if i == 0:
            return trainer.fit(X, y, epochs=epochs, validation_data=(X, y))
        while True:
            if trainer.history.loss:  # it has begun
                try:
                    trainer.step(X[: 20 * i], y[: 20 * i])
                except RuntimeError as error:
                    assert "at work in another call" in str(error)
                else:
                    return len(trainer.history.loss)

    assert together(3, work)[1:] == [epochs, epochs]  # it had ended
    assert trainer.steps == 6 * epochs + 2


# ---- settings of the process -------------------------------------------------------------------------------------------


def test_threads_and_instruction_set_change_while_others_predict(together, uniform):
    names = [name for name, here in _kernels.isas().items() if here and name != "generic"] or ["generic"]
    before = _kernels.isa()
    _kernels.select_isa(names[0])
    net = nn.Network([30, 200, 50, 3], seed=2)
    X = uniform((200, 30), 6, "float32")
    want = net.predict(X)
    waiting, done = threading.Barrier(COUNT - 1), threading.Event()

    def ask():
        for turn in range(60):
            assert nn.threads() >= 1
            assert net.predict(X[turn]).tobytes() == want[turn].tobytes()
            assert net.predict(X[: turn + 100]).tobytes() == want[: turn + 100].tobytes()
            assert net.freeze()(X[:20]).tobytes() == want[:20].tobytes()

    def change():
        turn = 0
        while not done.is_set():
            turn += 1
            _kernels.select_isa(names[turn % len(names)])
            nn.set_threads(turn % 3)

    def work(i):
        if i == 0:
            return change()
        try:
            ask()
        finally:
            if waiting.wait() == 0:  # the last of those who ask
                done.set()

    try:
        together(COUNT, work)
    finally:
        _kernels.select_isa(before)
    assert _kernels.isa() == before
