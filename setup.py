"""Builds the compiled part. Everything else stands in pyproject.toml.

Environment switches (unset for a release build):
    NNCORE_DEBUG=1      bounds and null checks in Cython, -O1 -g
    NNCORE_WERROR=1     warnings of the C compiler are errors
    CC=clang            another compiler
"""

import os
import sys
from glob import glob

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("NNCORE_DEBUG") == "1"

# -ffp-contract=off: a product and a sum are fused only where the source says so, so that every ISA rounds alike.
C_FLAGS = ["-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-Wall", "-Wextra"]
C_FLAGS += ["-O1", "-g"] if DEBUG else ["-O3", "-g0"]
C_FLAGS += ["-Werror"] if os.environ.get("NNCORE_WERROR") == "1" else []
LINK_FLAGS = ["-Wl,-s"] if sys.platform == "linux" and not DEBUG else []


def head(path, size=10_000):
    with open(path, encoding="utf-8") as file:
        return file.read(size)


# Nothing that another kind of build left is used again: neither C nor objects. Cython writes the flags at the top of its C.
FORCE = DEBUG or any('"-O1"' in head(path) for path in glob("src/nncore/*.c"))

HEADERS = glob("csrc/**/*.h", recursive=True) + glob("src/nncore/**/*.h", recursive=True)


def extension(name, sources=()):
    return Extension(
        f"nncore.{name}",
        [f"src/nncore/{name}.pyx", *sources],
        include_dirs=["csrc", "src/nncore/include", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=C_FLAGS,
        extra_link_args=[*LINK_FLAGS, "-pthread"],
        depends=HEADERS,
    )


# as many compilers at a time as there are CPUs; `build_ext --parallel N` has the last word
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

C_SOURCES = sorted([*glob("csrc/*.c"), *glob("csrc/isa/*.c")])
MODULES = [os.path.basename(path)[:-4] for path in sorted(glob("src/nncore/*.pyx"))]

setup(
    ext_modules=cythonize(
        [extension(name, C_SOURCES if name == "_kernels" else ()) for name in MODULES],
        include_path=["src"],
        force=FORCE,
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "initializedcheck": DEBUG,
            "nonecheck": DEBUG,
            "cdivision": True,
            "embedsignature": True,
            "freethreading_compatible": True,
        },
    ),
    options={"build_ext": {"parallel": min(JOBS, 8), "force": FORCE}},
)
