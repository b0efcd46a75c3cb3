"""What several test files need: instruction sets to go through, threads that start together, data that is the same bits
everywhere, hashes."""

import hashlib
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels, initializers


def available_isas():
    """Instruction sets that this machine has, best first."""
    return [name for name, here in _kernels.isas().items() if here]


def pytest_generate_tests(metafunc):
    # a test that takes `isa` runs under each available instruction set, one that takes `fma_isa` under each that has
    # FMA
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", available_isas(), indirect=True)
    if "fma_isa" in metafunc.fixturenames:
        metafunc.parametrize("fma_isa", [name for name in available_isas() if name != "generic"], indirect=True)


def _use_isa(request):
    before = _kernels.isa()
    _kernels.select_isa(request.param)
    yield request.param
    _kernels.select_isa(before)


isa = pytest.fixture(_use_isa, name="isa")
fma_isa = pytest.fixture(_use_isa, name="fma_isa")


@pytest.fixture(autouse=True)
def threads_as_they_were():
    before = nn.threads()
    yield
    if nn.threads() != before:
        nn.set_threads(before)


@pytest.fixture(scope="session")
def uniform():
    """uniform(shape, seed, dtype): numbers on [-1, 1), the same bits on every machine and with every numpy."""

    def make(shape, seed=0, dtype="float64"):
        values = 2 * initializers.uniform(initializers.generator(seed), int(np.prod(shape))) - 1
        return values.reshape(shape).astype(dtype)

    return make


@pytest.fixture(scope="session")
def sha256():
    """sha256(array): of its bytes."""
    return lambda array: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.fixture(scope="session")
def together():
    """together(count, work): work(i) on `count` threads that start at the same time; their results in order, or the first of
    their errors."""

    def start_all(count, work):
        results, errors, start = [None] * count, [], threading.Barrier(count)

        def run(i):
            try:
                start.wait()
                results[i] = work(i)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a thread hangs"
        if errors:
            raise errors[0]
        return results

    return start_all
