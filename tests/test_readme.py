"""The README: its examples run, and what it says is there is there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert tried > 10
    assert failed == 0


@pytest.mark.parametrize("folder", re.findall(r"^\| `([\w/.]+)`", README.read_text(encoding="utf-8"), re.M))
def test_folders_of_the_map(folder):
    assert (ROOT / folder).exists()


def test_both_commands():
    text = README.read_text(encoding="utf-8")
    assert "\npip install . && nncore demo\n" in text
    assert '\npip install ".[test]" && pytest\n' in text
