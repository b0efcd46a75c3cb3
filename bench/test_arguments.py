"""The command lines: what is refused, and in what words; what is said of a rival that cannot take part."""

import sys

import pytest

from . import __main__ as bench
from . import grid, latency, measure
from .workloads import WORKLOADS

WHOLE = "must be a whole number of 1 or more, got "


@pytest.mark.parametrize(
    ("module", "words", "message"),
    [
        (bench, ["--rounds", "0"], f"--rounds: {WHOLE}'0'"),
        (bench, ["--threads", "0"], f"--threads: {WHOLE}'0'"),
        (bench, ["--threads", "1000000"], "--threads: must be at most "),
        (bench, ["--seconds", "-1"], "--seconds: must be a number above 0, got '-1'"),
        (bench, ["--seconds", "nan"], "--seconds: must be a number above 0, got 'nan'"),
        (bench, ["--rivals", "numpy,zzz"], "--rivals: invalid choice: 'zzz' (choose from numpy, nncore, "),
        (latency, ["--rounds", "0"], f"--rounds: {WHOLE}'0'"),
        (latency, ["--calls", "x"], f"--calls: {WHOLE}'x'"),
        (grid, ["--widths", "x"], f"--widths: {WHOLE}'x'"),
        (grid, ["--batches", "1,0"], f"--batches: {WHOLE}'0'"),
        (grid, ["--seconds", "0"], "--seconds: must be a number above 0, got '0'"),
    ],
)
def test_a_wrong_argument_is_refused(module, words, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 2 and f"error: argument {message}" in capsys.readouterr().err


def test_lists_may_have_blanks():
    assert measure.rivals_by_name("numpy, nncore,numpy") == ["numpy", "nncore"]
    assert measure.wholes("4, 8") == [4, 8]


class Made:
    """In place of a worker process: numpy takes part, nncore ends in its second round, others do not start."""

    def __init__(self, name, *rest):
        self.name, self.times, self.about = name, [], {"versions": {}}
        self.why_not = "" if name in ("numpy", "nncore") else f"no {name} here"

    def round(self):
        if self.name == "nncore" and self.times:
            self.why_not = "killed"
        else:
            self.times.append(1.0)

    def close(self):
        pass


def test_who_does_not_take_part_is_said_with_the_reason(monkeypatch):
    monkeypatch.setattr(measure, "Rival", Made)
    said = []
    row, _ = measure.measure(WORKLOADS[0], ["numpy", "nncore", "jax"], 1, 3, 0.1, said.append)
    assert said == ["  jax does not take part: no jax here", "  nncore dropped out: killed"]
    assert list(row["results"]) == ["numpy"] and row["absent"] == {"jax": "no jax here", "nncore": "killed"}
    with pytest.raises(SystemExit, match="nothing to measure\n  jax does not take part: no jax here$"):
        measure.measure(WORKLOADS[0], ["jax"], 1, 3, 0.1, said.append)
    assert len(said) == 2
