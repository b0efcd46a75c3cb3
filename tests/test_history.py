"""History, and the progress bar that shows it."""

from __future__ import annotations

import io
import math
import pickle
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import nncore as nn
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


@pytest.mark.parametrize("wrong", [{"seconds": "x"}, {"val_loss": "x"}, {"accuracy": "x"}])
def test_a_wrong_number_leaves_it_as_it_was(wrong):
    history = nn.History()
    history.append(loss=1, seconds=1)
    with pytest.raises(ValueError):
        history.append(loss=0.5, **wrong)
    assert history.to_dict() == {"loss": [1.0], "seconds": [1.0]}


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


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_a_metric_without_validation_says_where_it_comes_from(output):
    net, X, y = nn.Network([1, 2], output=output, seed=0), [[0.0], [1.0], [2.0]], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    (metric,) = set(net.evaluate(X, y)) - {"loss"}
    advice = f"; training {metric} is not recorded: give validation_data= for val_{metric}"
    history = net.fit(X, y, epochs=1)
    for name in (metric, f"val_{metric}"):
        with pytest.raises(AttributeError, match=f"no column '{name}': it has loss.*{advice}$"):
            getattr(history, name)
        with pytest.raises(KeyError, match=advice):
            history[name]
    history = net.fit(X, y, epochs=1, validation_data=(X, y))
    assert len(history[f"val_{metric}"]) == 1
    with pytest.raises(KeyError, match=f'val_{metric}; training {metric} is not recorded"$'):
        history[metric]
    with pytest.raises(KeyError, match=r"'other': there are [\w, ]*\"$"):
        history["other"]


def test_every_reason_to_stop_is_listed():
    text = (Path(nn.__file__).parent / "trainer.py").read_text("utf-8")
    reasons = set(re.findall(r'stopped = "(\w*)"', text))
    assert len(reasons) > 3 and all(f'"{reason}"' in History.__doc__ for reason in reasons)


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


def test_auto_shows_a_bar_in_a_notebook(monkeypatch):
    class OutStream(io.StringIO):  # as ipykernel's: no terminal
        pass

    monkeypatch.setitem(sys.modules, "ipykernel.iostream", SimpleNamespace(OutStream=OutStream))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not wanted("auto")  # ipykernel is loaded, but nothing goes to a notebook
    monkeypatch.setattr(sys, "stderr", OutStream())
    assert wanted("auto") and not wanted(False)
    nn.Network([1, 1], seed=0).fit([0, 1], [0, 1], epochs=3)
    assert "3/3" in sys.stderr.getvalue() and "loss=" in sys.stderr.getvalue()


@pytest.mark.parametrize("closed", [False, True])
def test_without_standard_error_there_is_no_bar(monkeypatch, closed):
    stream = Terminal()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream if closed else None)  # as in a daemon, or with pythonw
    assert not wanted(True) and not wanted("auto")
    with Progress(2, True) as bar:
        bar.advance(loss=0.5)
        assert bar.tick is None


@pytest.mark.parametrize("value", ["yes", None, 2, "True"])
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
    assert "loss=0.125, val_loss=0.25" in shown and " 2/2 " in shown and "100%" in shown


def test_a_bar_moves_within_an_epoch_and_counts_whole_ones(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr("nncore.progress.monotonic", iter(range(100)).__next__)  # a second a call: always drawn
    with Progress(4, True) as bar:
        bar.advance(loss=0.5)
        bar.tick(0.6)
        shown = sys.stderr.getvalue().split("\r")[-1]
        assert " 40%" in shown and "| 1/4 [" in shown and "loss=0.5]" in shown
        bar.advance(loss=0.25)
    assert "| 2/4 [" in sys.stderr.getvalue() and "." not in re.findall(r"\| (\S+)/4 ", sys.stderr.getvalue())


def test_a_silent_bar_writes_nothing_and_does_not_import_tqdm(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # an import would fail
    with Progress(2, False) as bar:
        assert bar.tick is None
        bar.advance(loss=0.5)
    assert stream.getvalue() == ""
