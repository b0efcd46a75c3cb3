"""The program `nncore`: a demonstration, and what this installation is.

A subcommand is a row of COMMANDS: its name, one line of help, a function that adds its arguments, and one that runs it
and returns the exit code. What is wrong with the user's input is said in one line on standard error, with exit code 1
(2 for the command line itself); Ctrl-C gives 130.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import nncore as nn

from . import _kernels, checks, choices, formats, reference
from .initializers import INITIALIZERS
from .learn import terminal
from .tables import plural


class Command(NamedTuple):
    """A row of COMMANDS."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with these arguments (by default those of the process) and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, as by `nncore info >&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to stop
    parser = argparse.ArgumentParser(
        prog="nncore", description="Dense neural networks on CPUs, trained and served from a small compiled core."
    )
    parser.add_argument("--version", action="version", version=f"nncore {nn.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command")
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.help, description=command.run.__doc__)
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 0
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("nncore: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in `nncore info | head -1`; nothing may be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        print(f"nncore: error: {error}", file=sys.stderr)
        return 1


# ---- demo ------------------------------------------------------------------------------------------------------------

_BATCH = 32
_LEARNING_RATE = 0.003  # Adam's; over ten splits 98 % of the held-out digits after 30 epochs, 97 % with its default


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--save", metavar="PATH", help="keep the trained network, as digits.safetensors")
    parser.add_argument("--epochs", type=_count, metavar="N", help="passes over the data (30, with --quick 3)")
    parser.add_argument("--seed", type=_natural, default=0, metavar="N", help="of weights, split, order (%(default)s)")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    parser.add_argument("--quick", action="store_true", help="a few epochs and short timings, to see that all works")


def _demo(options: argparse.Namespace) -> int:
    """Train a 64-64-10 network on 1,797 handwritten digits, test it on a fifth that it never saw, and time it."""
    if options.save is not None:  # what cannot be saved is said before the work, not after it
        formats.find(options.save)
        folder = os.path.dirname(os.path.abspath(options.save))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"cannot save {options.save}: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"cannot save {options.save}: the folder {folder} cannot be written")
        if os.path.isdir(options.save):
            raise IsADirectoryError(f"cannot save {options.save}: it is a folder")
    X, y = nn.datasets.load_digits()
    X_train, X_test, y_train, y_test = nn.datasets.split(X, y, test=0.2, seed=options.seed, stratify=True)
    net = nn.Network([64, 64, 10], hidden="relu", output="softmax", seed=options.seed)
    print(f"nncore {nn.__version__}, {_kernels.isa()}, {plural(_kernels.threads(), 'thread')} at most")
    print(f"digits: {len(X):,} pictures of 8x8, {len(X_train):,} to train on, {len(X_test):,} held out")
    print(f"{net!r}, Adam({_LEARNING_RATE}), batches of {_BATCH}", flush=True)

    start = net.copy()
    epochs = options.epochs or (3 if options.quick else 30)
    began = perf_counter()
    adam = nn.Adam(_LEARNING_RATE)
    progress = False if options.no_progress else "auto"
    net.fit(X_train, y_train, epochs=epochs, batch_size=_BATCH, optimizer=adam, progress=progress)
    took = perf_counter() - began
    accuracy = net.evaluate(X_test, y_test)["accuracy"]

    repeats = 2 if options.quick else 10
    step, rival_step = _time_steps(start, X_train, y_train, repeats)
    one, rival_one = _time_one(net, X_test[0], repeats)
    saved = []
    if options.save is not None:
        net.save(options.save)
        saved = [("saved", options.save, f"{os.path.getsize(options.save):,} bytes")]
    _table(
        [
            ("accuracy on the held-out fifth", f"{accuracy:.1%}", f"after {plural(epochs, 'epoch')} in {took:.2f} s"),
            ("training step", _time(step), f"numpy {_time(rival_step)}, {rival_step / step:.1f} times as long"),
            ("one prediction", _time(one), f"numpy {_time(rival_one)}, {rival_one / one:.1f} times as long"),
            *saved,
        ]
    )
    return 0


def _time_steps(net: Any, X: np.ndarray, y: np.ndarray, repeats: int) -> tuple[float, float]:
    """Seconds per training step of nncore and of the numpy reference: the fastest of some epochs of each, in turns."""
    rival = _rival(net)
    trainer = nn.Trainer(net, batch_size=_BATCH)
    adam = reference.Adam()
    trainer.fit(X, y, epochs=1, progress=False)  # the first makes the workspace
    ours, theirs = [], []
    for _ in range(repeats):
        began = perf_counter()
        trainer.fit(X, y, epochs=1, progress=False)
        ours.append(perf_counter() - began)
        began = perf_counter()
        rival.fit(X, y, 1, adam, _BATCH)
        theirs.append(perf_counter() - began)
    steps = -(-len(X) // _BATCH)
    return min(ours) / steps, min(theirs) / steps


def _time_one(net: Any, x: np.ndarray, repeats: int) -> tuple[float, float]:
    """Seconds for the answer to one sample: a frozen network that writes in place, and the numpy reference."""
    predict, out = net.freeze(), np.empty(net.outputs, net.dtype)
    rival, row = _rival(net), x.reshape(1, -1)
    return _fastest(lambda: predict(x, out), 2000, repeats), _fastest(lambda: rival.forward(row), 200, repeats)


def _fastest(call: Callable[[], Any], number: int, repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        began = perf_counter()
        for _ in range(number):
            call()
        best = min(best, (perf_counter() - began) / number)
    return best


def _rival(net: Any) -> reference.Network:
    """The same network in plain numpy, with the same weights."""
    weights = [(layer.weight, layer.bias) for layer in net.layers]
    return reference.Network(net.sizes, "relu", "softmax", weights=weights, dtype=net.dtype)


# ---- info ------------------------------------------------------------------------------------------------------------


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", choices=list(choices.tables()), help="its names with their formulas, and nothing else"
    )


def _info(options: argparse.Namespace) -> int:
    """Say what this installation is: version, instruction sets, threads, build, and what it knows by name."""
    if options.what is not None:
        table = choices.tables()[options.what]
        _table([row[:-1] if table[0][-1] == "source" else row for row in table])
        return 0
    isas = _kernels.isas()
    rows = [
        ("nncore", nn.__version__, os.path.dirname(nn.__file__)),
        ("python", platform.python_version(), f"{platform.machine()} {platform.system()}"),
        ("numpy", np.__version__, ""),
        ("instruction set", _kernels.isa(), f"available: {', '.join(name for name, here in isas.items() if here)}"),
        ("threads", str(_kernels.threads()), "at most; NNCORE_NUM_THREADS or threads= say otherwise"),
        *((name, value, "") for name, value in _kernels.build_info().items()),
        ("activations", ", ".join(_kernels.activations()), ""),
        ("losses", ", ".join(_kernels.losses()), ""),
        ("optimizers", ", ".join(_kernels.optimizers()), ""),
        ("init", ", ".join(INITIALIZERS), ""),
        ("files", ", ".join(formats.FORMATS), ""),
    ]
    _table(rows)
    return 0


# ---- export ----------------------------------------------------------------------------------------------------------


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a saved network, as model.safetensors")
    parser.add_argument("path", metavar="PATH", help="the C file to write, as ranker.c")
    parser.add_argument("--name", help="prefix of what the file defines (by default the file's name)")


def _export(options: argparse.Namespace) -> int:
    """Write a saved network as one C99 file that needs nothing else."""
    net = nn.load(options.model)
    if os.path.exists(options.path) and os.path.samefile(options.model, options.path):
        raise ValueError(f"PATH {options.path} is MODEL itself: give the C file another name, such as ranker.c")
    net.export_c(options.path, options.name)
    print(f"{options.path}: {net!r}, {os.path.getsize(options.path):,} bytes")
    return 0


COMMANDS = (
    Command("demo", "train, test and time a network on handwritten digits", _demo_arguments, _demo),
    Command("learn", "watch a network learn, number by number", terminal.add_arguments, terminal.main),
    Command("export", "write a saved network as a C file", _export_arguments, _export),
    Command("info", "version, instruction sets, threads, build, names", _info_arguments, _info),
)


# ---- words -----------------------------------------------------------------------------------------------------------


def _table(rows: Sequence[Sequence[str]]) -> None:
    """Columns, of which a cell with nothing to its right widens none."""
    widths = [max((len(row[i]) for row in rows if any(row[i + 1 :])), default=0) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _time(seconds: float) -> str:
    """Three digits in the unit that fits; "us" where the output cannot show the Greek letter."""
    micro = "µs"
    try:
        micro.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        micro = "us"
    for scale, unit in ((1e-9, "ns"), (1e-6, micro), (1e-3, "ms")):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def _count(text: str) -> int:
    return _whole(text, 1)


def _natural(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) < least:
        raise argparse.ArgumentTypeError(f"{checks.short(text)} is not a whole number of {least} or more")
    return int(text)
