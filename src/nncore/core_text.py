"""The core's own text for exported C: activations cut from csrc, in a vocabulary of one lane instead of vectors.

The functions that a network needs, and what those use, come from ``csrc/vmath.h`` and ``csrc/ops/activations.h`` as they
stand there; `_WORDS` and `_HELPERS` are the words that csrc/words.h lists, for one number at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from . import _kernels

SPAN = 32  # csrc/words.h: chains of summation of a single output

# nncore's vocabulary of vector words (csrc/words.h), for one lane.
_WORDS = """\
#include <float.h>
#include <stdint.h>

/* A product and a sum are fused where v_fma says so and nowhere else, or rounding would not be nncore's. gcc does not
 * know the pragma: for it, -ffp-contract=off or -std=c99. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

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


def fill(template: str, values: dict[str, Any]) -> str:
    """`template` with each @name@ replaced."""
    return re.sub(r"@(\w+)@", lambda match: str(values[match[1]]), template)


def vocabulary(bits: int) -> str:
    """The words for numbers of 32 or 64 bits."""
    single = bits == 32
    return fill(_WORDS, {
        "real": "float" if single else "double", "bits": bits, "span": SPAN, "max": "FLT" if single else "DBL",
        "fma": "fmaf" if single else "fma", "mantissa": 23 if single else 52, "bias": 127 if single else 1023,
        "rounder": "12582912.0f" if single else "6755399441055744.0",
    })  # fmt: skip


def _source(name: str) -> str:
    """A file of csrc: from the installed package, or from the repository that it is built in."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.path.join(here, "_csrc"), os.path.join(here, "..", "..", "csrc")):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    raise FileNotFoundError(f"this installation of nncore lacks csrc/{name}, which export_c writes from")


def functions(activations: Iterable[str], bits: int) -> Iterator[str]:
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
