"""Files: save a network, load it again.

A format is a row of FORMATS: the suffix, and a pair of functions. To add one, write the pair (in a file of its own
where it is long) and enter the row; save and load find it by the suffix, and tests/data wants a golden file of it.

The safetensors form, version 1: tensors ``layers.0.weight`` (fan_in, fan_out), ``layers.0.bias`` (fan_out,) if the
layer has one, ``layers.1.weight``, ...; metadata ``format`` = "nncore", ``version`` = "1", ``network`` = the network's
description as JSON, ``seed`` = the network's in hexadecimal (a file without it loads with seed 0). Any safetensors
reader can read the weights, and nothing in a file is ever run. One network gives one sequence of bytes. Both ways stand
here: there is little to them, and the safetensors package, whose order of metadata is random, is not to be had ready
built for every interpreter.

A file is suspect until it has been looked at: whatever is wrong with it is a FormatError that says what, and no size
that it claims is believed before it is held against the size that it has.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from . import checks, initializers

if TYPE_CHECKING:
    from .network import Network

VERSION = 1
_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit for a header
_TYPES = {"float32": "F32", "float64": "F64"}


class FormatError(ValueError):
    """A file that cannot be loaded: what is wrong with it, and its path."""


class Format(NamedTuple):
    """A row of FORMATS."""

    save: Callable[[Any, str], None]
    load: Callable[[str], Network]
    about: str


def save(net: Network, path: str | os.PathLike[str]) -> None:
    """Write a network to a file.

    The file is written beside its place and then renamed: whatever happens, `path` holds the old file or the whole new
    one. It keeps the permissions of the file that it takes the place of.

    Parameters
    ----------
    net : Network
    path : str or path
        The suffix decides the format: ".safetensors".

    Raises
    ------
    ValueError
        A suffix that names no format.
    OSError
        A folder that is not there, no permission, a full disk; the old file is as it was.
    """
    name = _path(path)
    find(name).save(net, name)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file.

    Parameters
    ----------
    path : str or path
        A file that `save` wrote.

    Returns
    -------
    Network
        The same weights bit for bit, activations, type, settings and seed; its predictions are the same bits, and so is what
        it becomes by training.

    Raises
    ------
    FormatError
        The file is not what it should be: a ValueError that says what is wrong.
    FileNotFoundError, OSError
        There is no such file, or it cannot be read.
    """
    name = _path(path)
    if os.path.isdir(name):
        raise IsADirectoryError(f"cannot load {name}: it is a folder")
    return find(name).load(name)


def _path(path: str | os.PathLike[str]) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path must be a str or a path, got {checks.short(path)}") from None


def find(path: str | os.PathLike[str]) -> Format:
    """The row of FORMATS for a path, by its suffix; the file need not be there.

    Examples
    --------
    >>> find("m.safetensors").about
    'weights and description, for any safetensors reader'
    >>> find("m.pkl")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    nncore.formats.FormatError: m.pkl: unknown file suffix '.pkl'. Allowed: .safetensors. Weights from elsewhere ...
    """
    name = _path(path)
    suffix = os.path.splitext(name)[1].lower()
    if not suffix:
        raise FormatError(f"{name!r} has no suffix: give the file a name such as model{next(iter(FORMATS))}")
    if suffix not in FORMATS:
        other = "Weights from elsewhere can be assigned to net.layers[i].weight and .bias"
        raise FormatError(f"{name}: {checks.unknown('file suffix', suffix, FORMATS)}. {other}")
    return FORMATS[suffix]


# ---- safetensors -----------------------------------------------------------------------------------------------------
# 8 bytes: length of the header, little-endian; the header: JSON, name -> dtype, shape, data_offsets; the tensors.


def _save_safetensors(net: Any, path: str) -> None:
    import json  # here and below: a program that only predicts does without

    description = net.describe()
    code = _TYPES[description["dtype"]]
    header: dict[str, Any] = {
        "__metadata__": {
            "format": "nncore",
            "network": json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False),
            "seed": hex(initializers.as_seed(net.seed)),  # of decimal digits Python writes and reads 4,300 at most
            "version": str(VERSION),
        }
    }
    chunks: list[bytes] = []
    at = 0
    for name, tensor in _tensors(net):
        data = np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<")).tobytes()
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors then begin at a multiple of 8 bytes
    write_whole(path, [struct.pack("<Q", len(text)), text, *chunks])


def _load_safetensors(path: str) -> Network:
    # Here, because network.py offers save and therefore imports this file.
    from .network import Network

    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = _read_header(file, size, path)
        description, seed = _description(header, path), _seed(header, path)
        _compare(_expected(description, path), header, path)
        places = _places(header, size - file.tell(), path)
        data = file.read(size)
    try:
        net = Network.from_description(description)
        views = dict(_tensors(net))
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: its description is not of a network: {error}") from error
    if views.keys() != places.keys():
        raise FormatError(f"{path}: its tensors do not belong to the network that it describes")
    for name, view in views.items():
        numbers = np.frombuffer(data, view.dtype.newbyteorder("<"), view.size, places[name])
        view[...] = numbers.reshape(view.shape)
    net.seed = seed
    return net


def _tensors(net: Any) -> Iterable[tuple[str, np.ndarray]]:
    for i, layer in enumerate(net.layers):
        yield f"layers.{i}.weight", layer.weight
        if layer.bias is not None:
            yield f"layers.{i}.bias", layer.bias


def _read_header(file: BinaryIO, size: int, path: str) -> dict[str, Any]:
    if size == 0:
        raise FormatError(f"{path}: the file is empty")
    if size < 8:
        raise FormatError(f"{path}: not a safetensors file: {size} bytes are less than its first field")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _HEADER_LIMIT or length < 2:
        raise FormatError(f"{path}: not a safetensors file: it claims a header of {length} bytes")
    if 8 + length > size:
        raise FormatError(
            f"{path}: cut short, or not a safetensors file: {size} bytes of which {8 + length} are header"
        )
    header = _json(file.read(length), "header", path)
    if not isinstance(header.get("__metadata__"), dict):
        raise FormatError(f"{path}: not saved by nncore: its header has no metadata")
    return header


def _description(header: dict[str, Any], path: str) -> dict[str, Any]:
    metadata = header["__metadata__"]
    if metadata.get("format") != "nncore":
        raise FormatError(f"{path}: not saved by nncore: its metadata has no format 'nncore'")
    version = metadata.get("version")
    if not (isinstance(version, str) and version.isascii() and version.isdigit() and 0 < len(version) < 10):
        raise FormatError(f"{path}: its version must be a number, got {checks.short(version)}")
    if int(version) > VERSION:
        raise FormatError(
            f"{path}: written by a later nncore, in version {version} of the format; this one reads up to {VERSION}: "
            "upgrade nncore"
        )
    if int(version) < 1:
        raise FormatError(f"{path}: there is no version {version} of the format")
    network = metadata.get("network")
    if not isinstance(network, str):
        raise FormatError(f"{path}: its metadata has no description of the network")
    return _json(network.encode("utf-8", "replace"), "description of the network", path)


def _seed(header: dict[str, Any], path: str) -> int:
    text = header["__metadata__"].get("seed", "0x0")
    if not (isinstance(text, str) and re.fullmatch("0x[0-9a-f]+", text)):
        raise FormatError(f"{path}: its seed must be a hexadecimal number such as '0x5', got {checks.short(text)}")
    return int(text, 16)


def _json(text: bytes, what: str, path: str) -> dict[str, Any]:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{checks.short(twice)} stands there twice")
        return entries

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:  # bad UTF-8 and bad JSON are ValueErrors
        raise FormatError(f"{path}: its {what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise FormatError(f"{path}: its {what} must be a JSON object, got {type(value).__name__}")
    return value


def _expected(description: dict[str, Any], path: str) -> dict[str, tuple[str, list[int]]]:
    """dtype and shape of every tensor that the description calls for, by name."""
    code = _TYPES.get(description["dtype"]) if isinstance(description.get("dtype"), str) else None
    if code is None:
        raise FormatError(
            f"{path}: its dtype must be one of {', '.join(_TYPES)}, got {checks.short(description.get('dtype'))}"
        )
    layers = description.get("layers")
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise FormatError(f"{path}: its description has no list of layers")
    tensors: dict[str, tuple[str, list[int]]] = {}
    fan_in = _count(description, "inputs", path)
    for i, layer in enumerate(layers):
        fan_out = _count(layer, "outputs", f"{path}: layer {i}")
        tensors[f"layers.{i}.weight"] = (code, [fan_in, fan_out])
        bias = layer.get("bias", True)
        if not isinstance(bias, bool):
            raise FormatError(f"{path}: layer {i}: bias must be true or false, got {checks.short(bias)}")
        if bias:
            tensors[f"layers.{i}.bias"] = (code, [fan_out])
        fan_in = fan_out
    return tensors


def _count(entry: dict[str, Any], key: str, where: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise FormatError(f"{where}: {key} must be a positive integer, got {checks.short(value)}")
    return value


def _compare(expected: dict[str, tuple[str, list[int]]], header: dict[str, Any], path: str) -> None:
    found = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for name, (code, shape) in expected.items():
        if name not in found:
            raise FormatError(f"{path}: tensor {name} is missing")
        entry = found[name]
        got = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        if got[0] != code:
            raise FormatError(f"{path}: tensor {name} must be {code}, got {checks.short(got[0])}")
        if got[1] != shape or any(type(size) is not int for size in got[1]):
            raise FormatError(f"{path}: tensor {name} must have shape {shape}, got {checks.short(got[1])}")
    extra = sorted(found.keys() - expected.keys())
    if extra:
        raise FormatError(f"{path}: tensor {extra[0]} does not belong to the network that the file describes")


def _places(header: dict[str, Any], size: int, path: str) -> dict[str, int]:
    """Where each tensor begins in the `size` bytes behind the header: one after another, in any order, they fill them."""
    wrong = f"{path}: cut short, or not a safetensors file"
    offsets = {}
    for name, entry in header.items():
        if name != "__metadata__":
            pair = offsets[name] = entry.get("data_offsets")
            if not (isinstance(pair, list) and [type(number) for number in pair] == [int, int]):
                raise FormatError(
                    f"{wrong}: data_offsets of tensor {name} must be two numbers, got {checks.short(pair)}"
                )
    at = 0
    for name, pair in sorted(offsets.items(), key=lambda item: item[1]):
        end = at + math.prod(header[name]["shape"]) * int(header[name]["dtype"][1:]) // 8
        if pair != [at, end]:
            raise FormatError(
                f"{wrong}: tensor {name} must be bytes {at} to {end}, data_offsets are {checks.short(pair)}"
            )
        at = end
    if at != size:
        raise FormatError(f"{wrong}: it has {size} bytes for tensors of {at}")
    return {name: pair[0] for name, pair in offsets.items()}


# ---- writing ---------------------------------------------------------------------------------------------------------


_LONGEST = 50  # characters of the name that a file has while it is written: systems take 255 bytes


def write_whole(path: str, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path`; at any time, and after any failure, it holds the old bytes or all the new ones."""
    target = os.path.realpath(path)  # a link stays a link, and what it points to is written
    mode = _mode(target, path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"cannot save {path}: there is no folder {folder}")
    base = os.path.basename(target)[:_LONGEST]
    beside = os.path.join(folder, f"{base}.{os.urandom(6).hex()}.part")
    # Made by os.open, so that the umask decides the permissions of a new file, as with any other file.
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        why = f"the folder {folder} cannot be written ({error.strerror})"
        raise type(error)(f"cannot save {path}: {why}") from None
    try:
        with os.fdopen(number, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())  # the bytes are on disk before the name is
        if mode is not None:
            os.chmod(beside, mode)
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _sync_folder(folder)


def _mode(target: str, path: str) -> int | None:
    try:
        found = os.stat(target).st_mode
    except OSError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(f"cannot save {path}: it is a folder")
    if not stat.S_ISREG(found):
        raise OSError(f"cannot save {path}: it is not a regular file")
    return stat.S_IMODE(found)


def _sync_folder(folder: str) -> None:
    """Put the new name on disk; where a folder cannot be opened (Windows) the system sees to it."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(number)
    finally:
        os.close(number)


FORMATS: dict[str, Format] = {
    ".safetensors": Format(_save_safetensors, _load_safetensors, "weights and description, for any safetensors reader"),
}
