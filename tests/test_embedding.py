"""A frozen network from outside of Python: ctypes, C, Cython, numba, exported C; all against float64."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import weakref
from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
COMPILER = shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs gcc or clang")


def built(example, tmp_path_factory):
    """An example package, copied and built against the nncore that is imported here, as a module."""
    folder = tmp_path_factory.mktemp(example) / example
    shutil.copytree(EXAMPLES / example, folder, ignore=shutil.ignore_patterns("build", "*.so"))
    # an editable install may be on no path, and Cython looks there
    places = [Path(nn.__file__).parent.parent, *sys.path]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(str(place) for place in places if place))
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    path = next(path for path in folder.iterdir() if path.suffix in (".so", ".pyd"))
    spec = importlib.util.spec_from_file_location(path.name.split(".")[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ranker(tmp_path_factory):
    pytest.importorskip("Cython")
    return built("cython_embed", tmp_path_factory)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    return built("c_embed", tmp_path_factory)


def by_ctypes(predict, x):
    function, plan, inputs, outputs, scratch = predict.ctypes
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(function)
    out = np.empty(outputs, predict.dtype)
    room = np.empty(scratch, np.uint8)
    assert inputs == len(x)
    run(plan, x.ctypes.data, out.ctypes.data, room.ctypes.data)
    again = np.empty_like(out)
    run(plan, x.ctypes.data, again.ctypes.data, None)
    assert out.tobytes() == again.tobytes()
    return out


def test_ctypes_has_the_same_bits(isa):
    for dtype in ("float32", "float64"):
        net = nn.Network([17, 64, 64, 6], hidden="tanh", dtype=dtype, seed=0)
        x = np.linspace(-1, 1, 17, dtype=dtype)
        assert by_ctypes(net.freeze(), x).tobytes() == net.predict(x).tobytes()


def test_ctypes_takes_many_samples(isa):
    net = nn.Network([20, 300, 3], seed=1)
    predict = net.freeze()
    function, plan, inputs, outputs, scratch = predict.ctypes_many
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 3)(function)
    x = np.random.default_rng(0).normal(size=(150, inputs)).astype(np.float32)
    room, out = np.empty(scratch, np.uint8), np.empty((150, outputs), np.float32)
    for memory in (room.ctypes.data, None):
        out[:] = 0
        run(plan, 150, x.ctypes.data, out.ctypes.data, memory)
        assert out.tobytes() == net.predict(x).tobytes()
    assert weakref.ref(predict)() is predict


@needs_compiler
def test_cython_has_the_same_bits(ranker):
    net = nn.Network([17, 64, 6], hidden="tanh", seed=0)
    X = np.random.default_rng(0).normal(size=(300, 17)).astype(np.float32)
    assert ranker.best(net.freeze(), X) == net.predict(X)[:, 0].argmax()
    with pytest.raises(TypeError):
        ranker.best(net, X)
    with pytest.raises(ValueError, match="17"):
        ranker.best(net.freeze(), X[:, :4].copy())


@needs_compiler
def test_c_has_the_same_bits(scorer):
    net = nn.Network([17, 64, 6], hidden="tanh", seed=0)
    X = np.random.default_rng(0).normal(size=(300, 17)).astype(np.float32)
    total = 0.0
    for value in net.predict(X)[:, 0].tolist():
        total += value
    assert scorer.total(net.freeze(), X) == total


class Boxed:
    """Has a capsule, but of something else."""

    capsule = np.zeros(1)


class Failing:
    @property
    def capsule(self):
        raise OSError("gone")


@needs_compiler
@pytest.mark.parametrize(("wrong", "name"), [(1, "int"), (nn.Network([2, 1]), "Network"), (Boxed(), "Boxed")])
def test_c_says_that_a_predictor_is_needed(scorer, wrong, name):
    with pytest.raises(TypeError, match=rf"^a Predictor \(net\.freeze\(\)\) is needed, got {name}$"):
        scorer.total(wrong, b"")
    with pytest.raises(OSError, match="gone"):  # other errors stay what they are
        scorer.total(Failing(), b"")


@needs_compiler
@pytest.mark.parametrize("language", ["c", "c++"])
@pytest.mark.parametrize("headers", ["nncore", "Python nncore", "nncore Python nncore", "Python nncore nncore"])
def test_the_header_compiles_without_a_warning(tmp_path, language, headers):
    python = "Python" in headers
    text = "".join(f"#include <{name}.h>\n" for name in headers.split())
    text += "const void *all[2];\nvoid f(const nncore_plan *p, const void *x, void *out) { nncore_run(p, x, out); }\n"
    if python:
        text += "const nncore_plan *g(PyObject *predictor) { return nncore_plan_of(predictor); }\n"
    (tmp_path / "use.c").write_text(text)
    command = [COMPILER, "-x", language, "-std=c99" if language == "c" else "-std=c++17", "-Wall", "-Wextra", "-Werror"]
    folders = ["-I", nn.get_include(), "-isystem", sysconfig.get_path("include")]
    command += ["-pedantic", *folders, "-fsyntax-only", str(tmp_path / "use.c")]
    run = subprocess.run(command, capture_output=True, text=True)
    if language == "c++" and "cc1plus" in run.stderr:
        pytest.skip("no compiler for C++")
    assert run.returncode == 0, run.stderr


def test_the_capsule_keeps_the_plan_alive():
    predict = nn.Network([3, 4], seed=0).freeze()
    before = sys.getrefcount(predict)
    capsule = predict.capsule
    assert sys.getrefcount(predict) == before + 1
    del capsule
    assert sys.getrefcount(predict) == before


def test_numba():
    pytest.importorskip("numba")
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    run = subprocess.run([sys.executable, EXAMPLES / "numba_loop.py"], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


# ---- a hundred networks by every way ---------------------------------------------------------------------------------


def reference(net, x):
    """float64, from the formulas."""
    from nncore import reference

    weights = [
        (layer.weight.astype(float), None if layer.bias is None else layer.bias.astype(float)) for layer in net.layers
    ]
    value = x.astype(float)
    for layer, (weight, bias) in zip(net.layers, weights, strict=True):
        value = value @ weight + (0 if bias is None else bias)
        value = reference.ACTIVATIONS[layer.activation].value(value.reshape(1, -1), None, layer.parameter)[0]
    return value


@needs_compiler
def test_a_hundred_random_networks_by_every_way(tmp_path, ranker, scorer):
    rng = np.random.default_rng(0)
    names = [name for name, row in _kernels.activations().items() if not row.rowwise]
    nets, text = [], []
    for i in range(100):
        sizes = [int(n) for n in rng.integers(1, 65, size=rng.integers(2, 5))]
        net = nn.Network([sizes[0], *(nn.Dense(n, str(rng.choice(names))) for n in sizes[1:])], seed=i)
        net.parameters[:] += (rng.normal(size=net.parameters.size) * 0.1).astype(np.float32)
        net.export_c(tmp_path / f"n{i}.c")
        nets.append(net)
        text.append(str(tmp_path / f"n{i}.c"))
    command = [COMPILER, "-std=c99", "-O1", "-shared", "-fPIC", *text, "-o", str(tmp_path / "all.so")]
    subprocess.run(command, check=True, capture_output=True)
    library = ctypes.CDLL(str(tmp_path / "all.so"))
    for i, net in enumerate(nets):
        x = rng.normal(size=net.inputs).astype(np.float32)
        expected = reference(net, x)
        predict, exported = net.freeze(), np.empty(net.outputs, np.float32)
        getattr(library, f"n{i}_predict")(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(exported.ctypes.data))
        ways = {
            "python": predict(x),
            "out": predict(x, np.empty(net.outputs, np.float32)),
            "many": predict(np.array([x, x, x]))[1],
            "network": net.predict(x),
            "ctypes": by_ctypes(predict, x),
            "exported": exported,
        }
        scale = 1e-5 * max(np.abs(expected).max(), 1e-2)
        for way, answer in ways.items():
            assert np.abs(answer - expected).max() <= scale, (i, way, net)
        assert abs(scorer.total(predict, x) - expected[0]) <= scale
        rows = np.array([x, -x], np.float32)
        assert ranker.best(predict, rows) == int(predict(rows)[:, 0].argmax())
