"""The documentation: its examples run, its pages hold together, and it builds without a warning."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nncore.initializers import INITIALIZERS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [path for path in sorted([*DOCS.rglob("*.md")]) if not {"_build", "_generated"} & set(path.parts)]

pytestmark = pytest.mark.skipif(not PAGES, reason="not in a checkout")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_examples(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "\n".join(re.findall(r"^```python\n(>>> .*?)^```$", path.read_text("utf-8"), re.M | re.S))
    test = doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0)
    out = []
    doctest.DocTestRunner(verbose=False).run(test, out=out.append)
    assert not out, "".join(out)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_public_name_is_in_the_reference():
    import nncore

    text = (DOCS / "reference.md").read_text("utf-8")
    missing = [name for name in nncore.__all__ if not re.search(rf"\b{name}\b", text)]
    assert not missing, f"docs/reference.md lacks {', '.join(missing)}"


def test_it_builds_without_warnings(tmp_path):
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", tmp_path / "trees"]
    done = subprocess.run([*command, DOCS, tmp_path / "html"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "guides" / "training.html").read_text("utf-8")
    assert "leaky_relu" in page and "AdamW" in page  # the tables that are made from the core's rows
    page = (tmp_path / "html" / "reference.html").read_text("utf-8")
    assert all(row.source in page for row in INITIALIZERS.values())
