"""The walk from the ground up: in the terminal, as a page and as a notebook, all from one text, all run.

What a block prints must be what the page and the notebook show: exactly; or, where a block says so, nearly (approx)
or in all but its numbers (varies). After a change of the text or of what it shows: ``python -m nncore.learn.publish``.
"""

from __future__ import annotations

import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nncore.learn import Code, Text, can_plot, parse, publish, run, steps, terminal
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


def test_nine_steps_and_their_subjects():
    titles = [step.title for step in steps()]
    words = ["weight", "guess", "slope", "updat", "4-2-1", "line", "digit", "recommend", "core"]
    assert [step.number for step in steps()] == list(range(10)) and len(titles) == 10
    for number, word in enumerate(words, start=1):
        assert word in titles[number].lower()
    for step in steps()[1:]:
        text = " ".join(block.markdown for block in step.blocks if isinstance(block, Text))
        assert "### In the compiled core" in text or step.number == 9
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
    assert "below one millionth: True" in printed(9)


def test_the_numbers_that_come_back(walked):
    printed = " ".join(result.printed for result in walked[5][1] if result)
    assert "[-4.] [-8. -4.] [ -4. -16.  -4. -16.]" in printed  # by hand, to each row of nodes
    assert "0   -4      -8      -4     -4    -16     -4    -16" in printed  # by the core
    printed = " ".join(result.printed for result in walked[6][1] if result)
    tanh = np.tanh(0.5)
    back = 2 * 2 * tanh * 2 * (1 - tanh**2)
    assert f"{1 - tanh**2:.4f}, by nudging {1 - tanh**2:.4f}" in printed
    assert f"weight {2 * back:.4f}, bias {back:.4f}" in printed
    assert f"the core: [{2 * back:.4f} {back:.4f} {4 * tanh * tanh:.4f} {4 * tanh:.4f}]" in printed


def test_ann_is_recommended_what_she_likes(walked):
    namespace = {}
    for block in walked[8][0].blocks:
        if isinstance(block, Code) and "varies" not in block.words:
            run(block, namespace)
    films, answers = namespace["ranked"](namespace["ann"])
    assert [film // 6 for film in films] == [0] * 4 + [1] * 4 + [2] * 4  # comedies, westerns, thrillers
    assert not namespace["seen"][namespace["ann"], films].any() and (np.diff(answers) <= 0).all()
    assert np.mean(namespace["hits"]) > 0.85 > 2 * namespace["chance"] - 0.15


@pytest.mark.parametrize("name", ["node", "parameter", "derivative", "stochastic gradient descent", "accuracy",
                                  "natural logarithm", "avx512", "embedding", "bias"])  # fmt: skip
def test_words_are_explained_before_the_code_prints_them(name):
    # the text says what it is before a block's code or output has it
    for step in steps():
        for block in step.blocks:
            if isinstance(block, Text):
                if name in " ".join(block.markdown.lower().split()):
                    return
            else:
                shown = block.source if block.plot else block.source + run_alone(step, block)
                assert not re.search(rf"(?<![.\w\"]){name}\b(?!=)", shown), f"step {step.number}: {name}"
    raise AssertionError(f"no step explains {name}")


@functools.cache
def outputs(number):
    namespace = {}
    blocks = steps()[number].blocks
    return {id(b): run(b, namespace).printed for b in blocks if isinstance(b, Code) and not b.plot}


def run_alone(step, block):
    return outputs(step.number)[id(block)]


def test_code_and_output_fit_on_a_screen_of_80_columns():
    for step in steps():
        for block in step.blocks:
            if isinstance(block, Code):
                lines = block.source.splitlines() + (run_alone(step, block).splitlines() if not block.plot else [])
                assert max(map(len, lines)) <= 75, f"step {step.number}: {max(lines, key=len)}"


def test_every_step_stands_by_itself():
    # names that a step uses are its own: each starts from an empty namespace
    for step in steps()[1:]:
        first = next(block for block in step.blocks if isinstance(block, Code))
        assert "import nncore as nn" in first.source


def test_pictures_leave_nothing_behind():
    # without matplotlib they are left out, so no block may need what a picture's block made
    for step in steps()[1:]:
        if step.number in (3, 4, 5, 6, 7, 8):
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
            assert isinstance(block, Text) and publish.from_examples(block.markdown) in source, REMEDY
            for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", source):
                assert (NOTEBOOK.parent / target).exists(), target
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
    assert "Next: Updating by a fraction.  nncore learn 4" in done.stdout and list(tmp_path.iterdir()) == []


def test_from_a_step_to_the_end(tmp_path):
    done = nncore("learn", "7", "--no-plots", cwd=tmp_path)
    assert done.returncode == 0
    titles = re.findall(r"^(\d)\. .*\n=+$", done.stdout, re.M)
    assert titles == ["7", "8", "9"] and "The end of the walk" in done.stdout


@pytest.mark.parametrize(
    "wrong", [("--step", "0"), ("--step", "10"), ("--step", "x"), ("0",), ("10",), ("x",), ("2", "--step", "3")]
)
def test_no_such_step(wrong, tmp_path):
    done = nncore("learn", *wrong, cwd=tmp_path)
    assert done.returncode in (1, 2) and done.stdout == "" and "Traceback" not in done.stderr
    assert "10" not in wrong or "the steps are 1 to 9" in done.stderr


@pytest.fixture
def in_terminal(tmp_path):
    """Starts ``nncore learn`` in a terminal of its own."""
    pexpect = pytest.importorskip("pexpect")
    children = []

    def start(*arguments, **environment):
        inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        child = pexpect.spawn(sys.executable, ["-m", "nncore", "learn", *arguments], cwd=str(tmp_path),
                              encoding="utf-8", timeout=60, dimensions=(40, 100),
                              env={**inherited, "TERM": "xterm", **environment})  # fmt: skip
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def ends(child):
    import pexpect

    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return child.before


def test_paced_by_enter_in_a_terminal(in_terminal):
    child = in_terminal("--step", "1", "--no-plots")
    child.expect("One weight")
    child.expect("Enter to go on")
    assert "\x1b[1;34m" in child.before or "\x1b[36m" in child.before  # colours
    assert "sum of squared errors" not in child.before  # it waits
    child.sendline("")
    child.expect("Enter to go on")
    child.sendline("q")
    assert re.search(r"goes on with:  nncore learn 1\s*$", ends(child))


def test_stopping_names_the_place_to_go_on(in_terminal):
    child = in_terminal("1", "--no-plots")
    for _ in range(3):
        child.expect("Enter to go on")
        child.sendline("")
    child.expect("2. Guessing")  # so the third was at the end of step 1
    child.close(force=True)
    child = in_terminal("1", "--no-plots")
    for answer in ("", "", "q"):
        child.expect("Enter to go on")
        child.sendline(answer)
    assert re.search(r"goes on with:  nncore learn 2\s*$", ends(child))
    child = in_terminal("--no-plots")  # after the introduction
    child.expect("Enter to go on")
    child.sendeof()
    assert re.search(r"goes on with:  nncore learn 1\s*$", ends(child))


def test_no_waiting_where_nothing_follows(in_terminal):
    child = in_terminal("--step", "1", "--no-plots")
    for _ in range(2):
        child.expect("Enter to go on")
        child.sendline("")
    assert "Enter" not in (rest := ends(child)) and re.search(r"Next: Guessing.  nncore learn 2\s*$", rest)
    child = in_terminal("9", "--no-plots")
    prompts = 0
    while child.expect(["Enter to go on", "The end of the walk"]) == 0:
        prompts += 1
        child.sendline("")
    pieces = sum(isinstance(block, Code) for block in steps()[9].blocks)
    assert prompts == pieces and "Enter" not in ends(child)  # text is last there, and not waited for


@pytest.mark.parametrize(
    ("environment", "colours"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_not_forced_on_anyone(in_terminal, environment, colours):
    child = in_terminal("--step", "2", "--all", "--no-plots", **environment)
    assert ("\x1b[" in ends(child)) == colours


def test_a_narrow_screen(tmp_path):
    done = nncore("learn", "--all", "--no-plots", cwd=tmp_path, COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80
    narrow = nncore("learn", "--step", "3", "--no-plots", cwd=tmp_path, COLUMNS="60").stdout
    printed = narrow.split("show=True)\n")[1].split("At 2.0001")[0]
    assert max(map(len, printed.splitlines())) <= 60 and printed.split()[-1] == "-120"


def test_long_lines_of_output_are_wrapped():
    line = "  worst W1[0, 0]: -120 and -120, error 3.7e-13, allowed 1e-06"
    assert terminal.wrapped(line, 100) == [line] and terminal.wrapped("", 20) == [""]
    parts = terminal.wrapped(line, 30)
    assert max(map(len, parts)) <= 30 and all(part.startswith("  ") for part in parts)
    assert " ".join(parts).split() == line.split()
    assert terminal.wrapped("x" * 50, 20)[0] == "x" * 20


def test_characters_that_the_output_lacks(tmp_path):
    done = nncore("learn", "--all", "--no-plots", cwd=tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stderr == "" and done.stdout.isascii()
    assert "(e + h x)^2 = e^2 + 2 e x h + x^2 h^2" in done.stdout and "2 x error x x" in done.stdout
    assert re.search(r"nncore +[\d.]+ us a step", done.stdout)
    for block in (block for step in steps() for block in step.blocks if isinstance(block, Text)):
        assert terminal.spelled(block.markdown, "ascii").count("?") == block.markdown.count("?")  # each has a spelling
    assert terminal.spelled("2 × 3² µ ü", "ascii") == "2 x 3^2 u ?"
    assert terminal.spelled("2 × 3² µ ü", "utf-8") == terminal.spelled("2 × 3² µ ü", None) == "2 × 3² µ ü"
    assert terminal.spelled("2 × 3² µ", "cp437") == "2 x 3² µ"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("streams", [">&-", ">&- 2>&-", "<&- >&-", "<&- | cat", "| head -n 1"])
def test_without_an_output(streams, tmp_path):
    command = f"'{sys.executable}' -m nncore learn --step 1 --no-plots {streams}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr and "Error" not in done.stderr
    assert done.returncode == 0 and done.stderr == ""


def test_a_closed_output(monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(OSError, match="no standard output"):
            terminal.walk(1, plots=None)


@pytest.mark.parametrize("place", ["a-file", "a-file/inside", "a-dead-link", "/proc/nothing", "/dev/null"])
def test_pictures_that_cannot_be_saved_are_refused_first(place, tmp_path):
    if place.startswith("/") and not Path(place).parent.exists():
        pytest.skip("no such place here")
    (tmp_path / "a-file").write_text("mine")
    (tmp_path / "a-dead-link").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    done = nncore("learn", "--all", "--plots", place, cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert f"cannot save pictures in {place}" in done.stderr and "--no-plots" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "a-file").read_text() == "mine"


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
    assert render("the [guide](guides/training.md#losses) says", 60) == "the guide (docs/guides/training.md) says"
    assert render("| | |\n|---|---|\n| a | b |\n| cc | d |", 40).splitlines() == ["  a   b", "  cc  d"]
