"""Threads: results never depend on them, a fork inherits a working library, calls may come from many threads at once,
and nothing runs on after a call has returned."""

import multiprocessing
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import nncore as nn
from nncore import initializers


def uniform(shape, seed):
    return (2 * initializers.uniform(initializers.generator(seed), int(np.prod(shape))) - 1).reshape(shape)


X, Y = uniform((300, 60), 1), uniform((300, 5), 2)


def network():
    return nn.Network([60, 130, 70, 5], hidden="tanh", seed=3)


def trained(threads, epochs=2):
    net = network()
    net.fit(X, Y, epochs=epochs, batch_size=50, threads=threads)
    return net


# ---- after fork ------------------------------------------------------------------------------------------------------


def in_child(pipe, net):
    """What a child of a fork does with the library: predict, and train, on more threads than one."""
    answer = net.predict(X, threads=3)
    frozen = net.freeze()(X)
    net.fit(X, Y, epochs=2, batch_size=50, threads=3, seed=9)
    pipe.send((answer, frozen, net.parameters.copy()))
    pipe.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("children", [1, 3])
def test_a_forked_child_predicts_and_trains(children):
    net = trained(3)  # the pool has workers, which the child will not have
    context = multiprocessing.get_context("fork")
    want = net.predict(X, threads=3)
    procs = []
    for _ in range(children):
        mine, theirs = context.Pipe(False)
        process = context.Process(target=in_child, args=(theirs, net))
        process.start()
        theirs.close()
        procs.append((process, mine))
    found = []
    for process, pipe in procs:
        assert pipe.poll(60), "the child hangs"
        found.append(pipe.recv())
        process.join(60)
        assert process.exitcode == 0
    net.fit(X, Y, epochs=2, batch_size=50, threads=3, seed=9)  # and so does the parent, to the same bits
    for answer, frozen, parameters in found:
        assert np.array_equal(answer, want) and np.array_equal(frozen, want)
        assert np.array_equal(parameters, net.parameters)


def step_in_child(pipe, trainer):
    trainer.optimizer = nn.SGD(0.1)
    pipe.send(trainer.step(X[:5], Y[:5]))


def test_a_child_may_train_with_what_was_at_work_when_it_was_forked():
    trainer = nn.Trainer(network())
    trainer.step(X[:5], Y[:5])
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(False)
    trainer._engine.turn.take(mine)  # as another thread does, which the child has not
    process = context.Process(target=step_in_child, args=(theirs, trainer))
    process.start()
    theirs.close()
    process.join(60)
    assert process.exitcode == 0 and mine.recv() > 0
    with pytest.raises(RuntimeError, match="at work"):
        trainer.step(X[:5], Y[:5])
    trainer._engine.turn.give(mine)
    trainer.step(X[:5], Y[:5])


def answer_in_child(pipe, predict):
    """Bytes that a second call makes and lets go: none, if the workspace of the first was kept."""
    x, out = np.zeros(3, np.float32), np.empty(2, np.float32)
    predict(x, out)
    tracemalloc.start()
    predict(x, out)
    pipe.send(tracemalloc.get_traced_memory()[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_during_a_call_has_a_workspace_of_its_own():
    predict = nn.Network([3, 40000, 2], seed=0).freeze()  # of which not even one sample fits the stack
    X = np.zeros((500, 3), np.float32)
    at_work = threading.Event()

    def keep_at_it():
        while not done:
            at_work.set()
            predict(X)

    done = []
    thread = threading.Thread(target=keep_at_it)
    thread.start()
    at_work.wait()
    context = multiprocessing.get_context("fork")
    try:
        for _ in range(3):
            mine, theirs = context.Pipe(False)
            process = context.Process(target=answer_in_child, args=(theirs, predict))
            process.start()
            theirs.close()
            process.join(60)
            assert process.exitcode == 0 and mine.recv() < 100_000
    finally:
        done.append(True)
        thread.join()


# ---- from several threads at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_predict_on_one_network_from_many_threads(threads, together):
    net = trained(1)
    predict = net.freeze()
    want = net.predict(X)

    def work(i):
        for turn in range(40):
            rows = 1 + (i * 40 + turn) * 7 % 300
            assert np.array_equal(net.predict(X[:rows], threads=threads), want[:rows])
            assert np.array_equal(predict(X[:rows]), want[:rows])
            assert np.array_equal(predict(X[rows - 1]), want[rows - 1])
        return True

    assert all(together(6, work))


@pytest.mark.parametrize("threads", [None, 2, 3])
def test_fit_different_networks_at_once(threads, together):
    want = trained(1).parameters
    for net in together(5, lambda i: trained(threads)):
        assert np.array_equal(net.parameters, want)


def test_different_work_at_once(together):
    net, other = trained(1), trained(1)
    loss, gradient = net.evaluate(X, Y), net.gradients(X, Y).vector
    want = net.predict(X)

    def work(i):
        for _ in range(10):
            if i % 3 == 0:
                assert net.evaluate(X, Y) == loss
            elif i % 3 == 1:
                assert np.array_equal(net.gradients(X, Y).vector, gradient)
            else:
                assert np.array_equal(net.predict(X, threads=2), want)
        return True

    assert all(together(6, work))
    assert np.array_equal(net.parameters, other.parameters)


def test_predict_during_fit_neither_hangs_nor_breaks(together):
    # the weights change under the reader, so nothing is said of its answers but that they are finite; training is not
    # disturbed
    net, alone = network(), network()
    done = threading.Event()

    def work(i):
        if i == 0:
            net.fit(X, Y, epochs=30, batch_size=50, threads=2)
            done.set()
            return True
        while not done.is_set():
            assert np.isfinite(net.predict(X[:20])).all()
        return True

    assert all(together(3, work))
    alone.fit(X, Y, epochs=30, batch_size=50, threads=1)
    assert np.array_equal(net.parameters, alone.parameters)


def test_the_core_goes_by_the_optimizer_that_the_trainer_shows(together):
    trainer = nn.Trainer(network())
    kinds = [nn.SGD(0.001), nn.Adam(0.001)]

    def work(i):
        for _ in range(100):
            trainer.optimizer = kinds[i]

    for _ in range(20):
        together(2, work)
        trainer.step(X[:5], Y[:5])
        settings, _, _, slots, *_ = trainer.state()["engine"]
        assert settings is trainer.optimizer and len(slots) == {kinds[0]: 0, kinds[1]: 2}[settings]


@pytest.mark.parametrize("sizes", [[64, 128, 1, 128, 64], [2, 1, 31], [3, 1, 1, 40], [1, 33, 1, 1]])
def test_layers_of_one_unit_have_neighbours_in_memory(sizes, uniform):
    # their gradient is a plain column, in which the rows of threads stand side by side
    x, y = uniform((700, sizes[0]), 1, "float32"), uniform((700, sizes[-1]), 2, "float32")
    net = nn.Network(sizes, hidden="tanh", seed=0)
    want = net.gradients(x, y).vector, net.input_gradient(x, threads=1)
    for threads in (2, 3, 5):
        for _ in range(10):
            nets = [net.copy(), net.copy()]
            for one, n in zip(nets, (1, threads), strict=True):
                one.fit(x[:210], y[:210], epochs=1, batch_size=70, threads=n)
            assert np.array_equal(nets[0].parameters, nets[1].parameters)
            assert np.array_equal(net.input_gradient(x, threads=threads), want[1])
    before = nn.threads()
    nn.set_threads(3)
    assert all(np.array_equal(net.gradients(x, y).vector, want[0]) for _ in range(10))
    nn.set_threads(before)


@pytest.mark.parametrize("count", [10**9, 2**31, 2**70])
def test_no_more_threads_than_a_team_holds(count):
    net, before = nn.Network([3, 4, 2], seed=0), nn.threads()
    want = net.predict(X[:9, :3])
    assert np.array_equal(net.predict(X[:9, :3], threads=count), want)
    assert net.jacobian(X[:9, :3], threads=count).shape == (9, 2, 3)
    net.fit(X[:9, :3], Y[:9, :2], epochs=1, threads=count)
    nn.set_threads(count)
    assert nn.threads() == 250
    nn.set_threads(before)


def test_two_trainings_of_one_network_do_not_crash(together):
    # nonsense, but it must stay defined: finite weights, both return
    net = network()
    trainers = [nn.Trainer(net, batch_size=50, threads=2) for _ in range(2)]
    together(2, lambda i: trainers[i].fit(X, Y, epochs=10))
    assert np.isfinite(net.parameters).all()


# ---- nothing runs on -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_no_thread_runs_after_a_call():
    code = """if True:
        import os, sys, threading, time
        sys.path.insert(0, sys.argv[1])
        import test_threads as t
        net = t.trained(4, epochs=5)
        net.predict(t.X, threads=4)
        tasks = os.listdir("/proc/self/task")
        def busy():  # clock ticks that other threads than this one have run
            total = 0
            for task in tasks:
                if int(task) != threading.get_native_id():
                    fields = open(f"/proc/self/task/{task}/stat").read().rsplit(")", 1)[1].split()
                    total += int(fields[11]) + int(fields[12])
            return total
        threading.Event().wait(0.05)  # those who are on their way to bed get there
        states = [open(f"/proc/self/task/{task}/stat").read().rsplit(")", 1)[1].split()[0]
                  for task in tasks if int(task) != threading.get_native_id()]
        before, began = busy(), time.process_time()
        threading.Event().wait(0.5)
        print(len(states), "".join(states), busy() - before, time.process_time() - began)
    """
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)], env=environment, capture_output=True, text=True
    )
    count, states, ticks, seconds = run.stdout.split()
    assert int(count) == 3, run.stdout  # the workers are there
    assert set(states) == {"S"}, "a worker is not asleep"
    assert int(ticks) <= 1 and float(seconds) < 0.2  # of half a second by three threads


# ---- how many --------------------------------------------------------------------------------------------------------


def test_set_threads():
    for count in (1, 2, 5):
        nn.set_threads(count)
        assert nn.threads() == count
    want = trained(1).parameters
    nn.set_threads(3)
    assert np.array_equal(trained(None).parameters, want)
    nn.set_threads(0)
    assert nn.threads() >= 1
    for wrong in (-1, 1.5, "2", True, None):
        with pytest.raises(ValueError, match="threads must be a whole number"):
            nn.set_threads(wrong)
    assert nn.threads() >= 1
