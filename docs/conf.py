"""Settings of the documentation: `python -m sphinx -W -b html docs docs/_build/html`, with nncore installed."""

import re
from pathlib import Path

import nncore

project = "nncore"
author = "The nncore developers"
copyright = "the nncore developers, MIT licence"
release = version = nncore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_generated"]
templates_path: list[str] = []

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["nncore.css"]
html_title = "nncore"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2a6fbb", "color-brand-content": "#2a6fbb"},
    "dark_css_variables": {"color-brand-primary": "#7fb2e5", "color-brand-content": "#7fb2e5"},
}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["ref.python"]  # Network here and in nncore.reference: either is found by its full name

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them in words
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join([_row(header), _row(["---"] * len(header)), *map(_row, rows)]) + "\n"


PLAIN = {
    "weights start as",
    "goes with output",
    "over samples",
    "defaults",
    "source",
}  # columns that are no names or formulas


def _cell(column: str, text: str) -> str:
    return (
        f"{{class}}`nncore.{text}`" if column == "settings" else f"`{text}`" if text and column not in PLAIN else text
    )


def write_lists(app: object) -> None:
    """The tables of `nncore.choices` in Markdown."""
    from nncore import choices

    folder = Path(__file__).parent / "_generated"
    folder.mkdir(exist_ok=True)
    tables = {
        name: _table(head, [[_cell(*pair) for pair in zip(head, row, strict=True)] for row in rows])
        for name, (head, *rows) in choices.tables().items()
    }
    for name, text in tables.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def keep_figures_whole(app: object, page: str, source: list[str]) -> None:
    """No line break between a number and its unit, or before its spread."""
    if page == "performance":
        source[0] = re.sub(r"(?<=\d) (?=(ns|µs|ms|s)\b)|(?<=±) ", "\N{NO-BREAK SPACE}", source[0])


def keep_sentences_whole(app: object, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """A colon in the first line of a property's docstring is none of "type: description", as napoleon would have it."""
    if what in ("property", "attribute"):
        lines[:0] = ["..", ""]  # an empty comment


def setup(app: object) -> None:
    app.connect("builder-inited", write_lists)  # type: ignore[attr-defined]
    app.connect("source-read", keep_figures_whole)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", keep_sentences_whole, priority=400)  # type: ignore[attr-defined]
