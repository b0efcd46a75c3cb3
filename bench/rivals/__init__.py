"""One file per implementation, each with the functions that it can do:

    versions()                          {"package": "version"}
    training(problem, threads)          an object with
                                            reset()        first weights, fresh optimizer
                                            steps(order)   an epoch of steps in that order of samples
                                            run(epochs)    the same with its own shuffling, in its best ordinary
                                                           form: this is timed
                                            weights()      [(W, b), ...] as numpy arrays, W (fan_in, fan_out)
    predicting(problem, threads)        (statement, namespace): a statement to be timed, that answers problem.X;
    single(problem, threads)            likewise for problem.X[0]. namespace["answer"]() gives the last answer as an
    array.

LIMIT, where a file has it, is how far its answer may be from float64's, of the largest number. threads is 1 or more; the
process is pinned to as many CPUs before anything is imported. nncore is one of them; the first is the one against which
answers are checked.
"""

import importlib

RIVALS = [
    "numpy",
    "nncore",
    "nncore_bfloat16",
    "nncore_int8",
    "torch",
    "torch_compile",
    "jax",
    "sklearn",
    "onnxruntime",
    "openvino",
]


def load(name):
    """The module of a rival; ImportError where its package is not installed."""
    return importlib.import_module(f"bench.rivals.{name}")
