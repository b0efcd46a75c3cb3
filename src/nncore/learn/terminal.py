"""The walk in a terminal: paced by Enter, with colours where there is a terminal to show them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import Code, Step, Text, can_plot, run, steps
from .markdown_text import coloured, plain, render

_WIDEST = 88  # a line longer than this is hard to read
_INDENT = "    "  # of code and what it prints
_SPELLED = {"×": "x", "²": "^2", "µ": "u"}  # for a terminal that lacks them


class Quit(Exception):
    """The reader has had enough for now."""


def walk(
    number: int | None = None, *, start: int | None = None, pause: bool = True, plots: str | None = "nncore-plots"
) -> None:
    """Show the walk, running each block of Python as it comes.

    Parameters
    ----------
    number : int, optional
        One step alone; by default all.
    start : int, optional
        The step to begin at; by default the introduction.
    pause : bool, default True
        Wait for Enter after each block; without a terminal to press it on there is no waiting.
    plots : str, optional
        Folder for the pictures, made when the first is saved; None for no pictures.
    """
    whole = steps()
    for given in (number, start):
        if given is not None and not 0 < given < len(whole):
            raise ValueError(f"step {given}: the steps are 1 to {len(whole) - 1}")
    if sys.stdout is None or sys.stdout.closed:
        raise OSError("there is no standard output to show the walk on")
    if plots is not None and can_plot():
        _require_folder(plots)
    tty = sys.stdout.isatty()
    screen = _Screen(coloured if tty and _wants_colours() else plain, pause and tty and _is_terminal(sys.stdin), plots)
    chosen = whole[start or 0 :] if number is None else [whole[number]]
    try:
        for step in chosen:
            last = step is chosen[-1]
            screen.show(step, wait_at_end=not last)
            if step.number and not last:
                screen.rule()
    except (Quit, EOFError):
        screen.line(f"\nThe walk goes on with:  nncore learn {screen.next}")
    else:
        if screen.next < len(whole):
            screen.line(f"\nNext: {whole[screen.next].title}.  nncore learn {screen.next}")
        else:
            screen.line()
            screen.text("The end of the walk. `nncore demo` trains, tests and times a network on all the digits.")


def spelled(text: str, encoding: str | None) -> str:
    """The text with the characters that an encoding lacks written in others.

    Examples
    --------
    >>> spelled("2 × 3², 4 µs", "ascii")
    '2 x 3^2, 4 us'
    """

    def known(text: str) -> bool:
        try:
            text.encode(encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    return text if known(text) else "".join(c if known(c) else _SPELLED.get(c, "?") for c in text)


def _wants_colours() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"  # as no-color.org asks


def _is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _require_folder(name: str) -> None:
    """Refuse a folder that no picture can be saved in; nothing is left there."""
    cannot = f"cannot save pictures in {name}"
    remedy = "name another folder with --plots, or use --no-plots"
    place = Path(name).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(f"{cannot}: {place} is not a folder; {remedy}")
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise PermissionError(f"{cannot}: {place} cannot be written ({error.strerror}); {remedy}") from None


class _Screen:
    def __init__(self, style: Callable[[str, str], str], pause: bool, plots: str | None) -> None:
        self.style, self.pause = style, pause
        self.folder = None if plots is None else Path(plots)
        self.next = 1  # the step to go on with
        columns = shutil.get_terminal_size((_WIDEST, 24)).columns
        self.width = max(40, min(columns - 1, _WIDEST))
        self.room = max(20, columns - len(_INDENT))  # for what the code prints
        self.can_plot = self.folder is not None and can_plot()

    def line(self, text: str = "") -> None:
        print(self._spelled(text), flush=True)

    def text(self, markdown: str) -> None:
        # spelled before it is wrapped, for that may change how long it is
        self.line(render(self._spelled(markdown), self.width, self.style))

    def show(self, step: Step, wait_at_end: bool) -> None:
        self.next = max(step.number, 1)
        title = self._spelled(f"{step.number}. {step.title}" if step.number else step.title)
        self.line("\n" + self.style("heading", title))
        self.line(self.style("heading", "=" * len(title)))
        namespace: dict[str, Any] = {}
        blocks = [
            block for block in step.blocks if not (self.folder is None and isinstance(block, Code) and block.plot)
        ]
        for i, block in enumerate(blocks):
            last = i + 1 == len(blocks)
            self.line()
            if isinstance(block, Text):
                self.text(block.markdown)
                if not last:
                    continue
            elif block.plot:
                self._picture(step, block, namespace)
            else:
                self._code(block, namespace)
            if last:
                self.next = step.number + 1
            if wait_at_end or not last:
                self._wait()

    def rule(self) -> None:
        self.line("\n" + self.style("faint", "-" * self.width))

    def _spelled(self, text: str) -> str:
        return spelled(text, sys.stdout.encoding)

    def _code(self, code: Code, namespace: dict[str, Any]) -> None:
        for line in code.source.rstrip("\n").splitlines():
            self.line(_INDENT + self.style("code", line) if line else "")
        printed = run(code, namespace).printed
        if printed:
            self.line()
            for line in self._spelled(printed).rstrip("\n").splitlines():
                for part in wrapped(line, self.room):
                    self.line(_INDENT + self.style("output", part) if part else "")

    def _picture(self, step: Step, code: Code, namespace: dict[str, Any]) -> None:
        if self.folder is None:
            return
        if not self.can_plot:
            self._note(f"[a picture: {code.caption}. It needs matplotlib: pip install matplotlib]")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for figure in run(code, namespace).figures:
            path = self.folder / f"{step.number}-{code.plot}.png"
            figure.savefig(path, dpi=120)
            self._note(f"[picture saved: {path}]")
            self._note(f"[{code.caption}]")

    def _note(self, text: str) -> None:
        for line in textwrap.wrap(self._spelled(text), self.width, break_long_words=False, break_on_hyphens=False):
            self.line(self.style("faint", line))

    def _wait(self) -> None:
        if not self.pause:
            return
        answer = input("\n" + self.style("faint", "Enter to go on, q to stop: ")).strip().lower()
        if answer in ("q", "quit", "exit"):
            raise Quit


def wrapped(line: str, room: int) -> list[str]:
    """A printed line in pieces no longer than the room; the later ones are indented a little more than the first.

    Examples
    --------
    >>> wrapped("  worst W1[0, 0]:  -120", 18)
    ['  worst W1[0, 0]:', '    -120']
    """
    if len(line) <= room:
        return [line]
    indent = line[: len(line) - len(line.lstrip())][: room // 2]
    return textwrap.wrap(line, room, subsequent_indent=indent + "  ", break_on_hyphens=False)


def add_arguments(parser: Any) -> None:
    """The options of ``nncore learn``."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("start", type=int, nargs="?", metavar="STEP", help="begin at this step and go on to the end")
    which.add_argument("--step", type=int, metavar="N", help="one step alone")
    parser.add_argument("--all", action="store_true", help="everything, without pauses")
    parser.add_argument("--plots", default="nncore-plots", metavar="DIR", help="where to save pictures (%(default)s)")
    parser.add_argument("--no-plots", action="store_true", help="no pictures")


def main(options: Any) -> int:
    """Watch a network learn, number by number: from one weight to handwritten digits and beyond, in nine steps."""
    plots = None if options.no_plots else options.plots
    walk(options.step, start=options.start, pause=not options.all, plots=plots)
    return 0
