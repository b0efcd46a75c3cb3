"""docs/performance.md from the records in bench/results. Nothing in that page is typed by hand."""

import json
from pathlib import Path

from .workloads import TABLES, WORKLOADS

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "bench" / "results", ROOT / "docs" / "performance.md"
LABELS = {
    "nncore_bfloat16": "nncore bfloat16",
    "nncore_int8": "nncore int8",
    "torch_compile": "torch.compile",
    "jax": "jax scan",
    "sklearn": "scikit-learn",
}


def shown(seconds):
    """A time in its own unit, three digits."""
    unit, size = next((row for row in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)) if seconds >= row[1]), ("ns", 1e-9))
    value = seconds / size
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}" if value >= 10 else f"{value:.2f} {unit}"


def best_rival(row):
    """(name, median) of the fastest that is not nncore, or None."""
    others = {name: found["median"] for name, found in row["results"].items() if not name.startswith("nncore")}
    return min(others.items(), key=lambda item: item[1]) if others else None


def operations(row):
    """Multiplications and additions of a step or call in the layers' products; the first layer needs no dX."""
    sizes = [int(size) for size in row["net"].split("-")]
    products = [a * b for a, b in zip(sizes, sizes[1:], strict=False)]
    rows = row["batch"]
    return 2 * rows * (3 * sum(products) - products[0] if row["table"] == "train" else sum(products))


def table_of(record, table, peak=None):
    """The lines of one table, a sentence for each row where nncore is not ahead, and whether each row reaches its goal. peak:
    operations a second of a core."""
    rows = [row for row in record["rows"] if row["table"] == table]
    order = {w.key: i for i, w in enumerate(WORKLOADS)}
    rows.sort(key=lambda row: order.get(row["key"], len(order)))
    names = [name for name in dict.fromkeys(n for row in rows for n in row["results"]) if name != "nncore"]
    names.sort(key=lambda name: not name.startswith("nncore"))
    lines = [
        "| net | "
        + ("batch | " if table == "train" else "")
        + "nncore | "
        + " | ".join(LABELS.get(n, n) for n in names)
        + " | nncore / best rival | goal |"
        + (" of the peak |" if peak else "")
    ]
    lines.append("|---" * (lines[0].count("|") - 1) + "|")
    behind, reached = [], []
    for row in rows:
        mine, best = row["results"].get("nncore"), best_rival(row)
        if mine is None or best is None:
            continue
        ratio = mine["median"] / best[1]
        reached.append(ratio <= row["target"])
        cells = [f"{row['net']} {row['hidden']}" + (" softmax" if row["output"] == "softmax" else "")]
        cells[0] += ", one-hot inputs" if row.get("one_hot") else ""
        cells += [str(row["batch"])] if table == "train" else []
        cells.append(f"**{shown(mine['median'])}** ± {shown((mine['q3'] - mine['q1']) / 2)}")
        for name in names:
            found = row["results"].get(name)
            cells.append(f"{shown(found['median'])} ± {shown((found['q3'] - found['q1']) / 2)}" if found else "")
        cells += [f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.3f}", f"{row['target']:g}"]
        if peak:  # with one-hot inputs most of the operations are left out
            cells.append("" if row.get("one_hot") else f"{operations(row) / mine['median'] / peak:.0%}")
        lines.append("| " + " | ".join(cells) + " |")
        if ratio >= 1:
            behind.append(
                f"{row['key'].split(' ', 1)[1]}: {LABELS.get(best[0], best[0])} takes {shown(best[1])}, "
                f"nncore {shown(mine['median'])} ({ratio:.2f} times as long)"
            )
    return lines, behind, reached


def section(name, record, peak=None):
    m = record["machine"]
    threads = (
        "one thread, pinned to one CPU"
        if record["threads"] == 1
        else f"{record['threads']} threads on {record['threads']} CPUs"
    )
    lines = [
        f"## {m['cpu']}, {m['isa']}, {threads}",
        "",
        f"{m['date']}; Python {m['python']}; "
        + ", ".join(f"{k} {v}" for k, v in sorted(record["versions"].items()))
        + ". "
        f"Record: `bench/results/{name}.json`" + (f", of commit {m['commit']}." if m.get("commit") else "."),
        "",
    ]
    if peak:
        lines += [
            f"Of the peak: the operations of the layers' products in nncore's time, as a share of {record['threads']} × "
            f"{peak / 1e9:.0f} GFLOP/s, the most {'one core' if record['threads'] == 1 else 'these cores'} can do. "
            "Activations, losses and the optimizer are not counted, but their time is.",
            "",
        ]
    for table, title in TABLES.items():
        if any(row["table"] == table for row in record["rows"]):
            found, behind, reached = table_of(record, table, peak and peak * record["threads"])
            goals = f"nncore reaches its goal in {sum(reached)} of {len(reached)} rows."
            lines += [f"### {title}", "", *found, ""]
            lines += [f"{goals} It is " + ("**not** ahead here:" if behind else "ahead in every row."), ""]
            lines += [*(f"- {sentence}" for sentence in behind), ""] if behind else []
    return lines


def write():
    """Write the page; returns its path."""
    lines = [
        "# Performance",
        "",
        "<!-- Written by `python -m bench --report` from the records in bench/results; do not edit. -->",
        "",
        "Every implementation gets the same weights, data and batches, in its best ordinary form (one file each in "
        "`bench/rivals`); its answer is checked against float64 before anything is timed. Each runs in its own "
        "process, pinned, and all are measured in turn in many short rounds; a figure is the median of the rounds ± "
        "half the distance between their quartiles. A training round starts from fresh weights. 'Goal' is the ratio the "
        "project aims for; it was set from measurements on an AVX-512 machine.",
        "",
        "All are called from Python, with arrays of numpy, or once bound to memory where the library can be "
        "(onnxruntime, openvino); nncore writes into an array that it is given. Inputs are normal random numbers, or "
        "one-hot where a row says so: ten categories of a hundred values each, whose zeros nncore leaves out. One "
        "sample is the same one again and again, so that weights are in the caches that hold them: of a small net the "
        "figure is mostly what a call costs. The columns of bfloat16 and int8 are nncore's plans with weights in half "
        "and a quarter of the bytes, where layers are large enough for that; they count neither as nncore nor as a "
        "rival. `python -m bench.latency` measures what these tables leave out: other ways to call, the slowest calls "
        "of many, and two threads on one Predictor.",
        "",
        "For some machines a grid of widths and batches follows, measured to find cliffs: sizes at which nncore is "
        "suddenly slow. A finding there is a time that is longer than numpy's, or more than a tenth longer than that of a "
        "net that is no narrower with a batch that is no smaller. All findings are listed.",
        "",
        "On your machine `python -m bench` measures the tables of one thread, with `--threads 2` those of two, and "
        "`python -m bench.grid` the grid; `python -m bench train 8-32-32-1 batch=32` measures one row. Each takes "
        "`--save NAME`, another name for each, to keep the record; `python -m bench --report` then writes this page.",
        "",
    ]
    found = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    peaks = {(r["machine"]["cpu"], r["machine"]["isa"]): r["peak"] for r in found.values() if r.get("kind") == "grid"}
    # the machine with the highest peak first, and its table on one thread before its others
    fastest = {name: peaks.get((r["machine"]["cpu"], r["machine"]["isa"]), 0) for name, r in found.items()}
    records = dict(sorted(found.items(), key=lambda item: (-fastest[item[0]], item[0])))
    for name, record in records.items():
        if record.get("kind") == "rivals":
            lines += section(name, record, peaks.get((record["machine"]["cpu"], record["machine"]["isa"])))
        elif record.get("kind") == "grid":
            from .grid import section as grid_section

            lines += grid_section(name, record)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    return PAGE
