"""scikit-learn's MLP: timed by fit, which is its fastest loop; checked by partial_fit, to which an order can be
given."""

import warnings

import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

from ..workloads import LEARNING_RATE


def versions():
    return {"scikit-learn": sklearn.__version__}


class Training:
    def __init__(self, problem, threads):
        self.problem = problem
        self.y = problem.y.ravel() if problem.y.ndim == 2 and problem.y.shape[1] == 1 else problem.y
        self.reset()

    def reset(self):
        w = self.problem.workload
        kind = MLPClassifier if w.output == "softmax" else MLPRegressor
        self.net = kind(
            hidden_layer_sizes=w.sizes[1:-1],
            activation=w.hidden,
            alpha=0,
            batch_size=min(w.batch, len(self.problem.X)),
            random_state=0,
            learning_rate_init=LEARNING_RATE,
            tol=0,
            n_iter_no_change=10**9,
        )
        self.classes = {"classes": range(w.sizes[-1])} if w.output == "softmax" else {}
        self.net.partial_fit(self.problem.X[: w.batch], self.y[: w.batch], **self.classes)
        for mine, theirs in zip(
            self.net.coefs_ + self.net.intercepts_,
            [W for W, _ in self.problem.weights] + [b for _, b in self.problem.weights],
            strict=True,
        ):
            mine[...] = theirs
        self.net._optimizer = AdamOptimizer(self.net.coefs_ + self.net.intercepts_, LEARNING_RATE)

    def steps(self, order):
        batch = self.problem.workload.batch
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            self.net.partial_fit(self.problem.X[part], self.y[part], **self.classes)

    def run(self, epochs):
        self.net.max_iter, self.net.warm_start = epochs, True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that max_iter was reached is what is asked for
            self.net.fit(self.problem.X, self.y)

    def weights(self):
        return list(zip(self.net.coefs_, self.net.intercepts_, strict=True))


def training(problem, threads):
    return Training(problem, threads)
