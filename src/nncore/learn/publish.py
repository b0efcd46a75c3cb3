"""The walk as a page of the documentation and as a notebook: ``python -m nncore.learn.publish``, in a checkout.

Both are run from beginning to end while they are written, so that what they show is what came out.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import Code, Step, Text, can_plot, run, steps

PAGE = "from-the-ground-up.md"
_NOTE = "<!-- Made from the package's own text by `python -m nncore.learn.publish`: change it there, not here. -->"
_NEEDS = """This notebook needs nncore and matplotlib: `pip install ".[plot]"` in a checkout of nncore installs both."""
_RUN_IT = """You can walk it in three ways: read it here, run `nncore learn` in a terminal, where it waits for you after
each piece (`nncore learn 4` begins at step 4), or open the notebook `examples/from-the-ground-up.ipynb`. All three run
the same code.
Times are those of the machine that made this page; yours will differ."""


def executed() -> list[tuple[Step, list[Any]]]:
    """Every step with, for each block, what it printed and drew (None for text)."""
    if not can_plot():
        raise ImportError("publishing the walk needs matplotlib: pip install matplotlib")
    out = []
    for step in steps():
        namespace: dict[str, Any] = {}
        results = [run(block, namespace) if isinstance(block, Code) else None for block in step.blocks]
        out.append((step, results))
    return out


def page(walk: list[tuple[Step, list[Any]]], images: str = "images/ground-up") -> str:
    """The page, as Markdown that GitHub and Sphinx both read."""
    parts = [_NOTE]
    for step, results in walk:
        parts.append(f"# {step.title}" if step.number == 0 else f"## {step.number}. {step.title}")
        for block, result in zip(step.blocks, results, strict=True):
            if isinstance(block, Text):
                parts.append(block.markdown)
                continue
            parts.append(f"```python\n{block.source}```")
            if result.printed:
                parts.append(f"```text\n{_trimmed(result.printed)}```")
            if block.plot:
                parts.append(f"![{block.caption}]({images}/{step.number}-{block.plot}.png)")
        if step.number == 0:
            parts.append(_RUN_IT)
    return "\n\n".join(parts) + "\n"


def notebook(walk: list[tuple[Step, list[Any]]]) -> str:
    """The notebook, as nbformat 4.5 has it: JSON with one cell per block."""
    cells: list[dict[str, Any]] = []
    for step, results in walk:
        title = f"# {step.title}" if step.number == 0 else f"## {step.number}. {step.title}"
        blocks: list[Any] = [Text(title if step.number else f"{title}\n\n{_NEEDS}"), *step.blocks]
        for i, (block, result) in enumerate(zip(blocks, [None, *results], strict=True)):
            cell: dict[str, Any] = {"id": f"step-{step.number}-{i}", "metadata": {}}
            if isinstance(block, Text):
                cell.update(cell_type="markdown", source=_lines(from_examples(block.markdown)))
            else:
                cell.update(cell_type="code", execution_count=None, source=_lines(block.source.rstrip("\n")),
                            outputs=_outputs(result))  # fmt: skip
            cells.append(cell)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1,
                      ensure_ascii=False) + "\n"  # fmt: skip


def from_examples(markdown: str) -> str:
    """A text whose links lead from docs/, as it stands in a notebook in examples/.

    Examples
    --------
    >>> from_examples("the [guide](guides/training.md#losses)")
    'the [guide](../docs/guides/training.md#losses)'
    """
    return re.sub(r"(\[[^\]]+\]\()(?=[^)\s]+\.md)", r"\1../docs/", markdown)


def _outputs(result: Any) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    if result.printed:
        out.append({"output_type": "stream", "name": "stdout", "text": _lines(_trimmed(result.printed))})
    for figure in result.figures:
        data = {"image/png": base64.b64encode(_png(figure, 72)).decode(), "text/plain": ["<Figure>"]}
        out.append({"output_type": "display_data", "metadata": {}, "data": data})
    return out


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _trimmed(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _png(figure: Any, dpi: int) -> bytes:
    # a palette of 256 colours is enough for drawings, and a quarter of the bytes; Pillow comes with matplotlib
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, dpi=dpi, format="png")
    Image.open(full).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def skeleton(text: str) -> str:
    """A text with every number replaced by one sign and runs of spaces by one: what is left to compare where the
    numbers may differ.

    Examples
    --------
    >>> skeleton("took  3.25 ms") == skeleton("took 11 ms")
    True
    """
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d[\d,]*\.?\d*(e[-+]?\d+)?", "N", text)).strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page, its pictures, and the notebook."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", default="docs", help="folder of the documentation (%(default)s)")
    parser.add_argument("--notebook", default="examples/from-the-ground-up.ipynb", help="file (%(default)s)")
    options = parser.parse_args(arguments)
    walk = executed()
    docs = Path(options.docs)
    images = docs / "images" / "ground-up"
    images.mkdir(parents=True, exist_ok=True)
    for step, results in walk:
        for block, result in zip(step.blocks, results, strict=True):
            if not isinstance(block, Code):
                continue
            for figure in result.figures:
                (images / f"{step.number}-{block.plot}.png").write_bytes(_png(figure, 100))
    (docs / PAGE).write_text(page(walk), "utf-8")
    Path(options.notebook).parent.mkdir(parents=True, exist_ok=True)
    Path(options.notebook).write_text(notebook(walk), "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    main()
