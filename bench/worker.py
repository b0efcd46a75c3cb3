"""One rival at one workload, in a process of its own: told what to do by lines of JSON, answers with lines of JSON.

{"do": "prepare", ...}   -> {"versions": ..., "unit": steps or calls in one repetition,
                             "repeat": repetitions in a round}
{"do": "round"}          -> {"seconds": of one step or call}
"""

import json
import os
import sys
import timeit
from time import perf_counter

LIMITS = {
    "train": 2e-3,
    "predict": 1e-4,
    "single": 1e-4,
}  # of the largest number: how far an answer may be from float64's


def pin(cpus):
    """To these CPUs, before a library counts them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


class Work:
    """A prepared and checked rival."""

    def __init__(self, rival, key, threads, seconds):
        import numpy as np

        from . import rivals
        from .workloads import WORKLOADS, problem

        self.workload = next(w for w in WORKLOADS if w.key == key)
        self.module = rivals.load(rival)
        self.problem = problem(self.workload)
        if self.workload.table == "train":
            self.training = self.module.training(self.problem, threads)
            self.check_training(np, rivals)
            self.unit = -(-len(self.problem.X) // self.workload.batch)
        else:
            make = self.module.predicting if self.workload.table == "predict" else self.module.single
            statement, self.namespace = make(self.problem, threads)
            self.timer = timeit.Timer(statement, globals=self.namespace)
            self.check_answer(np, rivals)
            self.unit = 1
        self.repeat = 1
        while (spent := self.once()) < seconds / 4 and self.repeat < 1 << 24:
            self.repeat *= 2 if spent > seconds / 64 else 8
        self.repeat = max(1, round(self.repeat * seconds / max(spent, 1e-9)))

    def once(self):
        """Seconds for `repeat` repetitions."""
        if self.workload.table != "train":
            return self.timer.timeit(self.repeat)
        self.training.reset()  # every round trains the same stretch, from the same weights
        began = perf_counter()
        self.training.run(self.repeat)
        return perf_counter() - began

    def check_training(self, np, rivals):
        """The weights after a few steps in a given order are those of the float64 reference."""
        order = self.problem.order[: 4 * self.workload.batch]
        reference = rivals.load(rivals.RIVALS[0]).training(self.problem, 1, "float64")
        for one in (reference, self.training):
            one.reset()
            one.steps(order)
        for (W, b), (want_W, want_b), (first_W, first_b) in zip(
            self.training.weights(), reference.weights(), self.problem.weights, strict=True
        ):
            for got, want, first in ((W, want_W, first_W), (b, want_b, first_b)):
                moved = np.abs(want - first).max()
                # Adam's first steps are signs of gradients: a gradient near zero may go either way, most may not
                error = np.abs(np.asarray(got, np.float64) - want)
                if not moved > 0 or np.quantile(error, 0.99) > 0.02 * moved or error.mean() > 0.01 * moved:
                    raise SystemExit(f"wrong weights after 4 steps: mean error {error.mean():.3g}, moved {moved:.3g}")

    def check_answer(self, np, rivals):
        reference = rivals.load(rivals.RIVALS[0])
        make = reference.predicting if self.workload.table == "predict" else reference.single
        want = make(self.problem, 1, "float64")[1]["answer"]()
        self.timer.timeit(1)
        got = np.asarray(self.namespace["answer"](), np.float64).reshape(want.shape)
        error = np.abs(got - want).max() / np.abs(want).max()
        if not error < getattr(self.module, "LIMIT", LIMITS[self.workload.table]):
            raise SystemExit(f"wrong answer: largest error {error:.3g} of the largest number")


def main():
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    work = None
    for line in sys.stdin:
        words = json.loads(line)
        if words["do"] == "prepare":
            pin(words["cpus"])
            work = Work(words["rival"], words["key"], words["threads"], words["seconds"])
            answer = {"versions": work.module.versions(), "unit": work.unit, "repeat": work.repeat}
        else:
            answer = {"seconds": work.once() / work.repeat / work.unit}
        channel.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
