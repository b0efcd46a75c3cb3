"""Predictor in service: many callers at once, no allocation, networks too wide for the stack and too large for the caches."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

import nncore as nn

# ---- threads and memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[17, 64, 64, 6], [784, 256, 10]])
def test_many_threads_share_one(sizes, together):
    net = nn.Network(sizes, seed=0)
    predict = net.freeze()
    X = np.random.default_rng(0).normal(size=(200, sizes[0])).astype(np.float32)
    expected = predict(X)

    def work(thread):
        out = np.empty(sizes[-1], np.float32)
        for i in range(2000):
            row = (31 * thread + i) % len(X)
            assert predict(X[row], out).tobytes() == expected[row].tobytes()

    together(6, work)


COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
static long calls;
long malloc_calls(void) { return calls; }
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { calls++; return __libc_malloc(n); }
void *calloc(size_t a, size_t b) { calls++; return __libc_calloc(a, b); }
void *realloc(void *p, size_t n) { calls++; return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { calls++; return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { calls++; return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { calls++; *p = __libc_memalign(a, n); return *p ? 0 : 12; }
"""
COUNTING = """
import ctypes
import numpy as np, nncore as nn
count = ctypes.CDLL(None).malloc_calls
count.restype = ctypes.c_long
nets = [([17, 64, 64, 6], None), ([784, 256, 10], None), ([8, 16, 1], None), ([300, 300, 40, 2], "int8")]
for sizes, storage in [*nets, ([300, 90, 2], "bfloat16"), ([3, 40000, 2], None)]:
    predict = nn.Network(sizes, seed=0).freeze(storage)
    x, out = np.ones(sizes[0], np.float32), np.empty(sizes[-1], np.float32)
    X, OUT = np.ones((5, sizes[0]), np.float32), np.empty((5, sizes[-1]), np.float32)
    times = [None] * 1000

    def counted(call):
        before = count()
        for _ in times:
            call()
        return count() - before

    predict(x, out), predict(X, OUT)  # a network as wide as the last makes its workspace
    nothing, named = counted(lambda: None), counted(lambda: dict(out=out))
    one, many = counted(lambda: predict(x, out)), counted(lambda: predict(X, OUT))
    assert counted(lambda: np.empty(1000)) >= 1000, "the counter does not count"
    # of a thousand calls each; what Python itself asks for differs by one or two
    assert max(one, many) < nothing + 10, (sizes, storage, one, many, nothing)
    assert counted(lambda: predict(x, out=out)) < named + 10
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts by LD_PRELOAD on glibc")
def test_with_out_nothing_is_allocated(tmp_path):
    """Counted from outside, by a library between the program and malloc; with a GIL, Python's small objects count as well."""
    (tmp_path / "counter.c").write_text(COUNTER)
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if not shutil.which(compiler[0]):
        pytest.skip("no C compiler")
    made = subprocess.run(
        [*compiler, "-O1", "-shared", "-fPIC", "-o", "counter.so", "counter.c"], capture_output=True, cwd=tmp_path
    )
    if made.returncode:
        pytest.skip(f"not glibc: {made.stderr.decode()[:200]}")
    # a relative LD_PRELOAD, for the loader splits a path at its spaces
    env = dict(
        os.environ, LD_PRELOAD="./counter.so", PYTHONPATH=os.pathsep.join(os.path.abspath(path) for path in sys.path)
    )
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):  # without a GIL there is one allocator of Python's objects
        env["PYTHONMALLOC"] = "malloc"
    run = subprocess.run([sys.executable, "-c", COUNTING], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_wide_plan_serves_many_callers_at_once(together):
    """One of them has the kept workspace, the others the stack: the bits are the same."""
    net = nn.Network([700, 900, 3], seed=0)
    predict, X = net.freeze(), np.random.RandomState(0).standard_normal((200, 700)).astype(np.float32)
    want = net.predict(X).tobytes()

    def work(_):
        out = np.empty((200, 3), np.float32)
        for _ in range(10):
            assert predict(X, out).tobytes() == want

    together(4, work)


# ---- wide networks --------------------------------------------------------------------------------------------------------


def test_network_wider_than_the_stack_allows():
    net = nn.Network([3, 50_000, 2], seed=0)
    X = np.eye(3, dtype=np.float32)
    expected = net.predict(X)
    predict = net.freeze()
    assert predict.ctypes.scratch > 256 * 1024
    assert predict(X).tobytes() == expected.tobytes()
    assert np.array([predict(x) for x in X]).tobytes() == expected.tobytes()
    assert np.array([net.predict(x) for x in X]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("width", [30_000, 300_000])
def test_networks_of_which_a_row_does_not_fit_the_stack_serve_many_callers(width, together):
    net = nn.Network([2, width, 2], seed=0)
    X = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    predict, want = net.freeze(), net.predict(X)

    def work(_):
        for _ in range(3):
            assert predict(X).tobytes() == want.tobytes() and predict(X[3]).tobytes() == want[3].tobytes()

    together(3, work)


@pytest.mark.parametrize("sizes, rows", [([900, 1200, 3], 200), ([1100, 1300, 1100, 70], 400), ([2100, 2100, 5], 401)])
def test_weights_from_beyond_the_caches_have_the_same_bits(sizes, rows, isa):
    net = nn.Network(sizes, hidden="tanh", seed=2)
    X = np.random.default_rng(0).standard_normal((rows, sizes[0])).astype("float32")
    want, predict = net.predict(X), net.freeze()
    assert predict(X).tobytes() == want.tobytes()
    assert predict(X[-19:].copy()).tobytes() == want[-19:].tobytes()
    assert all(predict(X[i].copy()).tobytes() == want[i].tobytes() for i in (0, rows // 2, rows - 1))


@pytest.mark.skipif(sys.platform == "win32", reason="its threads have stacks of other sizes")
def test_few_samples_take_little_stack():
    """What musl gives a thread by itself does for a few samples, though not for ninety-six."""
    code = """
import threading, numpy as np, nncore as nn
predict, X = nn.Network([64, 256, 10], seed=0).freeze(), np.zeros((3, 64), np.float32)
threading.stack_size(128 * 1024)
thread = threading.Thread(target=lambda: print(predict(X).shape))
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "(3, 10)\n", done
