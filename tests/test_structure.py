"""The order of the house: who may include or import whom, read from the files' own lines.

C lists -> tiles -> instruction sets -> table -> _kernels -> _product, _share -> _forward, _backward, _update (never each
other) -> _team, _plan -> _engine, _predictor -> network -> __init__. A file may use what stands below it and nothing beside
or above it.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nncore

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "nncore"
CSRC = ROOT / "csrc"

# Floors of the package, lowest first. A module imports from lower floors, and from its own only where a set says so.
FLOORS = [
    {"_kernels", "_arrays", "_turn", "reference", "history", "tables"},
    {"values", "outer_limits"},
    {"arrays", "text_curve"},
    {"targets"},
    {"checks"},
    {"_arena", "initializers", "optimizers", "progress", "metrics", "parameter_names", "drawing", "core_text"},
    {"_product", "_plan", "_share"},
    {"_forward", "_backward", "_update", "layers", "gradients", "datasets", "validation", "choices"},
    {"_team", "_jacobian", "shape"},
    {"_engine"},
    {"_predictor", "_trace", "inside", "loss_at"},
    {"network", "trace", "numeric", "search"},
    {"trainer", "formats"},
    {"export"},
    {"__init__"},
    {"learn"},
    {"cli"},
    {"__main__"},
]
FLOOR = {module: i for i, floor in enumerate(FLOORS) for module in floor}
FOLDERS = {"datasets", "learn", "reference"}  # modules that are a folder of files


def _sources():
    files = [
        *PACKAGE.glob("*.py"),
        *PACKAGE.glob("*.pyx"),
        *PACKAGE.glob("*.pxd"),
        *(path for folder in FOLDERS for path in (PACKAGE / folder).glob("*.py")),
    ]
    return sorted(files)


def _name(path):
    return path.parent.name if path.parent.name in FOLDERS else path.stem


def _imports(path):
    """(module of the package, whether only a type checker or a call gets there) for each import line."""
    if path.suffix == ".py":
        return _python_imports(path)
    found = []
    for line in path.read_text("utf-8").splitlines():
        match = re.match(r"(\s*)from\s+(?:nncore)?\.?(\w*)\s+c?import\s+(.+)", line)
        if match and ("nncore" in line or line.lstrip().startswith("from .")):
            names = [match[2]] if match[2] else [name.split()[0].strip("(") for name in match[3].split(",")]
            found += [(name, bool(match[1])) for name in names]
    return found


def _python_imports(path):
    tree = ast.parse(path.read_text("utf-8"))
    level = 2 if path.parent.name in FOLDERS else 1
    later = {
        id(node) for scope in ast.walk(tree) if isinstance(scope, (ast.FunctionDef, ast.If)) for node in ast.walk(scope)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == level:
            names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            found += [(name, id(node) in later) for name in names]
        elif isinstance(node, ast.Import):
            found += [("__init__", id(node) in later) for alias in node.names if alias.name.split(".")[0] == "nncore"]
    return found


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    name = _name(path)
    assert name in FLOOR, f"{path.name} has no floor: enter it in FLOORS"
    for used, later in _imports(path):
        assert used in FLOOR, f"{path.name} imports {used}, which has no floor"
        if used == name or later:  # its own .pxd; an import within a function or for type checkers makes no circle
            continue
        assert FLOOR[used] < FLOOR[name], f"{path.name} imports {used}, which stands beside or above it"


def test_the_three_loops_never_meet():
    for path in (path for stem in ("_forward", "_backward", "_update") for path in PACKAGE.glob(f"{stem}.p*")):
        used = {name for name, _ in _imports(path)} - {path.stem}
        assert not used & {"_forward", "_backward", "_update", "_engine", "_predictor"}, path.name


def test_the_core_is_declared_in_one_place():
    """The only cdef extern for the C core is _kernels'; the public nncore.h, numpy's headers and inline C are none of it."""
    for path in [*PACKAGE.glob("*.pyx"), *PACKAGE.glob("*.pxd")]:
        if path.name != "_kernels.pxd":
            assert not re.search(r'extern from "(?!nncore\.h)(nnc|plan)', path.read_text("utf-8")), path.name


# ---- C ---------------------------------------------------------------------------------------------------------------

# What each C file may include of this project, by folder or name; system headers are free.
C_RULES = [
    (r"ops/lists\.h", r"(ops/)?(activations|losses|optimizers)\.h"),
    (r"ops/.*\.h", r"nothing"),
    (r"words(_end)?\.h|vmath\.h", r"nothing"),
    (r"kernels/tiles\.h", r"(\.\./)?(words|words_end|vmath)\.h|(\.\./)?ops/.*\.h|(kernels/)?\w+\.h"),
    (r"kernels/.*\.h", r"(\.\./)?(kernels/)?\w+\.h|(\.\./)?ops/.*\.h"),
    (r"isa/.*\.c", r"(\.\./)?nnc\.h|(\.\./)?kernels/tiles\.h"),
    (r"nnc\.h", r"ops/lists\.h"),
    (r"registry\.c", r"nnc\.h|ops/.*\.h"),
    # the public header, nncore.h, lies in the package, where other programs find it
    (r"\w+\.[hc]", r"\w+\.h|(\.\./src/nncore/include/)?nncore\.h"),
]
C_FILES = sorted([*CSRC.rglob("*.h"), *CSRC.rglob("*.c")])


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: str(path.relative_to(CSRC)))
def test_includes_go_one_way(path):
    name = path.relative_to(CSRC).as_posix()
    allowed = next((rule for files, rule in C_RULES if re.fullmatch(files, name)), None)
    assert allowed is not None, f"csrc/{name} has no rule: enter it in C_RULES"
    for used in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text("utf-8"), re.MULTILINE):
        assert re.fullmatch(allowed, used), f"csrc/{name} may not include {used}"


def test_the_core_knows_no_python():
    for path in C_FILES:
        assert "Python.h" not in re.findall(r"#\s*include\s+<(.+)>", path.read_text("utf-8")), path


def test_no_tile_and_no_list_names_an_instruction_set():
    intrinsics = re.compile(r"\b(_mm\d*_\w+|__m(128|256|512)\w*|v\w+q_f(32|64)|(float32x4|float64x2)_t)\b")
    for path in [*CSRC.glob("kernels/*.h"), *CSRC.glob("ops/*.h"), CSRC / "words.h", CSRC / "vmath.h"]:
        assert not intrinsics.search(path.read_text("utf-8")), path.name


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [p for p in _sources() if p.suffix == ".py"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_module_says_what_it_is(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), path.name


def test_optional_packages_are_imported_when_used():
    """tqdm waits until it is needed; what is an extra is never imported at the top."""
    for path in _sources():
        if path.suffix != ".py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                assert name.split(".")[0] not in {"tqdm", "safetensors", "sklearn", "torch", "onnx", "matplotlib"}, (
                    path.name
                )


def test_import_brings_in_nothing_that_can_wait():
    """`import nncore` costs at most 20 ms beyond numpy; these would take most of it, and are imported when used."""
    code = "import sys, numpy; before = set(sys.modules); import nncore; print(*sorted(set(sys.modules) - before))"
    environment = {**os.environ, "PYTHONPATH": str(Path(nncore.__file__).resolve().parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    heavy = {
        "tqdm",
        "safetensors",
        "argparse",
        "json",
        "gzip",
        "importlib.resources",
        "difflib",
        "numpy.random",
        "sklearn",
    }
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("_*.pyi")), ids=lambda path: path.stem)
def test_stubs_say_what_the_compiled_modules_have(path):
    module = importlib.import_module(f"nncore.{path.stem}")
    for node in ast.parse(path.read_text("utf-8")).body:
        names = [node.name] if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else []
        for name in [name for name in names if not name.startswith("_")]:
            assert hasattr(module, name), f"{path.name} has {name}, the module has not"
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef):
                    assert hasattr(getattr(module, name), inner.name), f"{path.name} has {name}.{inner.name}"


def test_the_stub_of_the_public_class_is_whole():
    tree = ast.parse((PACKAGE / "_predictor.pyi").read_text("utf-8"))
    stub = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Predictor")
    told = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert {name for name in dir(nncore.Predictor) if not name.startswith("_")} <= told | {"layers"}
