"""No allocation in a step: malloc counted from outside, by a small library that is loaded before all others.

What a call needs once does not count: a call that takes many steps is compared with one that takes few.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
static atomic_long calls;
long counted_allocations(void) { return atomic_load(&calls); }

/* calloc is wanted by dlsym itself: until the real one is known, a few bytes of our own serve */
static char early[65536];
static size_t used;
static void *early_bytes(size_t n) {
    void *p = early + used;
    used += (n + 63) / 64 * 64;
    return used <= sizeof(early) ? p : NULL;
}
static int is_early(void *p) { return (char *)p >= early && (char *)p < early + sizeof(early); }

void *malloc(size_t n) {
    static void *(*real)(size_t);
    atomic_fetch_add(&calls, 1);
    if (!real) real = dlsym(RTLD_NEXT, "malloc");
    return real(n);
}
void *calloc(size_t n, size_t size) {
    static void *(*real)(size_t, size_t);
    static int looking;
    atomic_fetch_add(&calls, 1);
    if (!real) {
        if (looking) return early_bytes(n * size);
        looking = 1;
        real = dlsym(RTLD_NEXT, "calloc");
    }
    return real(n, size);
}
void *realloc(void *p, size_t n) {
    static void *(*real)(void *, size_t);
    atomic_fetch_add(&calls, 1);
    if (!real) real = dlsym(RTLD_NEXT, "realloc");
    return real(p, n);
}
void free(void *p) {
    static void (*real)(void *);
    if (is_early(p)) return;
    if (!real) real = dlsym(RTLD_NEXT, "free");
    real(p);
}
int posix_memalign(void **p, size_t align, size_t n) {
    static int (*real)(void **, size_t, size_t);
    atomic_fetch_add(&calls, 1);
    if (!real) real = dlsym(RTLD_NEXT, "posix_memalign");
    return real(p, align, n);
}
void *aligned_alloc(size_t align, size_t n) {
    static void *(*real)(size_t, size_t);
    atomic_fetch_add(&calls, 1);
    if (!real) real = dlsym(RTLD_NEXT, "aligned_alloc");
    return real(align, n);
}
"""

# Python's own small objects go through malloc too (PYTHONMALLOC=malloc), so a list or a float made per step would
# count. An interpreter without a GIL has one allocator for them, which is not malloc: there the core's and numpy's count.
WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SCRIPT = """if True:
    import ctypes, gc, json, sys
    from itertools import repeat
    import numpy as np
    import nncore as nn
    count = ctypes.CDLL(None).counted_allocations
    count.restype = ctypes.c_long
    probe = count()
    kept = [np.zeros(5000) for _ in range(100)]
    found = {"probe": count() - probe}
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((64000, 20)).astype("float32"), rng.standard_normal((64000, 3)).astype("float32")
    gc.collect(); gc.disable()

    def least(run, times=5):
        # the fewest allocations of several runs: what the interpreter does now and then is not in it
        values = []
        for _ in range(times):
            before = count()
            run()
            values.append(count() - before)
        return min(values)

    nets = {
        "small": ([20, 32, 32, 3], {}, 32),
        "online": ([20, 8, 3], {}, 1),
        "wide, dropout": ([20, nn.Dense(300, "gelu", dropout=0.2), nn.Dense(70, "tanh"), 3], {}, 32),
        "float64": ([20, 40, 3], {"dtype": "float64"}, 16),
        "threads": ([20, 200, 3], {}, 64),
    }
    for name, (layers, keywords, batch) in nets.items():
        # the same samples in 1000 steps and in 10: whatever the checks of the samples cost, it is in both
        data, target = X[:1000 * batch], y[:1000 * batch]
        def trained(size):
            net = nn.Network(layers, seed=0, **keywords)
            trainer = nn.Trainer(net, batch_size=size, threads=3 if name == "threads" else 1)
            fit = lambda: trainer.fit(data, target, epochs=1, progress=False)
            fit()  # the workspace is made, the order of samples has its room
            return least(fit)
        found["fit " + name] = [trained(100 * batch), trained(batch)]
        net = nn.Network(layers, seed=0, **keywords)
        ready, out = X[:300].astype(net.dtype), np.empty((300, 3), net.dtype)  # no more than are checked in one go
        net.predict(ready, out=out)
        found["predict " + name] = [least(lambda: net.predict(ready[:100], out=out[:100])), 
                                    least(lambda: net.predict(ready[:250], out=out[:250]))]

    predict = nn.Network([20, 32, 3], seed=0).freeze()
    x, out = X[0].copy(), np.empty(3, np.float32)
    rows, answers = X[:300].copy(), np.empty((300, 3), np.float32)
    def frozen(x, out, times):
        for _ in repeat(None, times):
            predict(x, out)
    frozen(x, out, 100), frozen(rows, answers, 10)
    found["frozen, one sample"] = [least(lambda: frozen(x, out, 10)), least(lambda: frozen(x, out, 10000))]
    found["frozen, many"] = [least(lambda: frozen(rows, answers, 10)), least(lambda: frozen(rows, answers, 300))]
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    if not sys.platform.startswith("linux") or not shutil.which("cc"):
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "shim.c", "-o", "shim.so", "-ldl"], check=True, cwd=folder)
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    # relative, for the loader splits a path at its spaces
    environment = {**os.environ, "LD_PRELOAD": "./shim.so", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": paths}
    if not WITHOUT_GIL:
        environment["PYTHONMALLOC"] = "malloc"
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_counter_counts(counts):
    assert counts["probe"] >= (100 if WITHOUT_GIL else 200)  # a hundred arrays: each an object and its data


def of_kind(counts, kind):
    found = {name: pair for name, pair in counts.items() if name.startswith(kind)}
    assert len(found) >= 2
    return found


def test_a_thousand_steps_allocate_no_more_than_ten(counts):
    for name, (few, many) in of_kind(counts, "fit ").items():
        # between stretches of some 20 ms the clock is read and signals are looked at: a few numbers each time, never
        # one per step
        assert many - few <= 100, name


def test_predictions_allocate_the_same_for_any_number_of_rows(counts):
    for name, (few, many) in of_kind(counts, "predict ").items():
        assert many <= few + 10, name  # 150 rows more; a few numbers that Python makes on the way differ


def test_a_frozen_predictor_with_out_allocates_nothing(counts):
    for name, (few, many) in of_kind(counts, "frozen, ").items():
        assert many == few <= 4, name  # what there is belongs to the loop around the calls
