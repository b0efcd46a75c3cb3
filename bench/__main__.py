"""python -m bench: nncore beside its rivals. See --help and bench/__init__.py."""

import argparse
import json
import re

from . import report
from .measure import machine, measure, positive, rivals_by_name, takes_part, threads_here, whole
from .rivals import RIVALS
from .workloads import TOY, chosen


def arguments():
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure nncore beside its rivals.")
    parser.add_argument(
        "rows", nargs="*", help="which: train, predict, single; a net as 8-32-32-1; batch=32; all if left out"
    )
    parser.add_argument(
        "--rivals", type=rivals_by_name, default=",".join(RIVALS), help="names by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=threads_here, default=1, help="CPUs to pin to and threads to allow (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=whole, default=2 if TOY else 21, help="rounds per row (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=positive, default=0.002 if TOY else 0.1, help="length of a round (default: %(default)s)"
    )
    parser.add_argument(
        "--save", metavar="NAME", help="keep the record as bench/results/NAME.json; rows there are replaced"
    )
    parser.add_argument(
        "--report", action="store_true", help="write docs/performance.md from the records, measure nothing"
    )
    return parser.parse_args()


def show(row):
    results = row["results"]
    best = report.best_rival(row)
    print(f"{row['key']}  ({row['hidden']}, {row['output']})")
    for name, found in sorted(results.items(), key=lambda item: item[1]["median"]):
        spread = (found["q3"] - found["q1"]) / 2
        ratio = "" if best is None else f"{found['median'] / best[1]:7.3f}"
        print(
            f"  {report.LABELS.get(name, name):15} {report.shown(found['median']):>9} ± {report.shown(spread):9}{ratio}"
            f"   least {report.shown(found['least']):>9}"
        )
    if best is not None and "nncore" in results:
        ratio = results["nncore"]["median"] / best[1]
        verdict = "reached" if ratio <= row["target"] else "NOT reached"
        print(f"  nncore / best rival {ratio:.3f}, goal {row['target']:g}: {verdict}")


def save(name, record):
    path = report.RESULTS / f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.json"
    path.parent.mkdir(exist_ok=True)
    if path.exists():  # rows that were measured now replace those of the same name
        before = json.loads(path.read_text())
        fresh = {row["key"] for row in record["rows"]}
        record["rows"] = [row for row in before["rows"] if row["key"] not in fresh] + record["rows"]
        record["versions"] = {**before["versions"], **record["versions"]}
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"kept as {path.relative_to(report.ROOT)}")


def main():
    options = arguments()
    if options.report:
        print(report.write())
        return
    rows, versions = [], {}
    names = options.rivals
    for workload in chosen(options.rows):
        if not any(takes_part(name, workload) for name in names):
            print(f"{workload.key}: not a thing that {', '.join(names)} can do")
            continue
        row, found = measure(workload, names, options.threads, options.rounds, options.seconds)
        versions.update(found)
        rows.append(row)
        show(row)
    if options.save:
        record = {
            "kind": "rivals",
            "machine": machine(),
            "threads": options.threads,
            "seconds": options.seconds,
            "versions": versions,
            "rows": rows,
        }
        save(options.save, record)


if __name__ == "__main__":
    main()
