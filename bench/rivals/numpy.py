"""The plain numpy network of nncore.reference: one matrix product per layer and direction, elementwise work in
place."""

import numpy as np

from nncore import reference

from ..workloads import LEARNING_RATE


def versions():
    return {"numpy": np.__version__}


def network(problem, dtype="float32"):
    w = problem.workload
    return reference.Network(list(w.sizes), w.hidden, w.output, problem.weights, dtype=dtype)


class Training:
    def __init__(self, problem, dtype):
        self.problem, self.dtype = problem, dtype
        y = problem.y
        self.X = problem.X.astype(dtype)
        self.y = np.eye(problem.workload.sizes[-1], dtype=dtype)[y] if y.ndim == 1 else y.astype(dtype)
        self.rng = np.random.RandomState(0)
        self.reset()

    def reset(self):
        self.net = network(self.problem, self.dtype)
        self.adam = reference.Adam(LEARNING_RATE)

    def steps(self, order):
        batch, X, y, net, adam = self.problem.workload.batch, self.X, self.y, self.net, self.adam
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            net.step(X[part], y[part], adam)

    def run(self, epochs):
        for _ in range(epochs):
            self.steps(self.rng.permutation(len(self.X)))

    def weights(self):
        return self.net.weights


def training(problem, threads, dtype="float32"):
    return Training(problem, dtype)


def predicting(problem, threads, dtype="float32"):
    net, X = network(problem, dtype), problem.X.astype(dtype)
    return "predict(X)", {"predict": net.predict, "X": X, "answer": lambda: net.predict(X)}


def single(problem, threads, dtype="float32"):
    net, x = network(problem, dtype), problem.X[:1].astype(dtype)
    return "predict(x)", {"predict": net.predict, "x": x, "answer": lambda: net.predict(x)}
