"""Builds against the installed nncore: python setup.py build_ext --inplace, then python -c "import ranker".

Needs a C compiler, Cython and setuptools: pip install cython setuptools.
"""

from Cython.Build import cythonize
from setuptools import Extension, setup

import nncore

setup(
    name="ranker",
    ext_modules=cythonize(
        [Extension("ranker", ["ranker.pyx"], include_dirs=[nncore.get_include()])],
        compiler_directives={"language_level": 3, "boundscheck": False, "freethreading_compatible": True},
    ),
)
