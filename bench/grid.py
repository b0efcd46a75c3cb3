"""No cliff anywhere: a step of one wide layer pair over widths x batches, as a share of what the core can do at most.

    python -m bench.grid                     measure, print, and say where time does not grow with the work
    python -m bench.grid --save NAME         also keep bench/results/NAME.json and draw docs/images/NAME.svg
    python -m bench.grid --widths 64,65 --batches 32

Each cell is a net w-w-w (tanh, mse, Adam, float32, one thread): time of a forward pass (a frozen Predictor with out)
and of a whole training step (Trainer.fit), both from Python, with the numpy reference beside them. Operations counted:
2 per weight and sample forward, 6 in a step less the 2 of the first layer's unused input gradient; the optimizer's are
not counted. The peak is measured here, by bench/peak.c. A cell that looks too slow is looked at again, with the one that it is
compared to.
"""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from .measure import machine, positive, wholes
from .workloads import TOY

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NNCORE_NUM_THREADS"]
WIDTHS = [
    4,
    7,
    8,
    13,
    16,
    17,
    31,
    32,
    33,
    61,
    64,
    67,
    100,
    127,
    128,
    131,
    251,
    256,
    257,
    509,
    512,
    521,
    1021,
    1024,
    1031,
    2039,
    2048,
]
BATCHES = [1, 2, 5, 8, 16, 31, 32, 64, 127, 256, 1024]
LOOKS = 3  # more, at a cell that looks too slow
FLAGS = {
    "avx512": ["-DVBYTES=64", "-mavx512f"],
    "avx2": ["-DVBYTES=32", "-mavx2", "-mfma"],
    "neon": ["-DVBYTES=16"],
    "generic": ["-DVBYTES=16"],
}


def peak(isa):
    """Floating-point operations a second of this core in that ISA's vectors, float32; None without a compiler."""
    if not shutil.which("cc"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "peak.so"
        words = ["cc", "-O2", "-std=gnu11", "-ffp-contract=fast", "-w", "-shared", "-fPIC", *FLAGS[isa]]
        subprocess.run([*words, str(ROOT / "bench" / "peak.c"), "-o", str(library)], check=True)
        run = ctypes.CDLL(str(library)).nnc_peak
    run.restype, run.argtypes = ctypes.c_double, [ctypes.c_long, ctypes.POINTER(ctypes.c_float)]
    sink, rates = ctypes.c_float(0), []
    for _ in range(3 if TOY else 30):
        began = perf_counter()
        done = run(20_000 if TOY else 500_000, ctypes.byref(sink))
        rates.append(done / (perf_counter() - began))
    return max(rates)


def least(calls, seconds):
    """The shortest time of each call, of rounds in which all have their turn, each for about so many seconds in all: what the
    machine does besides comes to all of them."""
    counts, times = [], [[] for _ in calls]
    for call in calls:
        call()
        began = perf_counter()
        call()
        counts.append(max(1, int(seconds / 8 / max(perf_counter() - began, 1e-7))))
    for _ in range(8):
        for call, count, found in zip(calls, counts, times, strict=True):
            began = perf_counter()
            for _ in range(count):
                call()
            found.append((perf_counter() - began) / count)
    return [min(found) for found in times]


def cell(width, batch, seconds):
    import nncore as nn
    from nncore import reference

    sizes = [width] * 3
    net = nn.Network(sizes, hidden="tanh", seed=0)
    other = reference.Network(
        sizes, "tanh", "identity", [(layer.weight, layer.bias) for layer in net.layers], dtype="float32"
    )
    rng = np.random.RandomState(0)
    weights = 2 * width * width
    work = 2 * weights * batch, (6 * weights - 2 * width * width) * batch  # operations forward and in a step
    steps = max(1, min(64, 16384 // batch, int(4e9 / work[1])))  # in an epoch, so that a call is worth its overhead
    X, y = (rng.standard_normal((steps * batch, width)).astype("float32") for _ in range(2))
    x, t, out = X[:batch], y[:batch], np.empty((batch, width), np.float32)
    predict = net.freeze()
    got, want = predict(x), other.forward(x)
    assert np.abs(got - want).max() < 1e-3 * np.abs(want).max(), "wrong answer"
    trainer, adam = nn.Trainer(net, optimizer=nn.Adam(1e-4), batch_size=batch, threads=1), reference.Adam(1e-4)
    calls = {
        "forward": lambda: predict(x, out),
        "step": lambda: trainer.fit(X, y, epochs=1, shuffle=False, progress=False),
        "numpy forward": lambda: other.forward(x),
        "numpy step": lambda: other.step(x, t, adam),
    }
    found = dict(zip(calls, least(list(calls.values()), seconds), strict=True))
    found["step"] /= steps
    found["forward flops"], found["step flops"] = work
    return {"width": width, "batch": batch, **found}


def suspects(cells):
    """(part, cell, other): a time above numpy's (other is None), or above that of a cell with more work in both directions."""
    for c in cells:
        for part in ("forward", "step"):
            if c[part] > c[f"numpy {part}"]:
                yield part, c, None
            larger = [o for o in cells if o is not c and o["width"] >= c["width"] and o["batch"] >= c["batch"]]
            other = min(larger, key=lambda o: o[part], default=None)
            if other and c[part] > 1.1 * other[part]:
                yield part, c, other


def look_again(cells, seconds):
    """What looks too slow is measured again, and what it is compared with: a disturbance seldom comes to the same cell twice.
    The least times stand, numpy's too."""
    for c in {id(c): c for _, *pair in suspects(cells) for c in pair if c}.values():
        found = cell(c["width"], c["batch"], seconds)
        for name in ("forward", "step", "numpy forward", "numpy step"):
            c[name] = min(c[name], found[name])


def complaints(cells):
    """The suspects in sentences."""
    for part, c, other in suspects(cells):
        place, time = f"{part} at width {c['width']}, batch {c['batch']}", c[part] * 1e6
        if other:
            than = f"but at width {other['width']}, batch {other['batch']} {other[part] * 1e6:.1f}"
            yield f"{place} takes {time:.1f} µs, {than}"
        else:
            yield f"{place}: {time:.1f} µs, numpy {c[f'numpy {part}'] * 1e6:.1f} µs"


def picture(record, path):
    """Both shares of the peak as coloured tables."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "nncore", "font.size": 8})
    from matplotlib import pyplot

    widths, batches = (sorted({c[key] for c in record["cells"]}) for key in ("width", "batch"))
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 1.2 + 0.26 * len(widths)), layout="constrained", sharey=True)
    for axis, part in zip(axes, ("forward", "step"), strict=True):
        share = np.full((len(widths), len(batches)), np.nan)
        for c in record["cells"]:
            share[widths.index(c["width"]), batches.index(c["batch"])] = (
                c[f"{part} flops"] / c[part] / record["peak"] * 100
            )
        axis.imshow(share, cmap="viridis", vmin=0, vmax=100, aspect="auto")
        for (i, j), value in np.ndenumerate(share):
            axis.text(j, i, f"{value:.0f}", ha="center", va="center", color="white" if value < 60 else "black")
        axis.set_xticks(range(len(batches)), batches)
        axis.set_yticks(range(len(widths)), widths)
        axis.set(title={"forward": "forward pass", "step": "whole training step (Adam)"}[part], xlabel="batch")
    axes[0].set_ylabel("width (net: width-width-width)")
    figure.suptitle(
        f"Share of one core's FMA peak in % ({record['peak'] / 1e9:.0f} GFLOP/s, {record['machine']['isa']}, "
        f"{record['machine']['cpu']})"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def section(name, record):
    """Lines of docs/performance.md for a record of this grid."""
    m, cells = record["machine"], record["cells"]
    wide = [c for c in cells if c["width"] == 1024 and c["batch"] >= 256]
    lines = [
        f"## Widths and batches: {m['cpu']}, {m['isa']}",
        "",
        f"{m['date']}. FMA peak of one core, measured: {record['peak'] / 1e9:.0f} GFLOP/s float32. A cell is a net "
        "width-width-width, tanh, Adam, one thread; numbers are percent of the peak, the optimizer's operations not "
        f"counted. Record: `bench/results/{name}.json`; `python -m bench.grid` measures it again.",
        "",
        f"![share of the peak over widths and batches](images/{name}.svg)",
        "",
    ]
    for part in ("forward", "step"):
        shares = [c[f"{part} flops"] / c[part] / record["peak"] for c in wide]
        if shares:
            lines.append(
                f"- {part} at width 1024, batch 256 and more: {min(shares):.0%} to {max(shares):.0%} of the peak"
            )
    words = list(complaints(cells))
    lines += [
        f"- {len(words)} of {2 * len(cells)} times are slower than they should be:"
        if words
        else "- no cell is slower than numpy, or than one with more work"
    ]
    return [*lines, *(f"  - {sentence}" for sentence in words), ""]


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.grid", description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=wholes, default=[4, 13, 64] if TOY else WIDTHS, help="by commas")
    parser.add_argument("--batches", type=wholes, default=[1, 8] if TOY else BATCHES, help="by commas")
    parser.add_argument(
        "--seconds", type=positive, default=0.002 if TOY else 0.1, help="about how long each time is taken for"
    )
    parser.add_argument("--save", metavar="NAME")
    options = parser.parse_args()
    if options.save and not shutil.which("cc"):
        parser.error("--save needs a C compiler (cc), for the peak that times are a share of")
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):  # BLAS reads them when numpy is imported: begin anew
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        os.execv(sys.executable, [sys.executable, "-m", "bench.grid", *sys.argv[1:]])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])

    about = machine()
    record = {"kind": "grid", "machine": about, "peak": peak(about["isa"]), "cells": []}
    print(f"peak {record['peak'] / 1e9:.0f} GFLOP/s" if record["peak"] else "no compiler: no peak")
    for width in options.widths:
        for batch in options.batches:
            c = cell(width, batch, options.seconds)
            record["cells"].append(c)
            share = [c[f"{part} flops"] / c[part] / (record["peak"] or np.nan) for part in ("forward", "step")]
            line = f"width {width:5} batch {batch:5}"
            for part, part_share in zip(("forward", "step"), share, strict=True):
                times = c[f"numpy {part}"] / c[part]
                line += f"   {part} {c[part] * 1e6:10.2f} µs {part_share:4.0%}  numpy x{times:6.2f}"
            print(line, flush=True)
    for _ in range(LOOKS):
        look_again(record["cells"], options.seconds)
    print(*complaints(record["cells"]), sep="\n")
    if options.save:
        path = ROOT / "bench" / "results" / f"{options.save}.json"
        path.parent.mkdir(exist_ok=True)
        if path.exists():  # cells that were measured now replace those of the same place
            fresh = {(c["width"], c["batch"]) for c in record["cells"]}
            before = json.loads(path.read_text())["cells"]
            record["cells"] += [c for c in before if (c["width"], c["batch"]) not in fresh]
            record["cells"].sort(key=lambda c: (c["width"], c["batch"]))
        path.write_text(json.dumps(record) + "\n")
        picture(record, ROOT / "docs" / "images" / f"{options.save}.svg")


if __name__ == "__main__":
    main()
