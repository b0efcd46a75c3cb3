"""Builds against the installed nncore: python setup.py build_ext --inplace, then python -c "import scorer".

Needs a C compiler and setuptools: pip install setuptools.
"""

from setuptools import Extension, setup

import nncore

setup(name="scorer", ext_modules=[Extension("scorer", ["scorer.c"], include_dirs=[nncore.get_include()])])
