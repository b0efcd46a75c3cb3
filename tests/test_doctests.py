"""Every example in the documentation of the package runs and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import nncore

MODULES = ["nncore", *(module.name for module in pkgutil.walk_packages(nncore.__path__, "nncore."))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    with np.printoptions():
        failed, _ = doctest.testmod(module)
    assert failed == 0
