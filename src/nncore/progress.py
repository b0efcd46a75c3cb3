"""The progress bar of fit: one step per epoch, with the loss beside it.

tqdm draws it, and is imported only when a bar is shown; `import nncore` and a silent fit do without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any

from . import checks


def wanted(progress: bool | str) -> bool:
    """Whether `progress` asks for a bar here and now.

    Parameters
    ----------
    progress : {"auto", True, False}
        "auto" shows one where standard error is a terminal or a notebook's, and not in logs, pipes and tests. Where there is
        no standard error, as in programs without a console, or it is closed, nothing is shown.

    Examples
    --------
    >>> wanted(False)
    False
    """
    stream = sys.stderr  # None in programs without a console
    if getattr(stream, "closed", False):
        stream = None
    if isinstance(progress, str) and progress == "auto":
        return (hasattr(stream, "isatty") and stream.isatty()) or _in_notebook(stream)
    try:
        return checks.flag("progress", progress) and stream is not None
    except TypeError:
        raise ValueError(f"progress must be 'auto', True or False, got {checks.short(progress)}") from None


def _in_notebook(stream: Any) -> bool:
    # whether ipykernel, Jupyter's process for Python, has put this stream in place of standard error
    return isinstance(stream, getattr(sys.modules.get("ipykernel.iostream"), "OutStream", ()))


class Progress:
    """A bar over epochs, or nothing at all; a context manager, so that the terminal is left in order.

    Parameters
    ----------
    epochs : int
        How many steps the bar has.
    progress : {"auto", True, False}, default "auto"
        As for `wanted`.
    title : str, default "fit"
        Stands before the bar.

    Examples
    --------
    >>> with Progress(2, False) as bar:
    ...     bar.advance(loss=0.5)
    ...     bar.advance(loss=0.25, val_loss=0.3)
    """

    def __init__(self, epochs: int, progress: bool | str = "auto", title: str = "fit") -> None:
        self._bar: Any = None
        self._drawn = monotonic()
        if wanted(progress):
            from tqdm import tqdm

            self._bar = tqdm(
                total=epochs,
                desc=title,
                unit="epoch",
                dynamic_ncols=True,
                postfix=[0, ""],  # the finished epochs, and the numbers beside the bar
                bar_format="{l_bar}{bar}| {postfix[0]}/{total_fmt} [{elapsed}<{remaining}{postfix[1]}]",
            )

    @property
    def tick(self) -> Callable[[float], None] | None:
        """What to call within an epoch with the part of it that is done, or None where nothing is shown."""
        return None if self._bar is None else self._tick

    def _tick(self, part: float) -> None:
        now = monotonic()
        if now - self._drawn >= 0.1:  # drawing takes longer than many a step
            whole = int(self._bar.n)
            self._bar.n = whole + min(part, 0.999)
            self._bar.refresh()
            self._bar.n, self._drawn = whole, now

    def advance(self, **numbers: float | None) -> None:
        """One epoch is done; `numbers` (loss, val_loss, ...) stand beside the bar, those that are None do not."""
        if self._bar is not None:
            shown = "".join(f", {name}={value:.4g}" for name, value in numbers.items() if value is not None)
            self._bar.postfix = [self._bar.n + 1, shown]
            self._bar.update(1)

    def close(self) -> None:
        """Leave the bar as it stands; nothing more is drawn."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
