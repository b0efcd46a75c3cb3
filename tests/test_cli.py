"""The program: each command once as a user starts it, its words when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nncore as nn
from nncore import _kernels, cli

HERE = str(Path(nn.__file__).resolve().parent.parent)  # the package under test, wherever the program is started


def run(*arguments, cwd=None, **environment):
    """Output, errors and exit code of ``python -m nncore ...``."""
    done = subprocess.run(
        [sys.executable, "-m", "nncore", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": HERE, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    return done.stdout, done.stderr, done.returncode


def test_demo(tmp_path):
    out, err, code = run("demo", cwd=tmp_path)
    assert code == 0 and err == "", err  # no bar in a pipe
    assert not os.listdir(tmp_path)  # nor a file that nobody asked for
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    accuracy = float(rows["accuracy on the held-out fifth"].split("  ")[1].split("%")[0])
    assert accuracy >= 97
    assert "numpy" in rows["training step"] and "µs" in rows["training step"]
    assert "numpy" in rows["one prediction"] and "after 30 epochs" in out
    assert _kernels.isa() in out.splitlines()[0]


def test_quick_demo_that_saves(tmp_path):
    path = tmp_path / "m.safetensors"
    out, err, code = run("demo", "--quick", "--no-progress", "--seed", "3", "--epochs", "4", "--save", str(path))
    assert code == 0 and err == "" and "after 4 epochs" in out and "\x1b" not in out
    assert nn.load(path).sizes == [64, 64, 10] and str(path) in out


def test_the_same_seed_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        run("demo", "--quick", "--no-progress", "--save", str(tmp_path / f"{name}.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_output_that_knows_no_greek(tmp_path):
    out, _, code = run("demo", "--quick", "--no-progress", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert code == 0 and "µ" not in out and " us" in out


@pytest.mark.skipif(sys.getfilesystemencoding() != "utf-8", reason="files cannot be called so here")
def test_a_name_that_the_output_cannot_show(tmp_path):
    path = str(tmp_path / "zürich.safetensors")
    out, err, code = run("demo", "--quick", "--save", path, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert code == 0 and err == "" and "z?rich.safetensors" in out and os.path.exists(path)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes it")
@pytest.mark.parametrize("command", ["info", "demo --quick"])
def test_output_that_is_closed(command):
    done = subprocess.run(
        ["sh", "-c", f"exec '{sys.executable}' -m nncore {command} >&-"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes it")
def test_errors_that_nobody_hears_go_nowhere():
    command = f"exec '{sys.executable}' -m nncore export none.safetensors o.c 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == done.stderr == ""


def test_info():
    out, err, code = run("info")
    assert code == 0 and err == ""
    for word in (nn.__version__, _kernels.isa(), *_kernels.activations(), *_kernels.losses(), *_kernels.optimizers()):
        assert word in out
    assert all(isa in out for isa, here in _kernels.isas().items() if here)


@pytest.mark.parametrize(
    ("what", "names", "formula"),
    [
        ("activations", _kernels.activations(), "z if z > 0 else alpha z"),
        ("losses", _kernels.losses(), "(y - t)^2"),
        ("optimizers", ["SGD", "Adam", "AdamW"], "p -= learning_rate"),
        ("init", ["he", "zeros"], "sqrt(6 / fan_in)"),
    ],
)
def test_info_of_one_list(what, names, formula):
    out, err, code = run("info", what)
    assert code == 0 and err == "" and formula in out
    assert {line.split()[0] for line in out.splitlines()[1:]} >= set(names)


def test_help_and_version():
    assert run("--version")[0].strip() == f"nncore {nn.__version__}"
    for arguments in ((), ("--help",)):
        out, err, code = run(*arguments)
        assert code == 0 and err == ""
        for command in cli.COMMANDS:
            assert command.name in out and command.help in out
    for command in cli.COMMANDS:
        out, _, code = run(command.name, "--help")
        assert code == 0 and "usage: nncore " + command.name in out


@pytest.mark.parametrize(
    ("arguments", "expected", "words"),
    [
        (["demos"], 2, "invalid choice: 'demos'"),
        (["demo", "--epochs", "0"], 2, "'0' is not a whole number of 1 or more"),
        (["demo", "--epochs", "many"], 2, "'many' is not a whole number"),
        (["demo", "--seed", "-1"], 2, "--seed"),
        (["demo", "--save", "m.pkl"], 1, "unknown file suffix '.pkl'"),
        (["demo", "--save", "m"], 1, "'m' has no suffix: give the file a name such as m"),
        (["demo", "--save", "none/m.safetensors"], 1, "there is no folder"),
        (["demo", "--save", "there.safetensors"], 1, "it is a folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, expected, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkdir("there.safetensors")
    monkeypatch.setattr(cli.nn.datasets, "load_digits", lambda: pytest.fail("the work has begun"))
    try:
        code = cli.main(arguments)
    except SystemExit as done:
        code = done.code
    out, err = capsys.readouterr()
    assert code == expected and words in err and "Traceback" not in err and out == ""
    assert os.listdir(tmp_path) == ["there.safetensors"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("m.safetensors", "PATH m.safetensors is MODEL itself"),
        ("./m.safetensors", "is MODEL itself"),
        ("hard.c", "is MODEL itself"),
        ("soft.c", "is MODEL itself"),
        ("other.safetensors", ".safetensors is for saved networks"),
        ("+.c", "--name"),
    ],
)
def test_export_writes_over_no_network(path, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nn.Network([3, 4, 2], seed=0).save("m.safetensors")
    nn.Network([2, 2], seed=0).save("other.safetensors")
    os.link("m.safetensors", "hard.c")
    os.symlink("m.safetensors", "soft.c")
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    assert cli.main(["export", "m.safetensors", path]) == 1
    out, err = capsys.readouterr()
    assert words in err and err.count("\n") == 1 and out == ""
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_ctrl_c(monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("wait", "", lambda parser: None, interrupted),))
    assert cli.main(["wait"]) == 130 and "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.5e-10, "0.45 ns"), (1.5e-7, "150 ns"), (9.999e-7, "1 "), (2.5e-5, "25 "), (0.0125, "12.5 ms"), (2.0, "2 s")],
)
def test_times(seconds, text):
    assert cli._time(seconds).startswith(text)
