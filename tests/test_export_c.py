"""The exported C file: clean under every warning, right by its own test, the same answers as the network."""

import ctypes
import os
import re
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


# What compilers do unasked, and what the file's comment says to ask for: nothing of clang, which is told in the file.
SAME_BITS = [
    ["gcc", "-std=c99"],
    ["gcc", "-std=gnu17", "-ffp-contract=off"],
    ["clang"],
    ["clang", "-std=c99"],
]


@pytest.mark.parametrize("compiler", SAME_BITS, ids=" ".join)
def test_with_fma_the_bits_are_nncores(compiler, tmp_path):
    """softplus in float64 has a bare product and difference, which compilers may fuse."""
    if compiler[0] not in COMPILERS:
        pytest.skip(f"no {compiler[0]}")
    machine = [*compiler, "-O3", "-march=native"]
    macros = subprocess.run([*machine, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True).stdout
    if _kernels.isa() == "generic" or not re.search("__FMA__|__ARM_FEATURE_FMA", macros):
        pytest.skip("no FMA")
    net = every_way("softplus", "float64")
    net.export_c(tmp_path / "net.c")
    run = [*machine, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", tmp_path / "net.c", "-o", tmp_path / "net.so"]
    made = subprocess.run(run, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[:3000]
    predict = ctypes.CDLL(str(tmp_path / "net.so")).net_predict
    X = np.random.default_rng(0).normal(size=(300, net.inputs))
    Y = net.predict(X)
    out = np.empty_like(Y)
    for x, y in zip(X, out, strict=True):
        predict(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
    assert (out == Y).all()


@pytest.mark.parametrize("bias", [False, -0.0, 0.0])
def test_the_sign_of_zero_is_nncores(bias, tmp_path):
    """Inputs that are zero may be left out only where the sign of a sum of nothing is not seen."""
    net = nn.Network([100, 96], bias=bias is not False, seed=0)
    random = np.random.default_rng(0)
    net.layers[0].weight = random.choice([1e-44, -1e-44, -1], (100, 96))
    if bias is not False:
        net.layers[0].bias = bias
    net.export_c(tmp_path / "net.c")
    path = build(COMPILERS[0], tmp_path / "net.c", tmp_path / "net.so", "-O3", "-march=native", "-shared", "-fPIC")
    predict = ctypes.CDLL(str(path)).net_predict
    for seed in range(20):
        x = (np.random.default_rng(seed).choice([0, 0, 0, 1e-44, -1e-44], 100)).astype(np.float32)
        out = np.empty(96, np.float32)
        predict(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(out.ctypes.data))
        assert out.tobytes() == net.predict(x).tobytes()


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


def test_the_self_test_finds_a_nan_among_right_answers(tmp_path):
    """The one that follows it is right, and must not make up for it."""
    net = nn.Network([4, 8, 2], seed=0)
    net.export_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    (tmp_path / "bad.c").write_text(re.sub(r"(bias1\[8\] = \{\s*)[^,]+,", r"\1(0.f / 0.f),", text))
    program = build(COMPILERS[0], tmp_path / "bad.c", tmp_path / "bad", "-DNNCORE_SELF_TEST")
    assert subprocess.run([program], capture_output=True).returncode == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_huge_weights_are_tested_on_inputs_with_finite_answers(output, dtype, tmp_path):
    net = nn.Network([70, 40, 3], hidden="relu", output=output, dtype=dtype, seed=0)
    net.parameters[:] *= 1e25 if dtype == "float32" else 1e200
    assert not np.isfinite(net.predict(np.random.default_rng(0).standard_normal((4, 70)))).all()
    net.export_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert not re.search(r"(inf|nan)\.f?,", text)
    outputs = re.search(r"test_outputs\[4\]\[3\] = \{(.*?)\};", text, re.DOTALL)[1]
    assert len(set(re.findall(r"\{\s*(.*?)\s*\}", outputs))) > 1  # not only the answer to zeros
    for compiler in COMPILERS:
        program = build(compiler, tmp_path / "net.c", tmp_path / "test", "-O2", "-DNNCORE_SELF_TEST")
        assert subprocess.run([program], capture_output=True).returncode == 0


def test_a_network_without_finite_answers_is_refused(tmp_path):
    net = nn.Network([70, 40, 3], hidden="relu", seed=0)
    net.parameters[:] = 1e25  # biases as well
    with pytest.raises(ValueError, match="answers must be finite.*inputs of 0"):
        net.export_c(tmp_path / "net.c")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "softmax"])
def test_the_stack_it_says_is_that_of_its_arrays(activation, dtype, tmp_path):
    """Those of layers are not there at one time: the largest counts."""
    for layers in ([70, 40, 20, 50, 1, 7], [8, 3], [5, 1], [784, 128, 64, 10], [64, 300, 300, 4]):
        hidden = "relu" if layers[0] == 784 or activation == "softmax" else activation
        output = "identity" if layers[-1] == 1 else activation
        net = nn.Network(layers, hidden=hidden, output=output, dtype=dtype, seed=0)
        net.export_c(tmp_path / "net.c")
        text = (tmp_path / "net.c").read_text()
        said = int(re.search(r"([\d,]+) bytes of stack", text)[1].replace(",", ""))
        size = net.dtype.itemsize
        own = []
        for body in re.findall(r"^static void layer\d+\(.*?^\}", text, re.MULTILINE | re.DOTALL):
            own.append(32 * size if "softmax_row" in body else 0)
            for kind, first, second in re.findall(r"^ +(real|int) \w+\[(\d+)\](?:\[(\d+)\])?[;,]", body, re.MULTILINE):
                own[-1] += int(first) * int(second or 1) * (size if kind == "real" else 4)
        outputs = sum(int(n) for n in re.findall(r"^    real y\d+\[(\d+)\];", text, re.MULTILINE)) * size
        assert len(own) == len(net.layers) and said == outputs + max(own)


def test_it_is_its_own_header_and_two_networks_link(tmp_path):
    for i, name in enumerate(("one", "two")):
        nn.Network([3, 5, 2], hidden="tanh", seed=i).export_c(tmp_path / f"{name}.c")
    (tmp_path / "main.c").write_text(
        '#define one_HEADER\n#include "one.c"\n#define two_HEADER\n#include "two.c"\n'
        "int main(void) {\n    float x[one_INPUTS] = {1, 2, 3}, a[one_OUTPUTS], b[two_OUTPUTS];\n"
        "    one_predict(x, a);\n    two_predict(x, b);\n    return a[0] == b[0];\n}\n"
    )
    files = [tmp_path / name for name in ("main.c", "one.c", "two.c")]
    made = subprocess.run([COMPILERS[0], *WARNINGS, *files, "-o", tmp_path / "main"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_names_that_differ_in_case_alone_do_not_hide_each_other(tmp_path):
    (tmp_path / "A").mkdir()  # folders, where the file system takes such names for one
    nn.Network([3, 2], seed=0).export_c(tmp_path / "a_b.c")
    nn.Network([5, 4], seed=0).export_c(tmp_path / "A" / "A_B.c")
    (tmp_path / "main.c").write_text(
        '#define a_b_HEADER\n#include "a_b.c"\n#define A_B_HEADER\n#include "A/A_B.c"\n'
        "int main(void) {\n    float x[A_B_INPUTS] = {0}, a[a_b_OUTPUTS], b[A_B_OUTPUTS];\n"
        "    a_b_predict(x, a);\n    A_B_predict(x, b);\n"
        "    return !(a_b_INPUTS == 3 && a_b_OUTPUTS == 2 && A_B_INPUTS == 5 && A_B_OUTPUTS == 4);\n}\n"
    )
    files = [tmp_path / "main.c", tmp_path / "a_b.c", tmp_path / "A" / "A_B.c"]
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
    assert "void net_9_lives_predict(" in (tmp_path / "9 lives.c").read_text()
    net.export_c(tmp_path / "a.c", "ranker")
    assert "void ranker_predict(" in (tmp_path / "a.c").read_text()
    for bad in ("", "9a", "a-b", 3, "ä", "__a", "_A", "_a"):  # C keeps the last three for itself
        with pytest.raises(ValueError, match="identifier"):
            net.export_c(tmp_path / "b.c", bad)
    assert not (tmp_path / "b.c").exists()
    for file, name in (("_Model.c", "Model"), ("__model__.c", "model__"), ("a-b.c", "a_b")):
        net.export_c(tmp_path / file)
        assert f"void {name}_predict(" in (tmp_path / file).read_text()
    for file in ("модель.c", "naïve.c", "--.c", "__.c"):
        with pytest.raises(ValueError, match="gives no C identifier: pass name= .--name"):
            net.export_c(tmp_path / file)
        assert not (tmp_path / file).exists()
    net.export_c(tmp_path / "модель.c", "model")
    assert "void model_predict(" in (tmp_path / "модель.c").read_text()
    net.layers[0]._weight[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        net.export_c(tmp_path / "a.c")
    assert "void ranker_predict(" in (tmp_path / "a.c").read_text()  # what was there is left as it was
    with pytest.raises(FileNotFoundError):
        net.export_c(tmp_path / "no" / "a.c")


def test_a_saved_network_is_not_overwritten(tmp_path):
    net = nn.Network([3, 4, 2], seed=0)
    saved = tmp_path / "m.safetensors"
    net.save(saved)
    before = saved.read_bytes()
    os.symlink(saved, tmp_path / "link.c")
    for path in (saved, tmp_path / "new.SafeTensors", tmp_path / "link.c"):
        with pytest.raises(ValueError, match=r"\.safetensors is for saved networks; .* such as ranker\.c"):
            net.export_c(path, "ranker")
    assert saved.read_bytes() == before and sorted(os.listdir(tmp_path)) == ["link.c", "m.safetensors"]


def test_from_the_command_line(tmp_path):
    net = nn.Network([3, 4, 2], seed=0)
    net.save(tmp_path / "m.safetensors")
    command = [sys.executable, "-m", "nncore", "export", tmp_path / "m.safetensors", tmp_path / "ranker.c"]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr
    net.export_c(tmp_path / "direct.c", "ranker")
    direct = (tmp_path / "direct.c").read_text()
    assert (tmp_path / "ranker.c").read_text() == direct.replace('#include "direct.c"', '#include "ranker.c"') != direct
