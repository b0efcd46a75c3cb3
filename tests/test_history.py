"""History, and the progress bar that shows it."""

from __future__ import annotations

import io
import math
import pickle
import sys

import pytest

from nncore.history import History
from nncore.progress import Progress, wanted


def test_starts_empty():
    history = History()
    assert history.loss == [] and history.val_loss == [] and history.epochs == len(history) == 0
    assert history.stopped == "" and list(history) == [] and history.to_dict() == {}
    assert bool(history) and repr(history) == "History(0 epochs)"


def test_goes_on_across_calls():
    history = History()
    for loss in (3.0, 2.0, 1.0):
        history.append(loss=loss, seconds=0.5)
    assert history.loss == [3.0, 2.0, 1.0] and history.seconds == [0.5] * 3 and history.epochs == 3
    assert history.val_loss == []


def test_columns_stay_beside_each_other():
    history = History()
    history.append(loss=4.0)
    history.append(loss=3.0, val_loss=5.0, val_accuracy=0.5)
    history.append(loss=2.0)
    assert len(history.val_loss) == len(history.val_accuracy) == 3
    assert math.isnan(history.val_loss[0]) and history.val_loss[1] == 5.0 and math.isnan(history.val_loss[2])
    assert history["val_accuracy"][1] == 0.5
    assert list(history)[1] == {"epoch": 2, "loss": 3.0, "val_loss": 5.0, "seconds": 0.0, "val_accuracy": 0.5}


def test_dir_names_the_columns():
    history = History()
    assert {"loss", "val_loss", "seconds", "epochs", "stopped", "to_dict"} <= set(dir(history))
    assert "val_accuracy" not in dir(history)
    history.append(loss=3.0, val_accuracy=0.5)
    assert "val_accuracy" in dir(history) and all(hasattr(history, name) for name in dir(history))


def test_words():
    history = History()
    history.append(loss=0.25, val_loss=0.5)
    history.stopped = "stop_loss"
    assert repr(history) == "History(1 epoch, loss 0.25, val_loss 0.5, stopped: stop_loss)"
    with pytest.raises(AttributeError, match="no column 'accuracy': it has loss"):
        history.accuracy  # noqa: B018
    with pytest.raises(KeyError, match="accuracy"):
        history["accuracy"]


@pytest.mark.parametrize("name", ["append", "stopped", "epochs", "to_dict", "_columns", "two words"])
def test_a_column_cannot_hide_what_a_history_is(name):
    history = History()
    with pytest.raises(ValueError, match="cannot name a column"):
        history.append(loss=1.0, **{name: 2.0})
    assert history.epochs == 0


def test_to_dict_and_pickle_are_copies():
    history = History()
    history.append(loss=1.0)
    history.to_dict()["loss"].append(5.0)
    twin = pickle.loads(pickle.dumps(history))
    twin.append(loss=2.0)
    assert history.loss == [1.0] and twin.loss == [1.0, 2.0]


# ---- progress --------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_auto_shows_a_bar_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not wanted("auto") and wanted(True) and not wanted(False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert wanted("auto") and not wanted(False)
    monkeypatch.setattr(sys, "stderr", None)
    assert not wanted("auto")


def test_without_standard_error_there_is_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # as with pythonw
    assert not wanted(True)
    with Progress(2, True) as bar:
        bar.advance(loss=0.5)
        assert bar.tick is None


@pytest.mark.parametrize("value", ["yes", None, 1, "True"])
def test_a_wrong_progress_has_its_words(value):
    with pytest.raises(ValueError, match="progress must be 'auto', True or False"):
        wanted(value)


def test_a_bar_shows_epochs_and_loss(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(2, True) as bar:
        bar.advance(loss=0.5, val_loss=None)
        if bar.tick is not None:
            bar.tick(0.5)
        bar.advance(loss=0.125, val_loss=0.25)
    shown = stream.getvalue()
    assert "loss=0.125, val_loss=0.25" in shown and "2.0/2" in shown and "100%" in shown


def test_a_silent_bar_writes_nothing_and_does_not_import_tqdm(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # an import would fail
    with Progress(2, False) as bar:
        assert bar.tick is None
        bar.advance(loss=0.5)
    assert stream.getvalue() == ""
