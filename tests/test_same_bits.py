"""The same bits everywhere: on every instruction set with FMA, on any number of threads, alone or among others.

GOLDEN pins the weights of some trainings. After a change that is meant to change bits, `python
tests/test_same_bits.py` prints the table anew; such a change belongs in CHANGELOG.md.
"""

import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels, initializers


def uniform(shape, seed=0, dtype="float64"):
    values = 2 * initializers.uniform(initializers.generator(seed), int(np.prod(shape))) - 1
    return values.reshape(shape).astype(dtype)


def sha256(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


# name: layers, output, optimizer, batch size, samples. Every activation, loss and optimizer is in one of them, every
# way through the loops too: packed and not, few columns and many, one output, one input, rows of every remainder,
# dropout.
CASES = {
    "tiny": ([2, nn.Dense(8, "tanh"), 1], "identity", nn.Adam(0.01), 4, 30),
    "online": ([5, nn.Dense(33, "silu"), 1], "identity", nn.SGD(0.005, momentum=0.9, nesterov=True), 1, 40),
    "small": ([8, nn.Dense(32, "gelu"), nn.Dense(32, "tanh"), 1], "identity", nn.AdamW(0.01), 32, 100),
    "primes": ([13, nn.Dense(37, "leaky_relu"), nn.Dense(29, "softplus"), 7], "softmax", nn.Adam(0.01), 23, 100),
    "sigmoids": (
        [7, nn.Dense(17, "sigmoid"), nn.Dense(40, "identity"), 3],
        "sigmoid",
        nn.SGD(0.1, weight_decay=0.01),
        10,
        44,
    ),
    "dropout": (
        [20, nn.Dense(50, "relu", dropout=0.3), nn.Dense(31, "tanh", dropout=0.5), 4],
        "softmax",
        nn.Adam(0.01),
        16,
        90,
    ),
    "packed": ([190, nn.Dense(210, "relu"), nn.Dense(70, "tanh"), 10], "softmax", nn.Adam(1e-3), 100, 250),
    "wide": ([300, nn.Dense(530, "gelu"), nn.Dense(270, "relu"), 33], "identity", nn.AdamW(1e-3), 150, 300),
    "no bias": (
        [600, nn.Dense(65, "relu", bias=False), nn.Dense(2, bias=False)],
        "softmax",
        nn.SGD(0.01, momentum=0.5),
        40,
        90,
    ),
}
GOLDEN = {
    ("tiny", "float32"): "b48e94f8bb7ce49d510d7cedef9a408d089c5afcd6344ff81fdfd40be2be17b1",
    ("tiny", "float64"): "8829934788000a28452ec41d6ccc89e99049eb4ad6be3e9d41acd7f4242df610",
    ("online", "float32"): "d24f3439c4acec8239df0a3cd2374bdebd6152d422bf275b7d0175525a6a5e16",
    ("online", "float64"): "79c5fc1418801dd67ed9733d58ec18e14463d3656283621f61a23eff07a8fcba",
    ("small", "float32"): "83424a29a3d720d5b7aa23433ef20b2231325a1408ab61ae59adfdbc667743e3",
    ("small", "float64"): "5307b3b021473ecc8ac47207f3bde953556fbde2e0d055c84b1d688e1a222853",
    ("primes", "float32"): "411b5c692e387d28f179e4718ba2ae0e53257221970377159ed142b0eb41de3a",
    ("primes", "float64"): "a7bbedfccd5e3d3be86ab042f915b59724282460e6387e30d89b21b93e6a1a08",
    ("sigmoids", "float32"): "dc93f5dc5702151eee14fcfd5b7a7b8da87c5386d8b2454656ec94f33c95dc3b",
    ("sigmoids", "float64"): "e34ad867683e20a5a59c090db1f9b2229be6e6b09856d580026c8c89b533ea8c",
    ("dropout", "float32"): "364c443b056d324ba5ba99640df5d5b39828e4947adc5662449808da9226c0e9",
    ("dropout", "float64"): "fe6b18ef0d6017e2759b150feeb0c42706ea5303493a468f413478c30031ff89",
    ("packed", "float32"): "a19b0af01b1731956847d6ba6a2c728ba7c35e844badeee9b6d289d5d4d03876",
    ("packed", "float64"): "c70385c80c9b7bb6c75e1b87d66d9c63f27fcee6b87acf0640ba6f8d4ace98cc",
    ("wide", "float32"): "558147923b966f2762b9933518eec96152ea1906305dc93e1f1919e879155f3f",
    ("wide", "float64"): "23a92f22c5b9ffe4682906df8308b663f87ef9490a1390c50fd28b900a033ffa",
    ("no bias", "float32"): "1111c8f0c263898b37b7168c1586226cac163a70a99dd26ddbf7edeef6c6e60e",
    ("no bias", "float64"): "66bbb71bcd0ecb9712a460f34c81972e7c29e91d2bd950fe7abda318c7dc73aa",
}


def train(name, dtype, threads=None, **keywords):
    layers, output, optimizer, batch, rows = CASES[name]
    net = nn.Network(layers, output=output, seed=11, dtype=dtype)
    X = uniform((rows, net.inputs), 1, dtype)
    y = uniform((rows, net.outputs), 2, dtype)
    if output == "softmax":
        y = (np.arange(rows) * 7 + rows // 3) % net.outputs
    elif output == "sigmoid":
        y = (y + 1) / 2
    net.fit(X, y, epochs=3, batch_size=batch, optimizer=optimizer, threads=threads, **keywords)
    return net


# ---- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_trained_weights_are_pinned(name, dtype, fma_isa):
    for threads in (1, 2, 3):
        assert sha256(train(name, dtype, threads).parameters) == GOLDEN[name, dtype], f"{threads} threads"


@pytest.mark.parametrize("name", CASES)
def test_generic_code_does_not_depend_on_threads_either(name):
    before = _kernels.isa()
    _kernels.select_isa("generic")
    try:
        one, three = train(name, "float32", 1), train(name, "float32", 3)
    finally:
        _kernels.select_isa(before)
    assert np.array_equal(one.parameters, three.parameters)
    assert np.abs(one.parameters - train(name, "float32").parameters).max() < 1e-2  # and is the same arithmetic


@pytest.mark.parametrize("name", ["small", "dropout", "packed"])
def test_the_environment_chooses_and_changes_nothing(name):
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('bits', sys.argv[1]); "
        "bits = importlib.util.module_from_spec(spec); spec.loader.exec_module(bits); "
        "print(bits.nn.isa(), bits.nn.threads(), bits.sha256(bits.train(sys.argv[2], 'float32').parameters))"
    )
    for isa, threads in itertools.product([n for n, here in nn.isas().items() if here and n != "generic"], "123"):
        environment = {**os.environ, "NNCORE_ISA": isa, "NNCORE_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", code, __file__, name], env=environment, capture_output=True, text=True
        )
        assert run.stdout.split() == [isa, threads, GOLDEN[name, "float32"]], run.stderr


@pytest.mark.parametrize("name", ["tiny", "dropout", "packed"])
def test_evaluating_on_the_way_changes_nothing(name):
    plain = train(name, "float32").parameters
    layers, output, *_ = CASES[name]
    net = nn.Network(layers, output=output, seed=11)
    X = uniform((17, net.inputs), 5)
    y = np.arange(17) % net.outputs if output == "softmax" else uniform((17, net.outputs), 6)
    assert np.array_equal(plain, train(name, "float32", validation_data=(X, y)).parameters)
    order = np.argsort(uniform(17, 8))
    assert np.array_equal(plain, train(name, "float32", validation_data=(X[order], y[order])).parameters)
    assert net.evaluate(X, y)["loss"] == pytest.approx(net.evaluate(X[order], y[order])["loss"], rel=1e-12)


def test_a_seed_makes_the_same_network():
    for dtype in ("float32", "float64"):
        a, b, c = (nn.Network([5, 7, 3], seed=seed, dtype=dtype) for seed in (1, 1, 2))
        assert np.array_equal(a.parameters, b.parameters)
        assert not np.array_equal(a.parameters, c.parameters)
    first, second = nn.Network([5, 7, 3]), nn.Network([5, 7, 3])
    assert not np.array_equal(first.parameters, second.parameters)
    assert np.array_equal(first.parameters, nn.Network([5, 7, 3], seed=first.seed).parameters)


def test_gradients_and_steps_do_not_depend_on_the_workspace():
    # a trainer that made room for 300 rows once takes the same steps with 7 as one that never did
    nets = [nn.Network([40, 90, 5], hidden="silu", output="softmax", seed=1) for _ in range(2)]
    trainers = [nn.Trainer(net, optimizer=nn.SGD(0.1)) for net in nets]
    X, y = uniform((300, 40), 1), np.arange(300) % 5
    trainers[0].step(X, y)
    nets[0].parameters[:] = nets[1].parameters
    for trainer in trainers:
        trainer.step(X[:7], y[:7])
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


# ---- prediction ------------------------------------------------------------------------------------------------------

SHAPES = {
    "one output": [9, 40, 1],
    "one input": [1, 6, 2],
    "single": [1, 1],
    "few columns": [19, 5, 12, 3],
    "around chains": [33, 16, 17, 32, 33, 4],
    "around two chains": [65, 64, 64, 63, 33, 124, 33, 5],
    "packed": [140, 130, 64, 10],
    "deep contraction": [1100, 48, 70],
    "very wide": [40, 1300, 3],
    "narrow and deep": [1500, 20, 900, 12],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid", "gelu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_is_the_same_alone_and_among_others(shape, output, dtype, isa):
    sizes = SHAPES[shape]
    if output == "softmax" and sizes[-1] == 1:
        sizes = [*sizes, 2]
    net = nn.Network(sizes, hidden="tanh", output=output, seed=3, dtype=dtype)
    predictor = net.freeze()
    X = uniform((530, net.inputs), 4, dtype)
    alone = np.array([net.predict(row) for row in X])
    assert alone.shape == (530, net.outputs)
    for rows in (1, 2, 3, 5, 6, 7, 8, 12, 13, 23, 24, 25, 31, 64, 100, 255, 256, 257, 530):
        for start in {0, min(7, 530 - rows), 530 - rows}:
            part = slice(start, start + rows)
            assert np.array_equal(net.predict(X[part]), alone[part]), f"{rows} rows from {start}"
        assert np.array_equal(net.predict(X[:rows], threads=2), alone[:rows]), f"{rows} rows on 2 threads"
        assert np.array_equal(predictor(X[:rows]), alone[:rows]), f"{rows} rows, frozen"
    assert np.array_equal(net.predict(X, threads=3), alone)
    assert np.array_equal(np.array([predictor(row) for row in X[:60]]), alone[:60])


def test_a_row_is_the_same_wherever_its_bytes_lie():
    net = nn.Network([37, 70, 50, 3], hidden="tanh", output="softmax", seed=5)
    X = uniform((40, 37), 6, "float32")
    want = net.predict(X)
    for offset in range(0, 64, 4):  # every place within a cache line
        raw = np.zeros(X.nbytes + 64, np.uint8)
        moved = raw[offset : offset + X.nbytes].view(np.float32).reshape(X.shape)
        moved[:] = X
        out_raw = np.zeros(want.nbytes + 64, np.uint8)
        out = out_raw[offset : offset + want.nbytes].view(np.float32).reshape(want.shape)
        assert np.array_equal(net.predict(moved, out=out), want)


@pytest.mark.parametrize("shape", SHAPES)
def test_predictions_are_the_same_on_every_isa(shape):
    answers = []
    before = _kernels.isa()
    X = uniform((70, SHAPES[shape][0]), 4)
    try:
        for isa in [name for name, here in nn.isas().items() if here and name != "generic"]:
            _kernels.select_isa(isa)
            net = nn.Network(SHAPES[shape], hidden="gelu", seed=3, dtype="float64")
            answers.append(net.predict(X))
    finally:
        _kernels.select_isa(before)
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_loss_of_a_sample_does_not_depend_on_threads_or_company():
    net = nn.Network([50, 80, 6], output="softmax", seed=8)
    X, y = uniform((700, 50), 1), np.arange(700) % 6
    values = []
    for threads in (1, 2, 3):
        nn.set_threads(threads)
        values.append(net.evaluate(X, y)["loss"])
    assert values[0] == values[1] == values[2]
    single = [net.evaluate(X[i : i + 1], y[i : i + 1])["loss"] for i in range(20)]
    total = sum(single)  # in the order of samples, in double: as the core sums them
    assert net.evaluate(X[:20], y[:20])["loss"] == total / 20


if __name__ == "__main__":
    _kernels.select_isa(next(name for name, here in nn.isas().items() if here and name != "generic"))
    print("GOLDEN = {")
    for key in itertools.product(CASES, ["float32", "float64"]):
        print(f'    ("{key[0]}", "{key[1]}"): "{sha256(train(*key).parameters)}",')
    print("}")
