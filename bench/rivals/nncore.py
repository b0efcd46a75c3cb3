"""nncore: Trainer.fit, and the frozen Predictor, as the other libraries' sessions and compiled functions are frozen."""

import numpy as np

import nncore

from ..workloads import LEARNING_RATE


def versions():
    return {"nncore": nncore.__version__}


def network(problem):
    w = problem.workload
    net = nncore.Network(list(w.sizes), hidden=w.hidden, output=w.output, seed=0)
    for layer, (W, b) in zip(net.layers, problem.weights, strict=True):
        layer.weight, layer.bias = W, b
    return net


class Training:
    def __init__(self, problem, threads):
        self.problem, self.threads = problem, threads
        self.reset()

    def reset(self):
        self.net = network(self.problem)
        # with more than one CPU the default decides how many threads pay, as a user would have it
        self.trainer = nncore.Trainer(
            self.net,
            optimizer=nncore.Adam(LEARNING_RATE),
            batch_size=self.problem.workload.batch,
            threads=1 if self.threads == 1 else None,
        )

    def steps(self, order):
        self.trainer.fit(self.problem.X[order], self.problem.y[order], epochs=1, shuffle=False, progress=False)

    def run(self, epochs):
        self.trainer.fit(self.problem.X, self.problem.y, epochs=epochs, progress=False)

    def weights(self):
        return [(layer.weight, layer.bias) for layer in self.net.layers]


def training(problem, threads):
    return Training(problem, threads)


def frozen(problem, X, storage="float32"):
    """A Predictor that answers X in place. storage: of the weights; SystemExit where no layer is stored so."""
    predict = network(problem).freeze(storage)
    if storage != "float32" and not predict.report.small_layers:
        raise SystemExit(f"its layers are too small to be stored as {storage}")
    out = np.empty((*X.shape[:-1], predict.outputs), np.float32)
    return "predict(X, out)", {"predict": predict, "X": np.ascontiguousarray(X), "out": out, "answer": lambda: out}


def predicting(problem, threads):
    return frozen(problem, problem.X)


def single(problem, threads):
    return frozen(problem, problem.X[0])
