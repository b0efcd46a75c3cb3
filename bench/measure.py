"""Rounds: every rival in its own pinned process, measured in turn, many short times, so that what disturbs the machine
disturbs all of them alike."""

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from . import rivals
from .workloads import TOY

ROOT = Path(__file__).resolve().parents[1]
THREAD_SETTINGS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NNCORE_NUM_THREADS"]


# ---- arguments of the command lines: types for argparse


def whole(text):
    """A whole number of 1 or more."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return value


def wholes(text):
    """Whole numbers of 1 or more, by commas."""
    return [whole(part.strip()) for part in text.split(",")]


def positive(text):
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def threads_here(text):
    """A whole number of threads, each of which can have a CPU of its own."""
    count, cpus = whole(text), len(usable_cpus())
    if count > cpus:
        raise argparse.ArgumentTypeError(f"must be at most {cpus}, the CPUs that this process may use, got {count}")
    return count


def rivals_by_name(text):
    """Names of rivals, by commas."""
    names = list(dict.fromkeys(part.strip() for part in text.split(",")))
    if unknown := [repr(name) for name in names if name not in rivals.RIVALS]:
        raise argparse.ArgumentTypeError(
            f"invalid choice: {', '.join(unknown)} (choose from {', '.join(rivals.RIVALS)})"
        )
    return names


def usable_cpus():
    """The CPUs that this process may use, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


# ---- measuring


class Rival:
    """A worker process; None takes the place of one that cannot take part (see `why_not`)."""

    def __init__(self, name, workload, threads, cpus, seconds):
        self.name, self.times, self.why_not = name, [], ""
        environment = {**os.environ, **dict.fromkeys(THREAD_SETTINGS, str(threads)), "TF_CPP_MIN_LOG_LEVEL": "3"}
        if threads == 1:
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {flags}".strip()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        answer = self.ask(do="prepare", rival=name, key=workload.key, threads=threads, cpus=cpus, seconds=seconds)
        self.about = answer or {}

    def ask(self, **words):
        try:
            self.process.stdin.write(json.dumps(words) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        errors = self.process.communicate()[1].strip().splitlines()
        self.why_not = errors[-1] if errors else f"ended with code {self.process.returncode}"
        return None

    def round(self):
        answer = None if self.why_not else self.ask(do="round")
        if answer:
            self.times.append(answer["seconds"])

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


def takes_part(name, workload):
    """Whether a rival's file has the function; whether its package is there shows when it is started."""
    text = (Path(rivals.__file__).parent / f"{name}.py").read_text()
    return f"def {({'train': 'training', 'predict': 'predicting'}).get(workload.table, 'single')}(" in text


def measure(workload, names, threads, rounds, seconds, say=print):
    """One row: {rival: {"median": s, "q1": s, "q3": s, "least": s, "rounds": n}} and what could not take part."""
    cpus = usable_cpus()[-threads:]
    crew, absent, versions = [], {}, {}
    for name in names:
        if not takes_part(name, workload):
            continue
        rival = Rival(name, workload, threads, cpus, seconds)
        if rival.why_not:
            absent[name] = rival.why_not
            rival.close()
        else:
            versions.update(rival.about["versions"])
            crew.append(rival)
    reasons = [f"  {name} does not take part: {why}" for name, why in absent.items()]
    if not crew:
        raise SystemExit("\n".join([f"{workload.key}: nothing to measure", *reasons]))
    for reason in reasons:
        say(reason)
    try:
        for turn in range(rounds):
            for rival in crew[turn % len(crew) :] + crew[: turn % len(crew)]:
                if threads > 1 and not TOY:
                    time.sleep(0.25)  # the last one's threads may spin a while
                rival.round()
    finally:
        for rival in crew:
            rival.close()
    results = {}
    for rival in crew:
        if len(rival.times) == rounds:
            q1, median, q3 = statistics.quantiles(rival.times, n=4) if rounds > 1 else rival.times * 3
            results[rival.name] = {"median": median, "q1": q1, "q3": q3, "least": min(rival.times), "rounds": rounds}
        else:
            absent[rival.name] = rival.why_not
            say(f"  {rival.name} dropped out: {rival.why_not}")
    row = {
        "key": workload.key,
        "table": workload.table,
        "net": workload.name,
        "hidden": workload.hidden,
        "output": workload.output,
        "one_hot": workload.one_hot,
        "batch": workload.batch,
        "target": workload.target,
        "results": results,
        "absent": absent,
    }
    return row, versions


def commit():
    """The commit that is measured, with a plus where files in src or csrc are not as it has them; None outside a repository."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=10", "--exclude=*"]
    try:
        name = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", "src", "csrc"]).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return name + "+" * (changed != 0)


def machine():
    """What the figures depend on: processor, instruction set, versions."""
    import nncore

    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        text = Path("/proc/cpuinfo").read_text()
        said = dict(reversed([re.split(r"\s*:\s*", line, maxsplit=1) for line in text.splitlines() if ":" in line]))
        model = said.get("model name", model)
        if "cpu family" in said:  # a virtual machine may hide the rest of the name
            model += f" (family {said['cpu family']}, model {said['model']})"
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "isa": nncore.isa(),
        "system": platform.system(),
        "arch": platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "commit": commit(),
    }
