"""Markdown as plain text for a terminal: as much of it as the walk uses."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_MARKS = re.compile(r"\*\*(?P<bold>[^*]+)\*\*|\*(?P<italic>[^*\s][^*]*)\*|`(?P<code>[^`]+)`")

Style = Callable[[str, str], str]


def plain(style: str, text: str) -> str:
    """No style at all."""
    return text


def coloured(style: str, text: str) -> str:
    """Styles by the escape codes that terminals know: heading, bold, italic, code, faint, output."""
    codes = {"heading": "1;34", "bold": "1", "italic": "3", "code": "36", "faint": "2", "output": "33"}
    return f"\x1b[{codes[style]}m{text}\x1b[0m"


def render(markdown: str, width: int, style: Style = plain) -> str:
    """Paragraphs wrapped, tables aligned, headings and marks in styles, links as text with the file in brackets.

    Parameters
    ----------
    markdown : str
        Paragraphs, headings, lists, quotes, tables and indented blocks, with empty lines between.
    width : int
        Columns of the terminal.
    style : function of (style, text)
        Gives the text with its style put on.

    Examples
    --------
    >>> print(render("A **small** table:\\n\\n| x | y |\\n|---|---|\\n| 1 | 10 |", 40))
    A small table:
    <BLANKLINE>
      x  y
      -----
      1  10
    """
    blocks = re.split(r"\n\s*\n", _LINK.sub(r"\1 (docs/\2)", markdown).strip("\n"))
    return "\n\n".join(_block(block, width, style) for block in blocks)


def _block(block: str, width: int, style: Style) -> str:
    if block.startswith("#"):
        return style("heading", block.lstrip("# "))
    if block.startswith("    "):
        return "\n".join(style("code", line) for line in block.splitlines())
    if block.startswith("|"):
        return _table(block, style)
    if block.startswith("> "):
        text = re.sub(r"^> ?", "", block, flags=re.M)
        return _wrapped(text, width, style, "  | ", "  | ")
    if block.startswith("- "):
        items = re.split(r"^- ", block, flags=re.M)[1:]
        return "\n".join(_wrapped(item, width, style, "  - ", "    ") for item in items)
    return _wrapped(block, width, style, "", "")


def _wrapped(text: str, width: int, style: Style, first: str, rest: str) -> str:
    # marks are put on after wrapping, so that escape codes have no width; a mark never crosses a line then
    parts: list[tuple[str, str]] = []

    def hold(match: re.Match[str]) -> str:
        kind = match.lastgroup or ""
        words = match[kind].split(" ")
        for word in words:
            parts.append((kind, word))
        # each word is replaced by one of private characters, as long as the word itself
        return " ".join("\ue000" * max(len(word), 1) for word in words)

    bare = _MARKS.sub(hold, " ".join(text.split()))
    lines = textwrap.fill(bare, width, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                          break_on_hyphens=False)  # fmt: skip
    held = iter(parts)

    def put(match: re.Match[str]) -> str:
        kind, word = next(held)
        return style(kind, word)

    return re.sub("\ue000+", put, lines)


def _table(block: str, style: Style) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
    rows = [rows[0], *rows[2:]]
    if not any(rows[0]):
        rows = rows[1:]
    plain_rows = [[_MARKS.sub(lambda m: m[m.lastgroup or 0], cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in plain_rows) for i in range(len(rows[0]))]
    aligned = [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in plain_rows]
    lines = [("  " + "  ".join(row)).rstrip() for row in aligned]
    if len(rows) < len(block.splitlines()) - 1:  # it had no header
        return "\n".join(lines)
    rule = "  " + "-" * (sum(widths) + 2 * len(widths) - 2)
    return "\n".join([style("bold", lines[0]), style("faint", rule), *lines[1:]])
