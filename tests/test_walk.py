"""The walk from the ground up: in the terminal, as a page and as a notebook, all from one text, all run.

What a block prints must be what the page and the notebook show: exactly; or, where a block says so, nearly (approx)
or in all but its numbers (varies). After a change of the text or of what it shows: ``python -m nncore.learn.publish``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nncore.learn import Code, Text, can_plot, parse, publish, run, steps
from nncore.learn.markdown_text import coloured, render

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / publish.PAGE
NOTEBOOK = ROOT / "examples" / "from-the-ground-up.ipynb"
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
REMEDY = "the walk has changed: run python -m nncore.learn.publish"

needs_matplotlib = pytest.mark.skipif(not can_plot(), reason="matplotlib is not installed")
published = pytest.mark.skipif(not PAGE.exists(), reason="not in a checkout")


def same(code, got, expected):
    """Whether what a block printed here is what was published."""
    got, expected = publish._trimmed(got), publish._trimmed(expected)
    if "varies" in code.words:
        return re.sub(r"\W+", "", publish.skeleton(got)) == re.sub(r"\W+", "", publish.skeleton(expected)) or (
            "isa()" in code.source
        )
    if "approx" not in code.words:
        return got == expected
    a, b = ([float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (got, expected))
    return len(a) == len(b) and all(abs(x - y) <= 0.05 * abs(y) + 3 for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def walked():
    """Every block of every step with what it does here and now."""
    pytest.importorskip("matplotlib")
    return publish.executed()


# ---- the text --------------------------------------------------------------------------------------------------------


def test_eight_steps_and_their_subjects():
    titles = [step.title for step in steps()]
    assert [step.number for step in steps()] == list(range(9)) and len(titles) == 9
    for number, word in enumerate(["weight", "guess", "slope", "updat", "4-2-1", "line", "digit", "core"], start=1):
        assert word in titles[number].lower()
    for step in steps()[1:]:
        text = " ".join(block.markdown for block in step.blocks if isinstance(block, Text))
        assert "### In the compiled core" in text or step.number == 8
        assert any(isinstance(block, Code) and not block.plot for block in step.blocks)


def test_the_numbers_of_the_article(walked):
    def printed(number):
        return " ".join(result.printed for result in walked[number][1] if result)

    assert "[0. 2. 4. 6. 8.]" in printed(1)
    rows = [line.split() for line in printed(1).splitlines() if line.split()[:1] in (["0"], ["1"], ["2"], ["3"], ["4"])]
    assert [row[2] for row in rows] == ["0", "2", "4", "6", "8"]  # predictions
    assert [row[-1] for row in rows] == ["0", "4", "16", "36", "64"]  # squared errors
    assert re.search(r"sum +120$", printed(1), re.M)
    for number in ("119.988", "120.012", "-120", "270", "[[-120.]]"):
        assert number in printed(3)
    steps_taken = re.findall(r"weight (\d\.\d+), loss (\S+)", printed(4))
    assert float(steps_taken[-1][1]) <= 1e-6 < float(steps_taken[-2][1]) and round(float(steps_taken[-1][0]), 3) == 4
    assert "stopped by stop_loss" in printed(4) and "weight [4.]" in printed(4) and "diverged" in printed(4)
    assert "[[1. 2. 3. 4.]]" in printed(5)
    assert "[0.5 0.5 0.5 0.5]" in printed(6) and "[0. 1. 1. 0.]" in printed(6)
    assert float(re.findall(r"([\d.]+)% right", printed(7))[-1]) >= 96
    assert "below one millionth: True" in printed(8)


def test_every_step_stands_by_itself():
    # names that a step uses are its own: each starts from an empty namespace, as `--step N` does
    for step in steps()[1:]:
        first = next(block for block in step.blocks if isinstance(block, Code))
        assert "import nncore as nn" in first.source


def test_pictures_leave_nothing_behind():
    # without matplotlib they are left out, so no block may need what a picture's block made
    for step in steps()[1:]:
        if step.number in (3, 4, 5, 6, 7):
            namespace = {}
            for block in step.blocks:
                if isinstance(block, Code) and not block.plot and "varies" not in block.words:
                    run(block, namespace)


def test_words_after_python():
    assert parse(1, '# T\n```python plot=a "Two words"\nx = 1\n```\n').blocks == [
        Code("x = 1\n", frozenset(), "a", "Two words")
    ]
    with pytest.raises(ValueError, match="unknown word after python: sometimes"):
        parse(1, "# T\n```python sometimes\nx = 1\n```\n")


# ---- the page and the notebook ---------------------------------------------------------------------------------------


@published
@needs_matplotlib
def test_the_page_shows_what_happens(walked):
    parts = re.split(r"^```(python|text)\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.M | re.S)
    fences = list(zip(parts[1::3], parts[2::3], strict=True))
    at = 0
    for step, results in walked:
        for block, result in zip(step.blocks, results, strict=True):
            if isinstance(block, Text):
                assert block.markdown in PAGE.read_text("utf-8"), REMEDY
                continue
            assert fences[at] == ("python", block.source), REMEDY
            at += 1
            if result.printed:
                shown = fences[at][1]
                words = f"{REMEDY}\nstep {step.number}:\n{block.source}\npublished:\n{shown}\nnow:\n{result.printed}"
                assert fences[at][0] == "text" and same(block, result.printed, shown), words
                at += 1
            if block.plot:
                assert (PAGE.parent / "images" / "ground-up" / f"{step.number}-{block.plot}.png").stat().st_size > 1000
                assert len(result.figures) == 1
    assert at == len(fences)


@published
@needs_matplotlib
def test_the_notebook_runs_and_is_the_same_text():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    blocks = [block for step in steps() for block in [Text(""), *step.blocks]]
    assert len(cells) == len(blocks)
    namespace = {}
    for cell, block in zip(cells, blocks, strict=True):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            assert isinstance(block, Text) and (block.markdown in source), REMEDY
            continue
        assert source == block.source.rstrip("\n"), REMEDY
        result = run(Code(source, block.words, block.plot), namespace)  # one namespace for all, as in a kernel
        shown = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
        assert same(block, result.printed, shown), f"{REMEDY}\n{source}\n{shown}\n{result.printed}"
        pictures = [output for output in cell["outputs"] if "image/png" in output.get("data", {})]
        assert len(pictures) == len(result.figures) == bool(block.plot)


@published
def test_the_notebook_is_a_notebook():
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))


# ---- the terminal ----------------------------------------------------------------------------------------------------


def nncore(*arguments, cwd, text=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nncore", *arguments],
        cwd=cwd, input=text, capture_output=True, text=True, encoding="utf-8", timeout=300,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )  # fmt: skip


@needs_matplotlib
def test_learn_all(tmp_path):
    done = nncore("learn", "--all", "--plots", "pictures", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    for step in steps():
        assert step.title in done.stdout
    for block in (block for step in steps() for block in step.blocks if isinstance(block, Code) and not block.plot):
        assert block.source.splitlines()[0] in done.stdout
    assert "\x1b" not in done.stdout and "Enter" not in done.stdout  # not a terminal: no colours, no waiting
    blocks = [(step.number, block) for step in steps() for block in step.blocks if isinstance(block, Code)]
    names = {f"{number}-{block.plot}.png" for number, block in blocks if block.plot}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    for needed in ("119.988", "120.012", "270.0", "picture saved", "nncore demo"):
        assert needed in done.stdout


def test_one_step_without_pictures(tmp_path):
    done = nncore("learn", "--step", "3", "--no-plots", cwd=tmp_path)
    assert done.returncode == 0 and "The slope" in done.stdout and "One weight" not in done.stdout
    assert "nncore learn --step 4" in done.stdout and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", ["0", "9", "x"])
def test_no_such_step(wrong, tmp_path):
    done = nncore("learn", "--step", wrong, cwd=tmp_path)
    assert done.returncode in (1, 2) and done.stdout == "" and "Traceback" not in done.stderr


def test_paced_by_enter_in_a_terminal(tmp_path):
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(sys.executable, ["-m", "nncore", "learn", "--step", "1", "--no-plots"], cwd=str(tmp_path),
                          encoding="utf-8", timeout=60, dimensions=(40, 100))  # fmt: skip
    child.expect("One weight")
    child.expect("Enter to go on")
    assert "\x1b[1;34m" in child.before or "\x1b[36m" in child.before  # colours
    assert "sum of squared errors" not in child.before  # it waits
    child.sendline("")
    child.expect("Enter to go on")
    child.sendline("q")
    child.expect("nncore learn --step 1")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


# ---- Markdown as text ------------------------------------------------------------------------------------------------


def test_markdown_wraps_without_its_marks():
    text = "A **very bold** word, `some code here`, and *leaning* ones, over more than one line of text."
    lines = render(text, 40).splitlines()
    assert max(map(len, lines)) <= 40 and "*" not in "".join(lines) and "`" not in "".join(lines)
    bare = re.sub(r"\x1b\[[\d;]*m", "", render(text, 40, coloured))
    assert bare.splitlines() == lines
    assert "\x1b[1mvery\x1b[0m" in render(text, 40, coloured)


def test_markdown_blocks():
    assert render("> quoted\n> text", 40) == "  | quoted text"
    assert render("- one\n- two\n  more", 40) == "  - one\n  - two more"
    assert render("    a = b", 40) == "    a = b"
    assert render("| | |\n|---|---|\n| a | b |\n| cc | d |", 40).splitlines() == ["  a   b", "  cc  d"]
