"""The exported C file: clean under every warning, right by its own test, the same answers as the network."""

import ctypes
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
pytestmark = pytest.mark.skipif(not COMPILERS, reason="needs gcc or clang")


def build(compiler, source, target, *flags):
    run = subprocess.run([compiler, *WARNINGS, *flags, source, "-o", target], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[:3000]
    return target


def every_way(activation, dtype):
    """A network with layers of every kind: two and four chains, one, one output, wide and sparse, no bias."""
    rows = _kernels.activations()
    hidden = "relu" if rows[activation].rowwise else activation
    layers = [70, 40, nn.Dense(20, bias=False), 50, 1, 7]
    return nn.Network(layers, hidden=hidden, output=activation, dtype=dtype, seed=1)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", _kernels.activations())
def test_every_activation_is_clean_and_right(activation, dtype, compiler, tmp_path):
    net = every_way(activation, dtype)
    source = tmp_path / f"{activation}.c"
    net.export_c(source)
    program = build(compiler, source, tmp_path / "test", "-O2", "-DNNCORE_SELF_TEST")
    run = subprocess.run([program], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    library = ctypes.CDLL(
        str(build(compiler, source, tmp_path / "library.so", "-O3", "-march=native", "-shared", "-fPIC"))
    )
    X = np.random.default_rng(0).normal(size=(5, net.inputs)).astype(dtype)
    X[np.random.default_rng(1).random(X.shape) < 0.5] = 0
    for x, y in zip(X, net.predict(X), strict=True):
        out = np.empty_like(y)
        getattr(library, f"{activation}_predict")(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(out.ctypes.data))
        np.testing.assert_allclose(
            out, y, rtol=2e-5 if dtype == "float32" else 1e-12, atol=1e-6 if dtype == "float32" else 1e-14
        )


def test_the_self_test_finds_a_wrong_weight(tmp_path):
    net = nn.Network([4, 8, 2], seed=0)
    net.export_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    at = text.index("weight0")
    at = text.index("{", at) + 6
    spoiled = text[:at] + "9" + text[at + 1 :]
    (tmp_path / "bad.c").write_text(spoiled)
    program = build(COMPILERS[0], tmp_path / "bad.c", tmp_path / "bad", "-DNNCORE_SELF_TEST")
    assert subprocess.run([program], capture_output=True).returncode == 1


def test_it_is_its_own_header_and_two_networks_link(tmp_path):
    for i, name in enumerate(("one", "two")):
        nn.Network([3, 5, 2], hidden="tanh", seed=i).export_c(tmp_path / f"{name}.c")
    (tmp_path / "main.c").write_text(
        '#define ONE_HEADER\n#include "one.c"\n#define TWO_HEADER\n#include "two.c"\n'
        "int main(void) {\n    float x[ONE_INPUTS] = {1, 2, 3}, a[ONE_OUTPUTS], b[TWO_OUTPUTS];\n"
        "    one_predict(x, a);\n    two_predict(x, b);\n    return a[0] == b[0];\n}\n"
    )
    files = [tmp_path / name for name in ("main.c", "one.c", "two.c")]
    made = subprocess.run([COMPILERS[0], *WARNINGS, *files, "-o", tmp_path / "main"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_it_needs_no_library(tmp_path):
    """Nothing is left undefined: no malloc, no libm."""
    nn.Network([9, 40, 7], hidden="gelu", output="softmax", seed=0).export_c(tmp_path / "net.c")
    flags = ["-O3", "-march=native", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,defs", "-ffreestanding"]
    flags += ["-fno-tree-loop-distribute-patterns"] if COMPILERS[0] == "gcc" else []
    build(COMPILERS[0], tmp_path / "net.c", tmp_path / "net.so", *flags)


def test_names(tmp_path):
    net = nn.Network([2, 2], seed=0)
    net.export_c(tmp_path / "9 lives.c")
    assert "void _9_lives_predict(" in (tmp_path / "9 lives.c").read_text()
    net.export_c(tmp_path / "a.c", "ranker")
    assert "void ranker_predict(" in (tmp_path / "a.c").read_text()
    for bad in ("", "9a", "a-b", 3, "ä"):
        with pytest.raises(ValueError, match="identifier"):
            net.export_c(tmp_path / "b.c", bad)
    assert not (tmp_path / "b.c").exists()
    net.layers[0]._weight[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        net.export_c(tmp_path / "a.c")
    assert "void ranker_predict(" in (tmp_path / "a.c").read_text()  # what was there is left as it was
    with pytest.raises(FileNotFoundError):
        net.export_c(tmp_path / "no" / "a.c")


def test_from_the_command_line(tmp_path):
    net = nn.Network([3, 4, 2], seed=0)
    net.save(tmp_path / "m.safetensors")
    command = [sys.executable, "-m", "nncore", "export", tmp_path / "m.safetensors", tmp_path / "ranker.c"]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr
    net.export_c(tmp_path / "direct.c", "ranker")
    assert (tmp_path / "ranker.c").read_text() == (tmp_path / "direct.c").read_text()
