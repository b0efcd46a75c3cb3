"""The walk in a terminal: paced by Enter, with colours where there is a terminal to show them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import Code, Step, Text, can_plot, run, steps
from .markdown_text import coloured, plain, render

_WIDEST = 88  # a line longer than this is hard to read


class Quit(Exception):
    """The reader has had enough for now."""


def walk(number: int | None = None, *, pause: bool = True, plots: str | None = "nncore-plots") -> None:
    """Show the walk, running each block of Python as it comes.

    Parameters
    ----------
    number : int, optional
        One step alone; by default all.
    pause : bool, default True
        Wait for Enter after each block; without a terminal to press it on there is no waiting.
    plots : str, optional
        Folder for the pictures, made when the first is saved; None for no pictures.
    """
    whole = steps()
    if number is not None and not 0 < number < len(whole):
        raise ValueError(f"step {number}: the steps are 1 to {len(whole) - 1}")
    tty = sys.stdout.isatty()
    screen = _Screen(coloured if tty else plain, pause and tty and sys.stdin.isatty(), plots)
    chosen = whole if number is None else [whole[number]]
    try:
        for step in chosen:
            screen.show(step)
            if step.number and step is not chosen[-1]:
                screen.rule()
    except (Quit, EOFError):
        screen.line(f"\nThe walk goes on with:  nncore learn --step {max(screen.number, 1)}")
    else:
        if number is None:
            screen.line("\nThe end of the walk. `nncore demo` trains, tests and times a network on all the digits.")
        elif number + 1 < len(whole):
            screen.line(f"\nNext: {whole[number + 1].title}.  nncore learn --step {number + 1}")


class _Screen:
    def __init__(self, style: Callable[[str, str], str], pause: bool, plots: str | None) -> None:
        self.style, self.pause = style, pause
        self.folder = None if plots is None else Path(plots)
        self.number = 0
        columns = shutil.get_terminal_size((_WIDEST, 24)).columns
        self.width = max(40, min(columns - 1, _WIDEST))
        self.can_plot = self.folder is not None and can_plot()

    def line(self, text: str = "") -> None:
        print(text, flush=True)

    def show(self, step: Step) -> None:
        self.number = step.number
        title = f"{step.number}. {step.title}" if step.number else step.title
        self.line("\n" + self.style("heading", title))
        self.line(self.style("heading", "=" * len(title)))
        namespace: dict[str, Any] = {}
        for i, block in enumerate(step.blocks):
            self.line()
            if isinstance(block, Text):
                self.line(render(block.markdown, self.width, self.style))
                if i + 1 < len(step.blocks):
                    continue
            elif block.plot:
                self._picture(step, block, namespace)
            else:
                self._code(block, namespace)
            self._wait()

    def rule(self) -> None:
        self.line("\n" + self.style("faint", "-" * self.width))

    def _code(self, code: Code, namespace: dict[str, Any]) -> None:
        for line in code.source.rstrip("\n").splitlines():
            self.line("    " + self.style("code", line) if line else "")
        printed = run(code, namespace).printed
        if printed:
            self.line()
            for line in printed.rstrip("\n").splitlines():
                self.line("    " + self.style("output", line) if line else "")

    def _picture(self, step: Step, code: Code, namespace: dict[str, Any]) -> None:
        if self.folder is None:
            return
        if not self.can_plot:
            needs = "It needs matplotlib: pip install matplotlib"
            self.line(self.style("faint", f"[a picture: {code.caption}. {needs}]"))
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for figure in run(code, namespace).figures:
            path = self.folder / f"{step.number}-{code.plot}.png"
            figure.savefig(path, dpi=120)
            self.line(self.style("faint", f"[picture saved: {path}]"))
            self.line(self.style("faint", f"[{code.caption}]"))

    def _wait(self) -> None:
        if not self.pause:
            return
        answer = input("\n" + self.style("faint", "Enter to go on, q to stop: ")).strip().lower()
        if answer in ("q", "quit", "exit"):
            raise Quit


def add_arguments(parser: Any) -> None:
    """The options of ``nncore learn``."""
    parser.add_argument("--step", type=int, metavar="N", help="one step alone")
    parser.add_argument("--all", action="store_true", help="everything, without pauses")
    parser.add_argument("--plots", default="nncore-plots", metavar="DIR", help="where to save pictures (%(default)s)")
    parser.add_argument("--no-plots", action="store_true", help="no pictures")


def main(options: Any) -> int:
    """Watch a network learn, number by number: from one weight to handwritten digits, in eight steps."""
    walk(options.step, pause=not options.all, plots=None if options.no_plots else options.plots)
    return 0
