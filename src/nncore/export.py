"""A network as one C99 file: `Network.export_c` and `nncore export`.

The file needs nothing: no nncore, no malloc, no global state that changes, no libc beyond what it includes. It opens
with its header part, so it is its own header: ``#define RANKER_HEADER`` before ``#include "ranker.c"`` gives the
declarations alone. Compiled with -DNNCORE_SELF_TEST it has a main that checks stored inputs against stored outputs.
Every sum is in nncore's own order, so that with FMA the answers have nncore's bits as well.

How it is made:

a) The activations are the core's own text, cut from ``csrc/vmath.h`` and ``csrc/ops/activations.h``: the functions that
   the network needs and what those use, in a vocabulary of one lane (`_WORDS`) instead of vectors.
b) Layers are loops of fixed length over plain arrays, in a shape that compilers turn into vectors: eight rows of
   weights are added to a sum before it goes back to memory, and the first eight to a plain 0, for a loop that clears
   the sums is taken apart together with the next one, and then neither becomes vectors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, checks, formats

if TYPE_CHECKING:
    from .network import Network

_SAMPLES = 4  # stored for the self-test
_SPAN = 32  # csrc/words.h: chains of summation of a single output
_PAD = 8  # outputs are padded to a multiple: whole vectors for the compiler


def export_c(net: Network, path: str | PathLike[str], name: str | None = None) -> None:
    """Write `net` to `path` as C99; see `Network.export_c`.

    Raises
    ------
    ValueError
        A name that is not a C identifier, or weights that are not finite.
    OSError
        The file cannot be written; what was there is left as it was.
    """
    target = os.fspath(path)
    if not isinstance(target, str):
        raise TypeError(f"path must be text, got {checks.short(target)}")
    if name is None:
        name = re.sub(r"\W", "_", os.path.splitext(os.path.basename(target))[0], flags=re.ASCII)
        name = "_" + name if name[:1].isdigit() else name
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name, flags=re.ASCII):
        raise ValueError(f"name must be a C identifier such as 'ranker', got {checks.short(name)}")
    formats.write_whole(target, (text.encode("ascii") for text in c_text(net, name)))


def c_text(net: Network, name: str) -> Iterator[str]:
    """The text of the C file, in pieces."""
    if not np.isfinite(net.parameters).all():
        raise ValueError("the network's weights must be finite to be exported")
    real, bits = ("float", 32) if net.dtype == np.float32 else ("double", 64)
    shape = "-".join(map(str, net.sizes))
    values = {
        "name": name, "NAME": name.upper(), "real": real, "bits": bits, "shape": shape, "inputs": net.inputs,
        "outputs": net.outputs, "activations": ", ".join(layer.activation for layer in net.layers),
        "fma": "fmaf" if bits == 32 else "fma", "fast": "FP_FAST_FMAF" if bits == 32 else "FP_FAST_FMA",
        "mantissa": 23 if bits == 32 else 52, "bias": 127 if bits == 32 else 1023,
        "max": "FLT" if bits == 32 else "DBL",
        "rounder": "12582912.0f" if bits == 32 else "6755399441055744.0", "span": _SPAN,
    }  # fmt: skip
    yield _fill(_HEAD, values)
    yield _fill(_WORDS, values)
    yield from _functions([layer.activation for layer in net.layers], bits)
    for i, layer in enumerate(net.layers):
        yield from _layer(net, i, layer, real)
    yield from _run(net, name, real)
    yield from _self_test(net, name, real)
    yield f"#endif /* {values['NAME']}_HEADER */\n"


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
    chains = _kernels.chains(n)
    if n == 1:
        yield _dot(i, k)
    elif chains == 1 and k >= 64 and (i == 0 or net.layers[i - 1].activation == "relu"):
        yield _fill(_SPARSE, {"i": i, "k": k, "n": wide})
    else:
        yield _columns(i, k, wide, chains)
    if _kernels.activations()[layer.activation].rowwise:
        yield f"    FN({layer.activation}_row)({n}, y, bias{i}, y, 0);\n}}\n\n"
    else:
        parameter = _number(net.dtype.type(layer.parameter))
        value = f"FN({layer.activation}_value)(y[j] + bias{i}[j], {parameter})"
        yield f"    COLUMNS for (int j = 0; j < {wide}; j++) y[j] = {value};\n}}\n\n"


def _columns(i: int, k: int, n: int, chains: int) -> str:
    """All outputs side by side; row p of the weights goes to chain p mod `chains`, p ascending."""
    block = 8 * chains
    total = ["s0", "s0 + s1", "", "(s0 + s2) + (s1 + s3)"][chains - 1]
    text = "" if chains == 1 or k <= block else f"    real c[{chains}][{n}];\n"
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
    whole = k - k % _SPAN
    text = f"    real c[{_SPAN}];\n"
    if not whole:
        text += f"    COLUMNS for (int s = 0; s < {_SPAN}; s++) c[s] = 0;\n"
    for first, last, rows in _passes(whole // _SPAN, 8) if whole else ():
        text += f"    for (int p = {first * _SPAN}; p < {last * _SPAN}; p += {rows * _SPAN})\n"
        text += f"        COLUMNS for (int s = 0; s < {_SPAN}; s++) {{\n            real t = {'c[s]' if first else 0};\n"
        text += "".join(
            f"            t = v_fma(x[p + {q * _SPAN} + s], weight{i}[p + {q * _SPAN} + s], t);\n" for q in range(rows)
        )
        text += "            c[s] = t;\n        }\n"
    if k > whole:
        text += f"    COLUMNS for (int s = 0; s < {k - whole}; s++)\n"
        text += f"        c[s] = v_fma(x[{whole} + s], weight{i}[{whole} + s], c[s]);\n"
    half = _SPAN // 2
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


def _self_test(net: Network, name: str, real: str) -> Iterator[str]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((_SAMPLES, net.inputs)).astype(net.dtype)
    X[0] = 0
    Y = net.predict(X)
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
    yield _fill(
        _TEST,
        {"name": name, "real": real, "samples": _SAMPLES, "outputs": net.outputs, "tolerance": _number(tolerance)},
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
            if (!(error <= worst)) worst = error;
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
 *     #define @NAME@_HEADER
 *     #include "@name@.c"          // the declarations alone, where the network is used
 *
 *     @real@ x[@NAME@_INPUTS], out[@NAME@_OUTPUTS];
 *     @name@_predict(x, out);
 *
 * It allocates nothing, keeps no state and may be called from any number of threads at once; x may be out. Compile with
 * -O3 and the machine's own instruction set (-march=native); not with -ffast-math. With -DNNCORE_SELF_TEST this file
 * has a main that checks stored inputs against stored outputs. */
#ifndef @NAME@_INPUTS
#define @NAME@_INPUTS @inputs@
#define @NAME@_OUTPUTS @outputs@
#ifdef __cplusplus
extern "C" {
#endif
void @name@_predict(const @real@ *x, @real@ *out); /* out (@outputs@) = network(x (@inputs@)) */
#ifdef __cplusplus
}
#endif
#endif

#ifndef @NAME@_HEADER
"""

# nncore's vocabulary of vector words (csrc/words.h), for one lane.
_WORDS = """\
#include <float.h>
#include <stdint.h>

typedef @real@ real;
typedef uint@bits@_t ivec;
#define vec real
#define ubits uint@bits@_t
#define FN(name) part_##name
#define INLINE static inline
#define REAL(x) ((real)(x))
#define REAL_MAX @max@_MAX
#define REAL_MIN_NORMAL @max@_MIN
#define MANTISSA @mantissa@
#define EXPONENT_BIAS @bias@
#define ROUNDER @rounder@ /* adding it rounds to an integer, left in the low bits */
#define I_SIGN ((ivec)1 << (@bits@ - 1))
#define LANES 1
#define SPAN_VECS @span@
#if defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)
#define v_fma(a, b, c) __builtin_@fma@(a, b, c)
#else
#define v_fma(a, b, c) ((a) * (b) + (c))
#endif
/* Before a loop over columns. clang would write a short one out, one by one, before it thinks of vectors. */
#ifdef __clang__
#define COLUMNS _Pragma("clang loop unroll(disable)")
#else
#define COLUMNS
#endif
#define v_set(x) (x)
#define v_zero() REAL(0)
#define v_neg(a) (-(a))
#define v_fnma(a, b, c) v_fma(-(a), b, c)
#define v_fms(a, b, c) v_fma(a, b, -(c))
#define v_load(p) (*(p))
#define i_set(x) ((ivec)(x))
#define i_mask(comparison) ((ivec)0 - (ivec)(comparison))
#define EACH_SPAN(cols, k, n, s, ...) \\
    for (long k = 0; k < (cols); k++) { \\
        const long n = 1, s = k % SPAN_VECS; \\
        (void)n; \\
        __VA_ARGS__; \\
    }

"""

# The words that are functions; only those that are used are written.
_HELPERS = """\
INLINE ivec i_of(vec v) {
    union { real v; ivec i; } u;
    u.v = v;
    return u.i;
}
INLINE vec v_of(ivec i) {
    union { real v; ivec i; } u;
    u.i = i;
    return u.v;
}
/* By bits: a condition would keep compilers from turning the loop around it into vectors. */
INLINE vec v_select(ivec m, vec a, vec b) { return v_of((i_of(a) & m) | (i_of(b) & ~m)); }
INLINE vec v_max(vec a, vec b) { return v_select(i_mask(a > b), a, b); }
INLINE vec v_min(vec a, vec b) { return v_select(i_mask(a < b), a, b); }
INLINE vec v_abs(vec a) { return v_of(i_of(a) & ~I_SIGN); }
INLINE ivec FN(first)(long n) { return i_mask(n > 0); }
INLINE vec FN(only)(vec v, long n) { return n > 0 ? v : v_zero(); }
INLINE real FN(largest)(vec v) { return v; }
INLINE void FN(put)(real *p, vec v, long n, int exact) {
    (void)n, (void)exact;
    *p = v;
}
INLINE void FN(clear)(vec *s) {
    for (int i = 0; i < SPAN_VECS; i++) s[i] = 0;
}
INLINE real FN(fold)(vec *s) {
    for (int half = SPAN_VECS / 2; half >= 1; half /= 2)
        for (int i = 0; i < half; i++) s[i] = s[i] + s[i + half];
    return s[0];
}
"""


def _fill(template: str, values: dict[str, Any]) -> str:
    return re.sub(r"@(\w+)@", lambda match: str(values[match[1]]), template)


# ---- the core's text -------------------------------------------------------------------------------------------------


def _source(name: str) -> str:
    """A file of csrc: from the installed package, or from the repository that it is built in."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.path.join(here, "_csrc"), os.path.join(here, "..", "..", "csrc")):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    raise FileNotFoundError(f"this installation of nncore lacks csrc/{name}, which export_c writes from")


def _functions(activations: Iterable[str], bits: int) -> Iterator[str]:
    """The text of these activations' functions and of everything they use, in the order of the source."""
    text = _HELPERS + _source("vmath.h") + _source("ops/activations.h")
    text = _of_type(text, bits)
    aliases = dict(re.findall(r"^#define (v_\w+) FN\((\w+)\)$", text, re.MULTILINE))
    constants = {
        match[1]: match[0] for match in re.finditer(r"^#define ([A-Z]\w*)\b(?:\([^)]*\))? [^\n]*\n", text, re.M)
    }
    units = {match[2] or match[3]: match[0] for match in _UNIT.finditer(text)}
    wanted: set[str] = set()
    rows = _kernels.activations()
    todo = [f"{name}_row" if rows[name].rowwise else f"{name}_value" for name in activations]
    while todo:
        name = todo.pop()
        name = aliases.get(name, name)
        if name in wanted:
            continue
        wanted.add(name)
        code = re.sub(r"/\*.*?\*/", "", units.get(name) or constants.get(name, ""), flags=re.DOTALL)
        used = re.findall(r"FN\((\w+)\)|\b([vi]_\w+|[A-Z]\w*)\b", code)
        todo += [word for pair in used for word in pair if word in units or word in aliases or word in constants]
    yield "".join(line for name, line in constants.items() if name in wanted) + "\n"
    named = {target: alias for alias, target in aliases.items()}
    for name, unit in units.items():
        if name in wanted:
            yield unit + (f"#define {named[name]} FN({name})\n" if name in named else "") + "\n"


# A comment or none, and a function: either on one line, or up to a brace in the first column.
_UNIT = re.compile(
    r"(/\*(?:(?!\*/).)*\*/\n)?INLINE [^\n(]*?(?:FN\((\w+)\)|(\w+))\([^{;]*\{(?:[^\n]*\}\n|.*?^\}\n)",
    re.MULTILINE | re.DOTALL,
)


def _of_type(text: str, bits: int) -> str:
    """`text` as the preprocessor leaves it where it asks for NNC_REAL, and nothing else."""
    kept: list[str] = []
    stack: list[bool | None] = []  # None: another condition, which is dropped while its text stays
    for line in text.splitlines(keepends=True):
        word = re.match(r"\s*#\s*(if\w*|else|endif)\b(.*)", line)
        if word is None:
            if all(state is not False for state in stack):
                kept.append(line)
        elif word[1].startswith("if"):
            asked = re.fullmatch(r" NNC_REAL == (\d+)\s*", word[2])
            stack.append(int(asked[1]) == bits if asked else None)
        elif word[1] == "else":
            stack[-1] = None if stack[-1] is None else not stack[-1]
        else:
            stack.pop()
    return "".join(kept)
