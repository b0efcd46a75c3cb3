"""The walk "from the ground up": its steps, and the running of them.

The text of the walk stands once, in steps/*.md: Markdown with fenced blocks of Python. The terminal (terminal.py), the
page of the documentation and the notebook (publish.py) are made from it, so that they cannot tell different things.
Links in it are those of a page in docs/. Code and what it prints are at most 75 columns wide, to fit on a small screen.

Words after ``python`` on the line that opens a block say how to treat it:

=================  ====================================================================================================
``plot=name "…"``  it draws a picture, named so, with that caption; needs matplotlib
``approx``         its numbers may differ a little between machines (by the last bits of a sine, say)
``varies``         what it prints is this machine's: times, names
=================  ====================================================================================================
"""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

_FENCE = re.compile(r"^```python *(.*?)\n(.*?)^```$", re.M | re.S)
_PLOT = re.compile(r'plot=([\w-]+)(?: +"([^"]*)")?')
_WORDS = {"approx", "varies"}


@dataclass
class Text:
    """A stretch of Markdown."""

    markdown: str


@dataclass
class Code:
    """A block of Python, and how to treat it."""

    source: str
    words: frozenset[str] = frozenset()
    plot: str = ""
    caption: str = ""


@dataclass
class Step:
    """One step of the walk: its number (0 for the introduction), its title, and its blocks in order."""

    number: int
    title: str
    blocks: list[Text | Code]


@dataclass
class Result:
    """What a block of Python did: what it printed, and the matplotlib figures that it drew."""

    printed: str
    figures: list[Any] = field(default_factory=list)


@cache
def steps() -> list[Step]:
    """The introduction and every step, in order.

    Examples
    --------
    >>> [step.title for step in steps()][:3]
    ['From the ground up', 'One weight', 'Guessing']
    """
    files = sorted((file.name, file) for file in resources.files(__package__).joinpath("steps").iterdir())
    return [parse(int(name.split("-")[0]), file.read_text("utf-8")) for name, file in files if name.endswith(".md")]


def parse(number: int, text: str) -> Step:
    """A step from its Markdown; the first line is its title.

    Examples
    --------
    >>> parse(1, "# One\\n\\nText.\\n\\n```python approx\\nprint(1)\\n```\\n").blocks
    [Text(markdown='Text.'), Code(source='print(1)\\n', words=frozenset({'approx'}), plot='', caption='')]
    """
    title, _, body = text.partition("\n")
    blocks: list[Text | Code] = []
    at = 0
    for match in _FENCE.finditer(body):
        _add_text(blocks, body[at : match.start()])
        at = match.end()
        plot = _PLOT.search(match[1])
        words = frozenset(_PLOT.sub("", match[1]).split())
        if not words <= _WORDS:
            raise ValueError(f"step {number}: unknown word after python: {', '.join(sorted(words - _WORDS))}")
        name, caption = (plot[1], plot[2] or "") if plot else ("", "")
        blocks.append(Code(match[2], words, name, caption))
    _add_text(blocks, body[at:])
    return Step(number, title.removeprefix("# ").strip(), blocks)


def _add_text(blocks: list[Text | Code], text: str) -> None:
    if text.strip():
        blocks.append(Text(text.strip("\n")))


def run(code: Code, namespace: dict[str, Any]) -> Result:
    """Run a block in a step's namespace and catch what it prints and draws.

    Examples
    --------
    >>> run(Code("print(2 + 2)"), {}).printed
    '4\\n'
    """
    out = io.StringIO()
    namespace.setdefault("__name__", "walk")
    with contextlib.redirect_stdout(out):
        exec(compile(code.source, "<walk>", "exec"), namespace)
    return Result(out.getvalue(), _take_figures() if code.plot else [])


def can_plot() -> bool:
    """Whether matplotlib is there; if so, it is told to draw into files."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    return True


def _take_figures() -> list[Any]:
    import matplotlib.pyplot as plt

    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    return figures
