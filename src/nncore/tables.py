"""Small tables of numbers, as text for a terminal and as HTML for a notebook.

A table is made once and drawn either way, so that the two cannot tell different things. Numbers are written with as
many digits as are asked for and no more, right-aligned; text is left-aligned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

GAP = "..."  # stands for what is left out, in a row or a column


def cell(value: Any, digits: int = 6) -> str:
    """A value as it stands in a table.

    Examples
    --------
    >>> cell(119.98800030), cell(4.0), cell(-0.0), cell("relu"), cell(None)
    ('119.988', '4', '0', 'relu', '')
    """
    if value is None:
        return ""
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    text = f"{value:.{digits}g}"
    return text[1:] if text.startswith("-") and float(text) == 0 else text


def plural(count: int, word: str) -> str:
    """A count and what is counted.

    Examples
    --------
    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")


class Table:
    """A title, a row of names and rows of values. Prints as a table; its repr is one line, so that a list of them can be read.

    Parameters
    ----------
    title : str
        May be empty.
    header : sequence of str
    rows : iterable of sequences
        Numbers, text or None, as long as the header.
    digits : int, default 6
        Significant digits of floating numbers.
    most : int, default 20
        Rows beyond this many are left out of the middle.
    footer : sequence, optional
        One more row, under a line.

    Examples
    --------
    >>> print(Table("squares", ["x", "x x"], [(1, 1.0), (2, 4.0)], footer=("sum", 5.0)))
    squares
      x  x x
      1    1
      2    4
    --------
    sum    5
    """

    def __init__(
        self,
        title: str,
        header: Sequence[str],
        rows: Iterable[Sequence[Any]],
        digits: int = 6,
        most: int = 20,
        footer: Sequence[Any] | None = None,
    ) -> None:
        self.title = title
        self.header = list(header)
        whole = [[cell(value, digits) for value in row] for row in rows]
        self._count = len(whole)
        if len(whole) > most:
            tail = most // 4
            whole = [*whole[: most - tail], [GAP] * len(self.header), *whole[len(whole) - tail :]]
        self.rows = whole
        self.footer = None if footer is None else [cell(value, digits) for value in footer]

    def __str__(self) -> str:
        every = [self.header, *self.rows, *([self.footer] if self.footer else [])]
        widths = [max(len(row[i]) for row in every) for i in range(len(self.header))]
        left = [self._is_text(i) for i in range(len(self.header))]

        def line(row: list[str]) -> str:
            places = zip(row, widths, left, strict=True)
            return "  ".join(text.ljust(w) if to_left else text.rjust(w) for text, w, to_left in places).rstrip()

        lines = [*([self.title] if self.title else []), line(self.header), *map(line, self.rows)]
        if self.footer:
            lines += ["-" * (sum(widths) + 2 * len(widths) - 2), line(self.footer)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Table({self.title!r}, {plural(self._count, 'row')}, {plural(len(self.header), 'column')})"

    def to_html(self) -> str:
        """The table as one HTML element.

        Examples
        --------
        >>> Table("t", ["x"], [("<b>",)]).to_html().partition("</thead>")[2]
        '<tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
        """
        from html import escape

        def row(values: list[str], tag: str) -> str:
            cells = (f"<{tag}>{escape(value)}</{tag}>" for value in values)
            return f"<tr>{''.join(cells)}</tr>"

        body = "".join(row(values, "td") for values in self.rows)
        foot = f"<tfoot>{row(self.footer, 'th')}</tfoot>" if self.footer else ""
        head = f"<caption>{escape(self.title)}</caption><thead>{row(self.header, 'th')}</thead>"
        style = "text-align: right; margin-bottom: 1em"
        return f'<table style="{style}">{head}<tbody>{body}</tbody>{foot}</table>'

    def _repr_html_(self) -> str:
        return self.to_html()

    def _is_text(self, column: int) -> bool:
        # a column of words is one where no row is a number
        texts = [row[column] for row in self.rows if row[column] not in ("", GAP)]
        return bool(texts) and not any(_number(text) for text in texts)


def _number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
