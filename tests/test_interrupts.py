"""Nothing is lost: Ctrl-C, a loss that is no number any more, a learning rate that is far too large."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import initializers


def uniform(shape, seed):
    return (2 * initializers.uniform(initializers.generator(seed), int(np.prod(shape))) - 1).reshape(shape)


X, Y = uniform((256, 20), 1), uniform((256, 3), 2)

# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------

CHILD = """if True:
    import json, signal, sys, threading, time
    import numpy as np
    import nncore as nn
    rows, epochs, threads = map(int, sys.argv[1:])
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((rows, 64)).astype("float32"), rng.standard_normal((rows, 4)).astype("float32")
    net = nn.Network([64, 256, 4], seed=0)
    trainer = nn.Trainer(net, optimizer=nn.SGD(1e-4), batch_size=8, threads=threads)
    trainer.fit(X[:40], y[:40], epochs=2)
    print("ready", flush=True)
    def handler(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, handler)
    try:
        trainer.fit(X, y, epochs=epochs)
        caught = False
    except KeyboardInterrupt:
        caught = True
    steps, finished, stopped = trainer.steps, trainer.history.epochs, trainer.history.stopped
    finite = bool(np.isfinite(net.parameters).all()) and bool(np.isfinite(trainer.history.loss).all())
    again = trainer.fit(X[:40], y[:40], epochs=1)
    print(json.dumps({"caught": caught, "steps": steps, "finished": finished, "stopped": stopped, "finite": finite,
                      "after": trainer.steps, "epochs": again.epochs, "later": again.stopped}), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("rows", "epochs"), [(60000, 100000), (40, 10**7)], ids=["within an epoch", "between epochs"])
def test_ctrl_c_ends_a_long_fit(rows, epochs, threads):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(rows), str(epochs), str(threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    killer = threading.Timer(60, child.kill)  # a fit that does not answer must not hang the tests
    killer.start()
    threading.Event().wait(0.4)  # it is in the middle of it by then: the fit would take hours
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate()
    killer.cancel()
    found = json.loads(output or "{}")
    assert found, errors
    assert found["caught"] and found["stopped"] == "interrupted" and found["finite"]
    assert found["steps"] > 10  # it was on its way
    assert found["finished"] >= 2
    if rows == 40:
        assert found["finished"] > 2  # whole epochs stay in the history
        assert found["finished"] * 5 <= found["steps"] <= (found["finished"] + 1) * 5
    assert found["after"] == found["steps"] + 5 and found["epochs"] == found["finished"] + 1 and found["later"] == ""


def interrupting(monkeypatch, at):
    """Makes the tick within an epoch raise KeyboardInterrupt at its `at`-th call, as a signal would."""
    from nncore import progress

    calls = []

    def tick(self, part):
        calls.append(part)
        if len(calls) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Progress, "tick", property(lambda self: lambda part: tick(self, part)))
    return calls


@pytest.mark.parametrize("at", [1, 2, 3])
def test_interrupted_weights_are_those_of_a_finished_step(at, monkeypatch):
    net, steps = nn.Network([20, 30, 3], seed=1), nn.Network([20, 30, 3], seed=1)
    trainer = nn.Trainer(net, optimizer=nn.SGD(0.01), batch_size=4)
    calls = interrupting(monkeypatch, at)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, Y, epochs=50, shuffle=False)
    assert trainer.history.stopped == "interrupted" and 0 < calls[0] <= 1
    other = nn.Trainer(steps, optimizer=nn.SGD(0.01), batch_size=4)
    for step in range(trainer.steps):
        start = step * 4 % 256
        other.step(X[start : start + 4], Y[start : start + 4])
    assert trainer.steps > 0 and np.array_equal(net.parameters, steps.parameters)
    assert trainer.history.epochs == (trainer.steps - 1) // 64  # the epoch under way is not in it


def test_an_error_in_the_progress_bar_comes_through(monkeypatch):
    from nncore import progress

    def broken(part):
        raise RuntimeError("no terminal")

    monkeypatch.setattr(progress.Progress, "tick", property(lambda self: broken))
    net = nn.Network([20, 30, 3], seed=1)
    with pytest.raises(RuntimeError, match="no terminal"):
        net.fit(X, Y, epochs=2)
    assert np.isfinite(net.parameters).all() and net.predict(X).shape == (256, 3)


def broken_off(call, nth, error):
    """Runs `call` and raises `error` as the nth line of trainer.py is about to be run, as a handler of signals may; whether
    there were so many. Nothing can strike at `try`, or in a `finally` before the call that gives back:
    signals wait for a call to end."""
    import linecache

    count = 0

    def trace(frame, event, argument):
        nonlocal count
        name = frame.f_code.co_filename
        if not name.endswith("trainer.py"):
            return None
        line = linecache.getline(name, frame.f_lineno)
        if event == "line" and not any(words in line for words in ("try:", ".give(", "old is self._engine")):
            count += 1
            if count == nth:
                sys.settrace(None)
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except type(error) as caught:
        assert caught is error
    finally:
        sys.settrace(before)
    return count >= nth


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TimeoutError("as a limit of time raises it")])
@pytest.mark.parametrize("what", ["fit", "fit of larger batches", "restore", "step of more threads"])
def test_a_trainer_that_was_broken_off_anywhere_goes_on(what, error):
    def prepare():
        trainer = nn.Trainer(nn.Network([20, 3], seed=1), batch_size=100)
        trainer.step(X[:4], Y[:4])
        state = trainer.state()
        if what == "step of more threads":
            trainer.threads = 2
        calls = {
            "fit": lambda: trainer.fit(X[:4], Y[:4], epochs=2, validation_data=(X, Y)),
            "fit of larger batches": lambda: trainer.fit(X, Y, epochs=1),
            "restore": lambda: trainer.restore(state),
            "step of more threads": lambda: trainer.step(X[:4], Y[:4]),
        }
        return trainer, calls[what]

    nth, struck = 0, True
    while struck:
        nth += 1
        trainer, call = prepare()
        struck = broken_off(call, nth, error)
        trainer.step(X[:4], Y[:4])
        trainer.restore(trainer.state())
        trainer.fit(X, Y, epochs=1)
        history = trainer.history
        assert {len(column) for column in history._columns.values()} <= {0, history.epochs}
    assert nth > 5


def test_an_error_in_the_middle_keeps_the_history(monkeypatch):
    from nncore import progress

    def advance(self, **numbers):
        if net.history.epochs == 3:
            raise ValueError("closed")

    monkeypatch.setattr(progress.Progress, "advance", advance)
    net = nn.Network([20, 3], seed=1)
    with pytest.raises(ValueError, match="closed"):
        net.fit(X, Y, epochs=9)
    assert net.history.epochs == 3 and net.history.stopped == "interrupted"
    with pytest.raises(ValueError, match="X has shape"):
        net.fit(X[:, :3], Y)
    assert net.history.epochs == 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_ctrl_c_does_not_wait_for_a_long_prediction():
    net = nn.Network([256, 1024, 1024, 4], seed=0)
    x, out = np.ones((20000, 256), np.float32), np.full((20000, 4), np.nan, np.float32)

    def handler(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            net.predict(x, out)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert np.isnan(out[-1]).all()  # the rest was not worth computing


# ---- divergence ------------------------------------------------------------------------------------------------------


def diverge(net, **keywords):
    """Train with steps far too large until it fails; the trainer."""
    trainer = nn.Trainer(net, batch_size=16, **keywords)
    with pytest.raises(FloatingPointError) as caught:
        trainer.fit(X, Y, epochs=500, shuffle=False)
    message = str(caught.value)
    assert f"diverged at step {trainer.steps + 1}" in message
    assert "learning_rate" in message and "last finished step" in message
    assert trainer.history.stopped == "diverged"
    return trainer


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [10.0, 1e6, 1e30])
def test_divergence_keeps_the_last_finished_step(rate, dtype, threads):
    net, again = (nn.Network([20, 150, 3], hidden="relu", seed=1, dtype=dtype) for _ in range(2))
    trainer = diverge(net, optimizer=nn.SGD(rate), threads=threads)
    assert np.isfinite(net.parameters).all()
    other = nn.Trainer(again, optimizer=nn.SGD(rate), batch_size=16)
    for step in range(trainer.steps):
        start = step * 16 % 256
        other.step(X[start : start + 16], Y[start : start + 16])
    assert np.array_equal(net.parameters, again.parameters)
    start = trainer.steps * 16 % 256
    with pytest.raises(FloatingPointError, match="diverged"):  # the next one fails there too, and changes nothing
        other.step(X[start : start + 16], Y[start : start + 16])
    assert np.array_equal(net.parameters, again.parameters) and other.steps == trainer.steps


@pytest.mark.parametrize("optimizer", [nn.SGD(1e5, momentum=0.9), nn.Adam(1e38), nn.AdamW(1e38), nn.Adam(1.0)])
@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid"])
def test_no_optimizer_leaves_nan_behind(optimizer, output):
    net = nn.Network([20, 30, 3], hidden="relu", output=output, seed=1)
    y = (Y + 1) / 2 if output != "identity" else Y
    if output == "softmax":
        y = np.arange(256) % 3
    trainer = nn.Trainer(net, optimizer=optimizer, batch_size=16)
    try:
        trainer.fit(X, y, epochs=20)
    except FloatingPointError:
        assert trainer.history.stopped == "diverged"
    assert np.isfinite(net.parameters).all()
    assert trainer.history.epochs == len(trainer.history.loss) and np.isfinite(trainer.history.loss).all()


def test_training_goes_on_after_divergence():
    net = nn.Network([20, 30, 3], hidden="tanh", seed=1)
    start = net.parameters.copy()
    trainer = diverge(net, optimizer=nn.SGD(1e20))
    net.parameters[:] = start
    trainer.learning_rate = 0.05
    history = trainer.fit(X, Y, epochs=30)
    assert history.stopped == "" and history.loss[-1] < history.loss[0]


def test_step_that_diverges():
    net = nn.Network([2, 1], init=1.0, bias=False, dtype="float64")
    trainer = nn.Trainer(net, "sse", nn.SGD(0.1))
    assert trainer.step([1, 1], [0]) == 4
    before = net.parameters.copy()
    with pytest.raises(FloatingPointError, match="diverged at step 2.*inf"):
        trainer.step([1e200, 1e200], [0])
    assert np.array_equal(net.parameters, before) and trainer.steps == 1
    assert trainer.step([1, 1], [0]) == pytest.approx(1.44)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("warm", [0, 3])  # epochs before, by which stretches of steps grow long
def test_a_weight_that_would_be_infinite_stops_at_that_step(warm, threads):
    x, y = np.zeros((20000, 2), np.float32), np.full((20000, 1), 5, np.float32)
    x[:, 0] = 0.01
    net = nn.Network([2, 1], init=0.0, bias=False)
    trainer = nn.Trainer(net, "sse", nn.SGD(0.1), batch_size=1, threads=threads)
    for _ in range(warm):
        trainer.fit(x, y, epochs=1, shuffle=False)
    bad, before = 1234, trainer.steps
    again = nn.Trainer(net.copy(), "sse", nn.SGD(0.1))
    x[bad] = 0, 1e38  # its weight is 0, so the loss is harmless; its gradient is beyond float32
    with pytest.raises(
        FloatingPointError, match=f"diverged at step {before + bad + 1}: a weight, or the optimizer's moment"
    ):
        trainer.fit(x, y, epochs=1, shuffle=False)
    assert trainer.steps == before + bad and trainer.history.stopped == "diverged"
    for i in range(bad):
        again.step(x[i], y[i])
    assert np.array_equal(net.parameters, again.net.parameters) and net.parameters[1] == 0


def test_gradients_of_an_infinite_loss_say_so():
    net = nn.Network([2, 1], init=1.0, bias=False, dtype="float64")
    with pytest.raises(FloatingPointError, match="inf"):
        net.gradients([[1e200, 1e200]], [[0]])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer of signals")
@pytest.mark.parametrize("call", ["predict", "freeze", "jacobian", "input_gradient", "evaluate"])
def test_long_calls_look_at_signals(call):
    nn.set_threads(1)  # many threads would be done too soon, and zeros, which are left out
    net = nn.Network([400, 800, 400], seed=0)
    X = y = np.ones((20_000, 400), "float32")
    do = {
        "predict": net.predict,
        "freeze": net.freeze(),
        "jacobian": lambda X: net.jacobian(X[:500]),
        "input_gradient": lambda X: net.input_gradient(X, output=0),
        "evaluate": lambda X: net.evaluate(X, y),
    }[call]

    class Struck(Exception):
        pass

    def strike(number, frame):
        raise Struck

    before = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Struck):  # else the call went on to its end
            do(X)
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("rows", [1, 700, 2000])
def test_what_goes_in_parts_is_the_same(rows):
    net = nn.Network([300, 700, 300], seed=0)  # 420,000 multiplications a sample: 640 samples are a part
    X = uniform((2000, 300), 5).astype("float32")[:rows]
    assert np.array_equal(net.freeze()(X), net.predict(X))
    weights = uniform((2000, 300), 6).astype("float32")[:rows]
    whole = net.input_gradient(X, weights=weights)
    assert np.array_equal(whole[-1], net.input_gradient(X[-1], weights=weights[-1]))
    assert np.array_equal(net.input_gradient(X, output=3)[-1], net.input_gradient(X[-1], output=3))
    narrow = nn.Network([300, 400, 2], seed=0)
    assert np.array_equal(narrow.jacobian(X)[-1], narrow.jacobian(X[-1]))
