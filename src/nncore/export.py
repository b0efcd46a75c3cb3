"""A network as one C99 file: `Network.export_c` and `nncore export`.

The file needs nothing: no nncore, no malloc, no global state that changes, no libc beyond what it includes. It opens
with its header part, so it is its own header: ``#define ranker_HEADER`` before ``#include "ranker.c"`` gives the
declarations alone. Macros hold the name as written, for in capitals those of a_b.c and A_B.c would be the same.
Compiled with -DNNCORE_SELF_TEST it has a main that checks stored inputs against stored outputs. Every sum is in nncore's
own order, so that with FMA the answers have nncore's bits as well, where the compiler fuses no product and sum of its
own accord: gcc does outside -std=c99, unless given -ffp-contract=off; clang is told in the file.

How it is made:

a) The activations are the core's own text, cut from ``csrc/vmath.h`` and ``csrc/ops/activations.h``: the functions that
   the network needs and what those use, in a vocabulary of one lane instead of vectors (core_text.py).
b) Layers are loops of fixed length over plain arrays, in a shape that compilers turn into vectors: eight rows of
   weights are added to a sum before it goes back to memory, and the first eight to a plain 0, for a loop that clears
   the sums is taken apart together with the next one, and then neither becomes vectors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, checks, formats
from .core_text import SPAN, fill, functions, vocabulary

if TYPE_CHECKING:
    from .network import Network

_SAMPLES = 4  # stored for the self-test
_PAD = 8  # outputs are padded to a multiple: whole vectors for the compiler


def export_c(net: Network, path: str | PathLike[str], name: str | None = None) -> None:
    """Write `net` to `path` as C99; see `Network.export_c`.

    Raises
    ------
    ValueError
        A name that is not a C identifier or that C keeps for itself, or a file name that gives none; a path that ends
        as saved networks do; weights, or answers to inputs near 0, that are not finite.
    OSError
        The file cannot be written; what was there is left as it was.
    """
    target = os.fspath(path)
    if not isinstance(target, str):
        raise TypeError(f"path must be text, got {checks.short(target)}")
    _refuse_other_files(target)
    if name is None:
        name = _name_of(target)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        raise ValueError(
            "name must be a C identifier that begins with a letter (those with _ in front are C's own), such as "
            f"'ranker', got {checks.short(name)}"
        )
    formats.write_whole(
        target, (text.encode("ascii", "replace") for text in c_text(net, name, os.path.basename(target)))
    )


def _refuse_other_files(target: str) -> None:
    """A path that does not end as C files do is most likely another file, and C in its place would end it."""
    written = os.path.realpath(target)  # through a link
    for path in (target, written):
        suffix = os.path.splitext(path)[1].lower()
        if suffix in formats.FORMATS:
            link = "" if path == target else f" (a link to {written})"
            raise ValueError(f"{target}{link}: {suffix} is for saved networks; give the C file a name such as ranker.c")
    if suffix not in (".c", ".h"):
        raise ValueError(f"{target}: the file is C99, and not C++: give it a name that ends in .c, such as ranker.c")


def _name_of(target: str) -> str:
    """A name from that of the file, without _ in front: C keeps such names for itself."""
    stem = os.path.splitext(os.path.basename(target))[0]
    name = re.sub(r"\W", "_", stem, flags=re.ASCII).lstrip("_")
    if not name or not stem.isascii():
        raise ValueError(
            f"the file's name {checks.short(stem)} gives no C identifier: "
            "pass name= (--name on the command line), such as 'ranker'"
        )
    return "net_" + name if name[0].isdigit() else name


def c_text(net: Network, name: str, file: str) -> Iterator[str]:
    """The text of the C file of that name, in pieces."""
    if not np.isfinite(net.parameters).all():
        raise ValueError("the network's weights must be finite to be exported, got nan or inf among its parameters")
    X, Y = _samples(net)
    real, bits = ("float", 32) if net.dtype == np.float32 else ("double", 64)
    shape = "-".join(map(str, net.sizes))
    activations = [layer.activation for layer in net.layers]
    values = {
        "name": name, "real": real, "shape": shape, "inputs": net.inputs, "outputs": net.outputs,
        "activations": ", ".join(activations), "stack": f"{_stack(net):,}", "file": file,
    }  # fmt: skip
    yield fill(_HEAD, values)
    yield vocabulary(bits)
    yield from functions(activations, bits)
    for i, layer in enumerate(net.layers):
        yield from _layer(net, i, layer, real)
    yield from _run(net, name, real)
    yield from _self_test(net, name, X, Y)
    yield f"#endif /* {name}_HEADER */\n"


# ---- layers ----------------------------------------------------------------------------------------------------------


def _padded(outputs: int) -> int:
    return 1 if outputs == 1 else -(-outputs // _PAD) * _PAD


def _layer(net: Network, i: int, layer: Any, real: str) -> Iterator[str]:
    k, n, wide = layer.inputs, layer.outputs, _padded(layer.outputs)
    weight = np.zeros((k, wide), net.dtype)
    weight[:, :n] = layer.weight
    bias = np.full(wide, -0.0, net.dtype)  # x + -0 is x, in every bit
    if layer.bias is not None:
        bias[:n] = layer.bias
    yield f"/* ---- layer {i + 1}: {k} -> {n}, {layer.activation} ---- */\n\n"
    yield f"static const real weight{i}[{k * wide}] = {{\n"
    yield from _numbers(weight)
    yield f"}};\nstatic const real bias{i}[{wide}] = {{\n"
    yield from _numbers(bias)
    yield f"}};\n\nstatic void layer{i}(const real *restrict x, real *restrict y) {{\n"
    chains = _kernels.chains(k, n)
    if n == 1:
        yield _dot(i, k)
    elif _is_sparse(net, i):
        yield fill(_SPARSE, {"i": i, "k": k, "n": wide})
    else:
        yield _columns(i, k, wide, chains)
    if _kernels.activations()[layer.activation].rowwise:
        yield f"    FN({layer.activation}_row)({n}, y, bias{i}, y, 0);\n}}\n\n"
    else:
        parameter = _number(net.dtype.type(layer.parameter))
        value = f"FN({layer.activation}_value)(y[j] + bias{i}[j], {parameter})"
        yield f"    COLUMNS for (int j = 0; j < {wide}; j++) y[j] = {value};\n}}\n\n"


def _is_sparse(net: Network, i: int) -> bool:
    """Whether layer i looks for inputs that are zero: one chain, so that they may be left out, and enough of them; a bias that
    hides the sign of a zero, which may hang by what is left out."""
    k, n, bias = net.layers[i].inputs, net.layers[i].outputs, net.layers[i].bias
    if bias is None or (np.signbit(bias) & (bias == 0)).any():
        return False
    return n > 1 and _kernels.chains(k, n) == 1 and k >= 64 and (i == 0 or net.layers[i - 1].activation == "relu")


def _stack(net: Network) -> int:
    """Bytes of the arrays on the exported function's stack: all outputs, and the most that a layer at work needs."""
    size = net.dtype.itemsize
    outputs = working = 0
    for i, layer in enumerate(net.layers):
        chains, wide = _kernels.chains(layer.inputs, layer.outputs), _padded(layer.outputs)
        outputs += wide * size
        if layer.outputs == 1:
            own = SPAN * size
        elif _is_sparse(net, i):
            own = layer.inputs * 4  # the list of int
        else:
            own = chains * wide * size if _has_chains(layer.inputs, chains) else 0
        if _kernels.activations()[layer.activation].rowwise:
            own += SPAN * size  # the chains of its sum
        working = max(working, own)
    return outputs + working


def _has_chains(k: int, chains: int) -> bool:
    """Whether the chains of a layer of k inputs outlast a loop, and so need arrays."""
    return chains > 1 and k > 8 * chains


def _columns(i: int, k: int, n: int, chains: int) -> str:
    """All outputs side by side; row p of the weights goes to chain p mod `chains`, p ascending."""
    block = 8 * chains
    total = ["s0", "s0 + s1", "", "(s0 + s2) + (s1 + s3)"][chains - 1]
    text = f"    real c[{chains}][{n}];\n" if _has_chains(k, chains) else ""
    for first, last, rows in _passes(k, block):
        text += f"    for (int p = {first}; p < {last}; p += {rows}) {{\n"
        text += f"        const real *w = weight{i} + p * {n};\n        COLUMNS for (int j = 0; j < {n}; j++) {{\n"
        sums = [f"c[{s}][j]" for s in range(chains)] if chains > 1 else ["y[j]"]
        text += "".join(f"            real s{s} = {sums[s] if first else 0};\n" for s in range(chains))
        text += "".join(
            f"            s{q % chains} = v_fma(x[p + {q}], w[{q * n} + j], s{q % chains});\n" for q in range(rows)
        )
        if last == k:
            text += f"            y[j] = {total};\n"
        else:
            text += "".join(f"            {sums[s]} = s{s};\n" for s in range(chains))
        text += "        }\n    }\n"
    return text


def _passes(count: int, block: int) -> Iterator[tuple[int, int, int]]:
    """(first, last, rows) of loops over `count` in blocks: the first block, which starts from 0, the next, and the rest.

    The last loop is one block, so that it may end the sums.
    """
    end = count - 1 - (count - 1) % block  # where the last block starts
    if end:
        yield 0, block, block
    if end > block:
        yield block, end, block
    yield end, count, count - end


def _dot(i: int, k: int) -> str:
    """One output: 32 interleaved chains, folded in halves."""
    whole = k - k % SPAN
    text = f"    real c[{SPAN}];\n"
    if not whole:
        text += f"    COLUMNS for (int s = 0; s < {SPAN}; s++) c[s] = 0;\n"
    for first, last, rows in _passes(whole // SPAN, 8) if whole else ():
        text += f"    for (int p = {first * SPAN}; p < {last * SPAN}; p += {rows * SPAN})\n"
        text += f"        COLUMNS for (int s = 0; s < {SPAN}; s++) {{\n            real t = {'c[s]' if first else 0};\n"
        text += "".join(
            f"            t = v_fma(x[p + {q * SPAN} + s], weight{i}[p + {q * SPAN} + s], t);\n" for q in range(rows)
        )
        text += "            c[s] = t;\n        }\n"
    if k > whole:
        text += f"    COLUMNS for (int s = 0; s < {k - whole}; s++)\n"
        text += f"        c[s] = v_fma(x[{whole} + s], weight{i}[{whole} + s], c[s]);\n"
    half = SPAN // 2
    while half:
        text += f"    {'COLUMNS ' if half >= 4 else ''}for (int s = 0; s < {half}; s++) c[s] += c[s + {half}];\n"
        half //= 2
    return text + "    y[0] = c[0];\n"


_SPARSE = """\
    int list[@k@], count = 0; /* inputs that are zero cost nothing; pixels and relu's outputs often are */
    for (int p = 0; p < @k@; p++) {
        list[count] = p;
        count += x[p] != 0;
    }
    COLUMNS for (int j = 0; j < @n@; j++) y[j] = 0;
    int l = 0;
    for (; l + 8 <= count; l += 8) {
        const int *at = list + l;
        const real x0 = x[at[0]], x1 = x[at[1]], x2 = x[at[2]], x3 = x[at[3]];
        const real x4 = x[at[4]], x5 = x[at[5]], x6 = x[at[6]], x7 = x[at[7]];
        const real *w0 = weight@i@ + at[0] * @n@, *w1 = weight@i@ + at[1] * @n@, *w2 = weight@i@ + at[2] * @n@;
        const real *w3 = weight@i@ + at[3] * @n@, *w4 = weight@i@ + at[4] * @n@, *w5 = weight@i@ + at[5] * @n@;
        const real *w6 = weight@i@ + at[6] * @n@, *w7 = weight@i@ + at[7] * @n@;
        COLUMNS for (int j = 0; j < @n@; j++) {
            real s = y[j];
            s = v_fma(x0, w0[j], s);
            s = v_fma(x1, w1[j], s);
            s = v_fma(x2, w2[j], s);
            s = v_fma(x3, w3[j], s);
            s = v_fma(x4, w4[j], s);
            s = v_fma(x5, w5[j], s);
            s = v_fma(x6, w6[j], s);
            s = v_fma(x7, w7[j], s);
            y[j] = s;
        }
    }
    for (; l < count; l++) {
        const real one = x[list[l]];
        const real *w = weight@i@ + list[l] * @n@;
        COLUMNS for (int j = 0; j < @n@; j++) y[j] = v_fma(one, w[j], y[j]);
    }
"""


def _number(value: Any) -> str:
    """A C constant that reads back to the same bits."""
    digits, suffix = (9, "f") if value.dtype == np.float32 else (17, "")
    text = f"{float(value):.{digits}g}"
    return text + ("" if "." in text or "e" in text else ".") + suffix


def _numbers(array: np.ndarray) -> Iterator[str]:
    flat = array.reshape(-1)
    for start in range(0, flat.size, 8):
        yield "    " + ", ".join(_number(value) for value in flat[start : start + 8]) + ",\n"


# ---- the call, and its test ------------------------------------------------------------------------------------------


def _run(net: Network, name: str, real: str) -> Iterator[str]:
    yield f"void {name}_predict(const {real} *x, {real} *out) {{\n"
    before = "x"
    for i, layer in enumerate(net.layers):
        yield f"    real y{i}[{_padded(layer.outputs)}];\n    layer{i}({before}, y{i});\n"
        before = f"y{i}"
    yield f"    COLUMNS for (int j = 0; j < {net.outputs}; j++) out[j] = {before}[j];\n}}\n\n"


def _samples(net: Network) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and answers for the self-test: zeros, and normal numbers, smaller ones where answers are not finite.

    C has no constants for inf and nan, and a difference from them says nothing. A network of huge weights may be meant
    for tiny inputs; one that has no finite answer to 0 is of no use to anybody.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((_SAMPLES, net.inputs)).astype(net.dtype)
    X[0] = 0
    for power in range(0, -int(np.finfo(net.dtype).minexp), 16):
        scaled = X * net.dtype.type(2.0**-power)
        Y = net.predict(scaled)
        if np.isfinite(Y).all():
            return scaled, Y
        if not np.isfinite(Y[0]).all():
            break
    raise ValueError(
        "the network's answers must be finite to be exported, got nan or inf even for inputs of 0 or close to it: "
        "look for huge numbers among its parameters"
    )


def _self_test(net: Network, name: str, X: np.ndarray, Y: np.ndarray) -> Iterator[str]:
    size = float(np.abs(Y).max())
    tolerance = net.dtype.type((1e-5 if net.dtype == np.float32 else 1e-12) * max(size, 1e-3))
    yield "#ifdef NNCORE_SELF_TEST\n#include <stdio.h>\n\n"
    yield f"static const real test_inputs[{_SAMPLES}][{net.inputs}] = {{\n"
    for row in X:
        yield "{\n"
        yield from _numbers(row)
        yield "},\n"
    yield f"}};\nstatic const real test_outputs[{_SAMPLES}][{net.outputs}] = {{\n"
    for row in Y:
        yield "{\n"
        yield from _numbers(row)
        yield "},\n"
    yield "};\n\n"
    yield fill(
        _TEST,
        {"name": name, "samples": _SAMPLES, "outputs": net.outputs, "tolerance": _number(tolerance)},
    )


_TEST = """\
/* Says how far the answers are from those stored; returns 0 if that is no more than rounding. */
int main(void) {
    real out[@outputs@], worst = 0;
    int same = 1;
    for (int i = 0; i < @samples@; i++) {
        @name@_predict(test_inputs[i], out);
        for (int j = 0; j < @outputs@; j++) {
            const real error = out[j] > test_outputs[i][j] ? out[j] - test_outputs[i][j] : test_outputs[i][j] - out[j];
            if (worst == worst && !(error <= worst)) worst = error; /* a nan stays */
            same = same && out[j] == test_outputs[i][j];
        }
    }
    printf("@name@: %d samples, largest difference %g%s\\n", @samples@, (double)worst, same ? ", the same bits" : "");
    return worst <= @tolerance@ ? 0 : 1;
}
#endif

"""

_HEAD = """\
/* A dense neural network, @shape@ (@activations@), exported by nncore as plain C99.
 *
 *     #define @name@_HEADER
 *     #include "@file@"          // the declarations alone, where the network is used
 *
 *     @real@ x[@name@_INPUTS], out[@name@_OUTPUTS];
 *     @name@_predict(x, out);
 *
 * It allocates nothing, keeps no state and may be called from any number of threads at once; x may be out. Its arrays
 * take @stack@ bytes of stack; compilers add a few hundred. Compile with -O3 and the machine's own instruction set
 * (-march=native); not with -ffast-math. On machines with FMA the answers have nncore's bits if it is compiled with
 * -ffp-contract=off, or by gcc with -std=c99; else some differ in the last digits. With -DNNCORE_SELF_TEST this file
 * has a main that checks stored inputs against stored outputs. */
#ifndef @name@_INPUTS
#define @name@_INPUTS @inputs@
#define @name@_OUTPUTS @outputs@
#ifdef __cplusplus
extern "C" {
#endif
void @name@_predict(const @real@ *x, @real@ *out); /* out (@outputs@) = network(x (@inputs@)) */
#ifdef __cplusplus
}
#endif
#endif

#ifndef @name@_HEADER
#ifdef __cplusplus
#error "compile this file as C; C++ includes it with @name@_HEADER defined, for the declarations"
#endif
"""
