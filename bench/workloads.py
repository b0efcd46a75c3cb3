"""What is measured: one row per workload, and the data that belongs to it.

To add one: a row. Every rival and the report take it up by themselves.
"""

import os
from typing import NamedTuple

import numpy as np

LEARNING_RATE = 1e-3
TOY = os.environ.get("NNCORE_BENCH_TOY") == "1"


class Workload(NamedTuple):
    """One row of a table. `target` is nncore's time over the best rival's that the project has set itself."""

    table: str  # train, predict (many rows in a call) or single (one sample in a call)
    sizes: tuple
    hidden: str
    output: str
    batch: int  # rows of a step or of a call
    samples: int  # in an epoch (train)
    target: float
    one_hot: int = 0  # categories that the inputs are, one 1 for each and else zeros; 0: normal numbers

    @property
    def name(self):
        return "-".join(map(str, self.sizes))

    @property
    def key(self):
        """How a row is named on the command line and in records."""
        return f"{self.table} {self.name}" + (f" batch {self.batch}" if self.table == "train" else "")

    @property
    def loss(self):
        return "cross_entropy" if self.output == "softmax" else "mse"


TRAIN = [
    Workload("train", (2, 8, 1), "tanh", "identity", 4, 4000, 0.10),
    Workload("train", (8, 32, 32, 1), "tanh", "identity", 1, 2000, 0.35),
    Workload("train", (8, 32, 32, 1), "tanh", "identity", 32, 16000, 0.20),
    Workload("train", (64, 128, 64, 1), "relu", "identity", 64, 12800, 0.60),
    Workload("train", (64, 100, 10), "relu", "softmax", 200, 10000, 0.35),
    Workload("train", (784, 128, 10), "relu", "softmax", 32, 3200, 0.65),
    Workload("train", (784, 512, 256, 10), "relu", "softmax", 128, 2560, 0.80),
    Workload("train", (1024, 1024, 1024, 10), "relu", "softmax", 256, 1280, 0.85),
    Workload("train", (1000, 100, 10), "relu", "softmax", 64, 3200, 0.50, one_hot=10),
]
PREDICT = [
    Workload("predict", (8, 16, 1), "tanh", "identity", 1000, 0, 0.5),
    Workload("predict", (17, 64, 64, 6), "tanh", "identity", 1000, 0, 0.8),
    Workload("predict", (64, 128, 64, 1), "relu", "identity", 1000, 0, 0.8),
    Workload("predict", (784, 256, 10), "relu", "softmax", 1000, 0, 0.75),
    Workload("predict", (784, 1024, 1024, 10), "relu", "softmax", 1000, 0, 0.85),
    Workload("predict", (1000, 100, 10), "relu", "softmax", 1000, 0, 0.25, one_hot=10),
]
SINGLE = [
    Workload("single", (8, 16, 1), "tanh", "identity", 1, 0, 0.04),
    Workload("single", (17, 64, 64, 6), "tanh", "identity", 1, 0, 0.045),
    Workload("single", (64, 128, 64, 1), "relu", "identity", 1, 0, 0.11),
    Workload("single", (784, 256, 10), "relu", "softmax", 1, 0, 0.48),
    Workload("single", (784, 1024, 1024, 10), "relu", "softmax", 1, 0, 1.0),
]
WORKLOADS = TRAIN + PREDICT + SINGLE
TABLES = {
    "train": "Training, time per step: Adam, float32, shuffled minibatches",
    "predict": "Prediction of 1,000 rows in a call",
    "single": "Prediction of one sample in a call",
}


def chosen(words):
    """The workloads that the words of the command line name: tables, nets ("8-32-32-1"), batches ("batch=32"); all if
    none."""
    tables = [word for word in words if word in TABLES]
    nets = [word for word in words if "-" in word]
    batches = [word[6:] for word in words if word.startswith("batch=")]
    strange = [word for word in words if word not in tables and word not in nets and not word.startswith("batch=")]
    found = [
        w
        for w in WORKLOADS
        if (not tables or w.table in tables)
        and (not nets or w.name in nets)
        and (not batches or str(w.batch) in batches)
    ]
    if strange or not found:
        raise SystemExit(f"no such workload: {' '.join(words)}\nthere are:\n  " + "\n  ".join(w.key for w in WORKLOADS))
    return found


class Problem(NamedTuple):
    """A workload with its data: what a rival is given."""

    workload: Workload
    weights: list  # (W, b) of each layer, float32
    X: np.ndarray
    y: np.ndarray  # (n, outputs) float32, or labels (n,) int64
    order: np.ndarray  # of samples, for the check


def problem(workload):
    """First weights as `he` or `glorot` draws them (a little bias, so that a forgotten one shows), and noisy targets that no net
    fits."""
    rng = np.random.RandomState(0)
    weights = []
    for fan_in, fan_out in zip(workload.sizes, workload.sizes[1:], strict=False):
        limit = np.sqrt(6 / fan_in if workload.hidden == "relu" else 6 / (fan_in + fan_out))
        weights.append(
            (
                rng.uniform(-limit, limit, (fan_in, fan_out)).astype("float32"),
                rng.uniform(-0.1, 0.1, fan_out).astype("float32"),
            )
        )
    rows = workload.samples or workload.batch
    if TOY:
        rows = min(rows, 4 * workload.batch)
    X = rng.standard_normal((rows, workload.sizes[0])).astype("float32")
    if workload.one_hot:
        X = X.reshape(rows, workload.one_hot, -1)
        X = (X.max(axis=2, keepdims=True) == X).astype("float32").reshape(rows, -1)
    if workload.output == "softmax":
        y = rng.randint(0, workload.sizes[-1], rows).astype("int64")
    else:
        y = (np.sin(X[:, :1] * 2) + 0.3 * rng.standard_normal((rows, workload.sizes[-1]))).astype("float32")
    return Problem(workload, weights, X, y, rng.permutation(rows))
