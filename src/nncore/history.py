"""History: what a training told, one number per epoch.

It belongs to a Trainer and goes on across calls of fit. It knows nothing of how the numbers came about; a new metric is
a new column, made by naming it in `append`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


class History:
    """Loss, validation loss, time and further metrics, one number per epoch.

    Further metrics are columns like those below, read by ``history["name"]`` or ``history.name``.

    Attributes
    ----------
    loss : list of float
        Training loss of each epoch, over its batches while the weights moved: the mean over samples, of sse the sum over all,
        which makes that of training and that of fewer validation samples no two numbers to compare.
    val_loss : list of float
        Loss on the validation data after each epoch; empty if there never were any, nan for epochs without.
    seconds : list of float
        Wall-clock time of each epoch, validation included.
    epochs : int
        How many epochs were finished.
    stopped : str
        Why the last `fit` ended: "" after all its epochs, "stop_loss" or "patience" as the arguments of these names asked,
        "interrupted" by Ctrl-C, "diverged" where the loss or a weight would have become nan or inf. The last two raised an
        exception, and a Trainer's `history` has the epochs finished before it.

    Examples
    --------
    >>> history = History()
    >>> history.append(loss=0.5, seconds=0.1)
    >>> history.append(loss=0.25, val_loss=0.3, seconds=0.1)
    >>> history.loss, history.val_loss, history.epochs
    ([0.5, 0.25], [nan, 0.3], 2)
    >>> history
    History(2 epochs, loss 0.25, val_loss 0.3)
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {"loss": [], "val_loss": [], "seconds": []}
        self.stopped = ""

    def append(self, *, loss: float, val_loss: float | None = None, seconds: float = 0.0, **metrics: float) -> None:
        """Add one finished epoch.

        Parameters
        ----------
        loss : float
            Training loss of the epoch.
        val_loss : float, optional
            Loss on the validation data.
        seconds : float, default 0.0
            Wall-clock time of the epoch.
        **metrics : float
            Further columns. One that starts late, or is left out for an epoch, holds nan there.
        """
        row = {"loss": loss, "seconds": seconds, **metrics}
        if val_loss is not None:
            row["val_loss"] = val_loss
        row = {name: float(value) for name, value in row.items()}  # all of them, before one is kept
        before = self.epochs
        for name in row:
            if name.startswith("_") or not name.isidentifier() or hasattr(type(self), name) or name == "stopped":
                raise ValueError(f"{name!r} cannot name a column of a History")
        for name, value in row.items():
            column = self._columns.setdefault(name, [])
            if not column:
                column.extend([math.nan] * before)  # a column that starts late keeps its rows beside the others
            column.append(value)
        for column in self._columns.values():
            if column and len(column) == before:
                column.append(math.nan)

    def settle(self) -> None:
        """Drop an epoch that Ctrl-C caught half written down, so that all columns are as long as each other."""
        whole = min((len(column) for column in self._columns.values() if column), default=0)
        for column in self._columns.values():
            del column[whole:]

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(self._columns["loss"])

    def to_dict(self) -> dict[str, list[float]]:
        """The columns that hold something, as new lists; a data frame is one call away.

        Examples
        --------
        >>> history = History()
        >>> history.append(loss=1.0, seconds=0.5)
        >>> history.to_dict()
        {'loss': [1.0], 'seconds': [0.5]}
        """
        return {name: list(column) for name, column in self._columns.items() if column}

    def __getattr__(self, name: str) -> list[float]:
        columns: dict[str, list[float]] = self.__dict__.get("_columns", {})
        if name in columns:
            return columns[name]
        raise AttributeError(f"History has no column {name!r}: it has {', '.join(columns)}{_hint(name, columns)}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._columns]

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self._columns)}{_hint(name, self._columns)}")
        return self._columns[name]

    def __len__(self) -> int:
        return self.epochs

    def __bool__(self) -> bool:
        return True  # a History without epochs is still one: `history or default` must not drop it

    def __iter__(self) -> Iterator[dict[str, float]]:
        """One dict per epoch, counted from 1."""
        for index in range(self.epochs):
            row: dict[str, Any] = {"epoch": index + 1}
            row.update((name, column[index]) for name, column in self._columns.items() if column)
            yield row

    def __repr__(self) -> str:
        parts = [f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"]
        parts += [f"{name} {column[-1]:.6g}" for name, column in self._columns.items() if column and name != "seconds"]
        if self.stopped:
            parts.append(f"stopped: {self.stopped}")
        return f"History({', '.join(parts)})"


def _hint(name: str, columns: dict[str, list[float]]) -> str:
    # for those who look for a metric: they are taken of validation data alone
    metric = name.removeprefix("val_")
    if metric not in ("accuracy", "r2"):
        return ""
    advice = "" if f"val_{metric}" in columns else f": give validation_data= for val_{metric}"
    return f"; training {metric} is not recorded{advice}"
