"""nncore with the weights stored as bfloat16, in half of the bytes: figures beside nncore's own, no rival of it."""

from .nncore import frozen, versions

__all__ = ["LIMIT", "predicting", "single", "versions"]

LIMIT = 0.02  # of the largest number: how far an answer may be from float64's


def predicting(problem, threads):
    return frozen(problem, problem.X, "bfloat16")


def single(problem, threads):
    return frozen(problem, problem.X[0], "bfloat16")
