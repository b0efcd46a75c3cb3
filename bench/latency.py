"""python -m bench.latency: one sample at a time, closer than the table of rivals does.

Per network: nanoseconds of a call with out, of one without, of `Network.predict`, of the call from C, of the exported
C file (where there is a compiler), and of an empty call beside them; then the tails over many single calls, again
beside an empty call, so that what the machine does by itself is seen; weights in half and a quarter of the bytes; and
two threads on one Predictor, beside two in C that never meet, which is what the machine has to give. Medians of many
short rounds that take turns, each after a few calls that do not count, which bring its weights back into the caches;
pin it to a CPU (taskset -c 0) except for the threads.
"""

import argparse
import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import timeit
from time import perf_counter, perf_counter_ns

import numpy as np

import nncore as nn

from .measure import usable_cpus, whole

NETS = [
    ([8, 16, 1], "tanh"),
    ([17, 64, 64, 6], "tanh"),
    ([64, 128, 64, 1], "relu"),
    ([784, 256, 10], "relu"),
    ([784, 1024, 1024, 10], "relu"),
    ([256, 384, 384, 128], "relu"),
]
TIMER = """
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
double plan(void (*f)(const void *, const void *, void *, void *), const void *p, const void *x, void *out, long n) {
    const double began = now();
    for (long i = 0; i < n; i++) f(p, x, out, 0);
    return (now() - began) / n;
}
double plain(void (*f)(const void *, void *), const void *x, void *out, long n) {
    const double began = now();
    for (long i = 0; i < n; i++) f(x, out);
    return (now() - began) / n;
}
"""


def compiled(folder, net=None):
    """A library with the timer's loops, and the network's exported C if one is given; None without a compiler."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        return None
    source, target = os.path.join(folder, "net.c"), tempfile.mktemp(suffix=".so", dir=folder)
    if net is None:
        with open(source, "w") as file:
            file.write("#define _POSIX_C_SOURCE 199309L\n" + TIMER)
    else:
        net.export_c(source)
    subprocess.run(
        [*compiler, "-std=c99", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", target], check=True
    )
    return ctypes.CDLL(target)


def pointers(*arrays):
    return [ctypes.c_void_p(array.ctypes.data) for array in arrays]


def ways_of(net, x, loops, folder):
    """{name: nanoseconds of a call, given how many to make}"""
    predict, out = net.freeze(), np.empty(net.outputs, np.float32)
    names = {"predict": predict, "net": net, "x": x, "out": out, "empty": _Empty()}
    statements = {
        "empty": "empty(x, out)",
        "call": "predict(x, out)",
        "no out": "predict(x)",
        "network": "net.predict(x)",
    }
    ways = {name: _timed(statement, names) for name, statement in statements.items()}
    for storage in ("bfloat16", "int8"):
        ways[storage] = _timed("predict(x, out)", {**names, "predict": net.freeze(storage)})
    if loops is not None:
        function, plan, *_ = predict.ctypes
        ends = pointers(x, out)
        ways["C"] = lambda n: loops.plan(ctypes.c_void_p(function), ctypes.c_void_p(plan), *ends, ctypes.c_long(n))
        exported = compiled(folder, net)
        ways["exported"] = lambda n: loops.plain(exported.net_predict, *ends, ctypes.c_long(n))
    ways["keep"] = (predict, x, out)
    return ways


class _Empty:
    """What a call of an object with two arguments costs by itself."""

    def __call__(self, x, out):
        pass


def _timed(statement, names):
    timer = timeit.Timer(statement, globals=names)
    return lambda n: timer.timeit(n) / n * 1e9


def latency(sizes, hidden, rounds, folder, loops):
    net = nn.Network(sizes, hidden=hidden, seed=0)
    x = np.random.default_rng(0).normal(size=sizes[0]).astype(np.float32)
    ways = ways_of(net, x, loops, folder)
    ways.pop("keep")
    calls = max(5, min(2000, int(2e6 / (sum(a * b for a, b in zip(sizes, sizes[1:], strict=False)) + 500))))
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way(3 + calls // 10)
            found[name].append(way(calls))
    return {name: float(np.median(values)) for name, values in found.items()}


def tail(sizes, hidden, storage, calls):
    """Median, p99 and p99.9 of single calls, and of empty calls between them."""
    predict = nn.Network(sizes, hidden=hidden, seed=0).freeze(storage)
    x = np.random.default_rng(0).normal(size=sizes[0]).astype(np.float32)
    out, empty = np.empty(sizes[-1], np.float32), _Empty()
    times = np.empty((2, calls))
    for i in range(calls):
        a = perf_counter_ns()
        predict(x, out)
        b = perf_counter_ns()
        empty(x, out)
        times[0, i], times[1, i] = b - a, perf_counter_ns() - b
    return [[float(q) for q in np.quantile(row, [0.5, 0.99, 0.999])] for row in times]


def two_threads_in_c(sizes, loops, calls):
    """The same without Python in the way: two threads in loops of C on one plan."""
    predict = nn.Network(sizes, seed=0).freeze()
    function, plan, *_ = predict.ctypes
    x = np.random.default_rng(0).normal(size=sizes[0]).astype(np.float32)
    speeds = [0.0, 0.0]

    def work(i):
        out = np.empty(sizes[-1], np.float32)
        ends = [ctypes.c_void_p(function), ctypes.c_void_p(plan), *pointers(x, out)]
        speeds[i] = 1 / loops.plan(*ends, ctypes.c_long(calls))

    def together():
        team = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
        return sum(speeds)

    def alone():
        work(0)
        return speeds[0]

    return float(np.median([together() / alone() for _ in range(7)]))


def two_threads(sizes, seconds):
    """Calls per second of two threads on one Predictor over those of one."""
    predict = nn.Network(sizes, seed=0).freeze()
    x = np.random.default_rng(0).normal(size=sizes[0]).astype(np.float32)

    def calls_of(threads):
        counts, go = [0] * threads, threading.Barrier(threads)

        def work(i):
            out, count = np.empty(sizes[-1], np.float32), 0
            go.wait()
            end = perf_counter() + seconds
            while perf_counter() < end:
                for _ in range(20):
                    predict(x, out)
                count += 20
            counts[i] = count

        team = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
        return sum(counts) / seconds

    return float(np.median([calls_of(2) / calls_of(1) for _ in range(7)]))


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description="One sample at a time.")
    parser.add_argument("--rounds", type=whole, default=31, help="of each way to call (default: %(default)s)")
    parser.add_argument("--calls", type=whole, default=1_000_000, help="of the tail (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        loops = compiled(folder)
        if loops is not None:
            loops.plan.restype = loops.plain.restype = ctypes.c_double
        for sizes, hidden in NETS:
            found = latency(sizes, hidden, options.rounds, folder, loops)
            print(
                f"{'-'.join(map(str, sizes)):17} {hidden}: "
                + ", ".join(f"{name} {ns:,.0f}" for name, ns in found.items())
                + " ns"
            )
    for sizes, hidden, storage, calls in (
        ([17, 64, 64, 6], "tanh", "float32", options.calls),
        ([256, 384, 384, 128], "relu", "bfloat16", max(1, options.calls // 10)),
        ([256, 384, 384, 128], "relu", "int8", max(1, options.calls // 10)),
    ):
        (median, p99, p999), (nothing, _, nothing999) = tail(sizes, hidden, storage, calls)
        print(
            f"tail of {'-'.join(map(str, sizes))} {storage} over {calls:,} calls: median {median:,.0f}, p99 {p99:,.0f}, "
            f"p99.9 {p999:,.0f} ns ({p999 / median:.2f} times); an empty call: {nothing:.0f}, {nothing999:.0f} ns"
        )
    if len(usable_cpus()) > 1:
        ours = two_threads([784, 256, 10], 0.3)
        machine = f"; in C: {two_threads_in_c([784, 256, 10], loops, 20_000):.2f}" if loops else ""
        print(f"two threads on one Predictor of 784-256-10: {ours:.2f} times the calls of one{machine}")


if __name__ == "__main__":
    main()
