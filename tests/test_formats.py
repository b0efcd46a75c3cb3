"""Files: the same bits come back, a failed save leaves the old file, and nothing in a file crashes the loader."""

from __future__ import annotations

import json
import os
import stat
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nncore as nn
from nncore import formats

DATA = Path(__file__).parent / "data"


def network(dtype="float32"):
    layers = [3, nn.Dense(4, "leaky_relu", alpha=0.2), nn.Dense(5, "tanh", bias=False, dropout=0.25), nn.Dense(2)]
    net = nn.Network(layers, output="softmax", dtype=dtype, seed=1)
    net.parameters[:] += 0.125
    return net


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.safetensors"
    network().save(path)
    return path


def test_a_file_longer_than_it_says_is_not_read(saved):
    os.truncate(saved, 1 << 36)  # of which the disk holds next to nothing, and no memory all
    with pytest.raises(nn.FormatError, match="bytes"):
        nn.load(saved)


@pytest.mark.parametrize("length", [1, 200, 238])
def test_names_as_long_as_systems_have_them(length, tmp_path):
    path = tmp_path / ("m" * length + ".safetensors")
    network().save(path)
    assert nn.load(path).sizes == [3, 4, 5, 2] and len(os.listdir(tmp_path)) == 1


def parts(data):
    """Header as a dict, and the tensors' bytes, of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, body):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def changed(data, change):
    """The file with its description changed by a function."""
    header, body = parts(data)
    description = json.loads(header["__metadata__"]["network"])
    change(description)
    header["__metadata__"]["network"] = json.dumps(description)
    return joined(header, body)


# ---- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_come_back(tmp_path, dtype):
    net = network(dtype)
    net.save(tmp_path / "m.safetensors")
    again = nn.load(tmp_path / "m.safetensors")
    assert again.parameters.tobytes() == net.parameters.tobytes() and again.dtype == net.dtype
    assert again.describe() == net.describe() and repr(again) == repr(net)
    X = np.random.default_rng(0).standard_normal((20, 3))
    assert again.predict(X).tobytes() == net.predict(X).tobytes()
    again.fit(X, np.zeros(20, int), epochs=1, progress=False)


@pytest.mark.parametrize("seed", [0, 5, 2**64 - 1, 10**5000, np.int64(7), None], ids=range(6))
def test_the_seed_comes_back(tmp_path, seed):
    net = nn.Network([3, nn.Dense(8, dropout=0.25), 2], seed=seed)
    net.save(tmp_path / "m.safetensors")
    again = nn.load(tmp_path / "m.safetensors")
    assert again.seed == net.seed and type(again.seed) is int
    X = np.random.default_rng(0).standard_normal((40, 3))
    for one in (net, again):  # order of samples and dropout are the same too
        one.fit(X, X[:, :2], epochs=2, batch_size=8, progress=False)
    assert again.parameters.tobytes() == net.parameters.tobytes()


def test_a_file_without_a_seed_loads_with_seed_0(saved):
    assert nn.load(saved).seed == 1
    saved.write_bytes(with_header(saved.read_bytes(), lambda header: header["__metadata__"].pop("seed")))
    assert nn.load(saved).seed == 0
    assert nn.load(DATA / "v1-float32.safetensors").seed == 0


def test_a_loaded_network_is_its_own(saved):
    first, second = nn.load(saved), nn.load(str(saved))
    first.parameters[:] = 0
    assert (second.parameters != 0).any()


def test_one_network_is_one_sequence_of_bytes(tmp_path):
    network().save(tmp_path / "a.safetensors")
    network().save(tmp_path / "b.SAFETENSORS")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.SAFETENSORS").read_bytes()


def test_other_readers_read_the_weights(saved):
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = safetensors.load_file(saved)
    net = network()
    assert set(tensors) == {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.2.weight", "layers.2.bias"}
    for i, layer in enumerate(net.layers):
        assert (tensors[f"layers.{i}.weight"] == layer.weight).all()
        assert layer.bias is None or (tensors[f"layers.{i}.bias"] == layer.bias).all()
    header, _ = parts(saved.read_bytes())
    assert header["__metadata__"]["format"] == "nncore" and header["__metadata__"]["version"] == "1"
    assert json.loads(header["__metadata__"]["network"]) == net.describe() and header["__metadata__"]["seed"] == "0x1"


def test_a_file_that_the_library_wrote_is_read(saved):
    safetensors = pytest.importorskip("safetensors.numpy")
    header, _ = parts(saved.read_bytes())
    safetensors.save_file(safetensors.load_file(saved), saved, header["__metadata__"])
    assert nn.load(saved).parameters.tobytes() == network().parameters.tobytes()


def test_an_init_of_its_own_does_not_hinder_saving(tmp_path):
    net = nn.Network([2, 2], init=lambda rng, i, o: np.eye(2))
    net.save(tmp_path / "m.safetensors")
    assert nn.load(tmp_path / "m.safetensors").layers[0].weight.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("path", sorted(DATA.glob("*.safetensors")), ids=lambda path: path.name)
def test_golden_files_load_to_the_same_bits(path):
    """Files of earlier versions: they are never written again, and must load as they did."""
    net = nn.load(path)
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert net.describe() == expected["network"]
    assert [value.hex() for value in net.parameters.astype(float).tolist()] == expected["parameters"]
    assert net.predict(np.array(expected["X"])) == pytest.approx(np.array(expected["Y"]), rel=1e-5)


def test_there_is_a_golden_file_of_every_format_and_version():
    for suffix in formats.FORMATS:
        for version in range(1, formats.VERSION + 1):
            assert list(DATA.glob(f"v{version}-*{suffix}")), f"tests/data has no golden file v{version}-*{suffix}"


# ---- saving ----------------------------------------------------------------------------------------------------------


def test_saving_takes_the_place_of_the_old_file(saved):
    other = nn.Network([2, 2], seed=0)
    other.save(saved)
    assert nn.load(saved).sizes == [2, 2] and os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_failed_save_leaves_the_old_file(saved, monkeypatch, where):
    before = saved.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    if where == "write":
        monkeypatch.setattr(os, "fdopen", fail)
    else:
        monkeypatch.setattr(os, where, fail)
    with pytest.raises(OSError, match="No space left"):
        nn.Network([2, 2]).save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def test_ctrl_c_while_saving_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        nn.Network([2, 2]).save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_permissions(saved):
    mask = os.umask(0o027)
    try:
        network().save(saved.with_name("new.safetensors"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(saved.with_name("new.safetensors").stat().st_mode) == 0o640
    saved.chmod(0o604)
    network().save(saved)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o604


@pytest.mark.skipif(os.name != "posix", reason="links as POSIX has them")
def test_a_link_stays_a_link(saved):
    link = saved.with_name("link.safetensors")
    link.symlink_to(saved.name)
    nn.Network([2, 2]).save(link)
    assert link.is_symlink() and nn.load(saved).sizes == [2, 2]


def test_where_nothing_can_be_saved(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        network().save(tmp_path / "none" / "m.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        network().save(tmp_path / "folder.safetensors")
    for path in ("m.pkl", "m.h5"):
        with pytest.raises(ValueError, match=r"unknown file suffix .*Allowed: \.safetensors\. Weights from elsewhere"):
            network().save(tmp_path / path)
    with pytest.raises(ValueError, match=r"m' has no suffix: give the file a name such as model\.safetensors"):
        network().save(tmp_path / "m")
    for path in (None, 3, ["m.safetensors"]):
        with pytest.raises(TypeError, match="path must be a str or a path"):
            network().save(path)
    assert os.listdir(tmp_path) == ["folder.safetensors"]


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(OSError, match="not a regular file"):
        network().save(tmp_path / "pipe.safetensors")
    assert stat.S_ISFIFO((tmp_path / "pipe.safetensors").stat().st_mode)


# ---- files that are wrong --------------------------------------------------------------------------------------------


def with_header(data, change):
    header, body = parts(data)
    change(header)
    return joined(header, body)


def metadata(key, value):
    return lambda data: with_header(data, lambda header: header["__metadata__"].update({key: value}))


def tensor(name, key, value):
    return lambda data: with_header(data, lambda header: header[name].update({key: value}))


def described(change):
    return lambda data: changed(data, change)


def layer(i, key, value):
    return described(lambda description: description["layers"][i].update({key: value}))


def renamed(data):
    return with_header(data, lambda header: header.update({"extra": header.pop("layers.0.bias")}))


def with_extra(data):
    header, body = parts(data)
    header["zz"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(body), len(body) + 4]}
    return joined(header, body + b"0000")


def repeated(data, before, more):
    """With more text in the header, before an entry."""
    length = struct.unpack("<Q", data[:8])[0]
    text = data[8 : 8 + length].replace(before, more + before, 1)
    assert len(text) > length
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


WRONG = {
    "empty": (lambda data: b"", "the file is empty"),
    "five bytes": (lambda data: b"hello", "not a safetensors file"),
    "text": (lambda data: b"this is not a network at all\n" * 20, "not a safetensors file"),
    "zip": (lambda data: b"PK\x03\x04" + data, "not a safetensors file"),
    "zeros": (lambda data: bytes(100), "not a safetensors file"),
    "huge header": (lambda data: struct.pack("<Q", 2**63) + data[8:], "header of 9223372036854775808 bytes"),
    "header beyond the file": (lambda data: struct.pack("<Q", 99_999) + data[8:], "cut short"),
    "cut in the header": (lambda data: data[:100], "cut short"),
    "cut in the tensors": (lambda data: data[:-1], "cut short"),
    "bytes at the end": (lambda data: data + b"\0", "not a safetensors file"),
    "header is a list": (lambda data: joined([1, 2], b""), "must be a JSON object, got list"),
    "deep header": (lambda data: struct.pack("<Q", 400_000) + b"[" * 400_000, "not JSON"),
    "header is not UTF-8": (lambda data: struct.pack("<Q", 8) + b'{"\xff\xff":1}' + data, "not JSON"),
    "no metadata": (lambda data: with_header(data, lambda header: header.pop("__metadata__")), "not saved by nncore"),
    "metadata is a list": (lambda data: with_header(data, lambda h: h.update(__metadata__=[])), "not saved by nncore"),
    "another program": (metadata("format", "pt"), "not saved by nncore"),
    "later version": (metadata("version", "2"), "written by a later nncore, in version 2 of the format"),
    "version 0": (metadata("version", "0"), "there is no version 0"),
    "version is a word": (metadata("version", "new"), "version must be a number, got 'new'"),
    "version is a number": (metadata("version", 1), "version must be a number, got 1"),
    "version is long": (metadata("version", "9" * 5000), "version must be a number"),
    "no description": (metadata("network", None), "no description"),
    "description is garbage": (metadata("network", "{garbage"), "description of the network is not JSON"),
    "description is a number": (metadata("network", "5"), "must be a JSON object, got int"),
    "description is deep": (metadata("network", "[" * 100_000), "not JSON"),
    "description with a lone surrogate": (metadata("network", "\ud800"), "not JSON"),
    "seed is a number": (metadata("seed", 1), "seed must be a hexadecimal number such as '0x5', got 1"),
    "seed is a word": (metadata("seed", "five"), "seed must be a hexadecimal number"),
    "seed is negative": (metadata("seed", "-0x5"), "seed must be a hexadecimal number"),
    "seed with a line's end": (metadata("seed", "0x5\n"), "seed must be a hexadecimal number"),
    "another dtype": (described(lambda d: d.update(dtype="int8")), "dtype must be one of float32, float64, got 'int8'"),
    "dtype of the other kind": (
        described(lambda d: d.update(dtype="float64")),
        "layers.0.weight must be F64, got 'F32'",
    ),
    "dtype is a list": (described(lambda d: d.update(dtype=["float32"])), "dtype must be one of"),
    "no inputs": (described(lambda d: d.pop("inputs")), "inputs must be a positive integer, got None"),
    "inputs 0": (described(lambda d: d.update(inputs=0)), "inputs must be a positive integer, got 0"),
    "other inputs": (described(lambda d: d.update(inputs=7)), "layers.0.weight must have shape [7, 4], got [3, 4]"),
    "no layers": (described(lambda d: d.update(layers=[])), "no list of layers"),
    "layers is a word": (described(lambda d: d.update(layers="many")), "no list of layers"),
    "a layer is a number": (described(lambda d: d.update(layers=[1])), "no list of layers"),
    "a layer too many": (described(lambda d: d["layers"].append(d["layers"][-1])), "tensor layers.3.weight is missing"),
    "a layer too few": (described(lambda d: d["layers"].pop()), "does not belong to the network"),
    "outputs huge": (layer(2, "outputs", 10**15), "layers.2.weight must have shape"),
    "inputs of thousands of digits": (
        lambda data: repeated(data, b'3,\\"layers', b"3" * 4000),
        "inputs must be a positive integer, got an int",
    ),
    "a shape of true and 1.0": (
        lambda data: with_header(
            data, lambda h: h["layers.2.bias"].update(shape=[float(h["layers.2.bias"]["shape"][0])])
        ),
        "layers.2.bias must have shape",
    ),
    "a tensor twice": (
        lambda data: repeated(
            data, b'"layers.0.weight"', b'"layers.0.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},'
        ),
        "header is not JSON: 'layers.0.weight' stands there twice",
    ),
    "metadata twice": (lambda data: repeated(data, b'"__metadata__"', b'"__metadata__":{},'), "stands there twice"),
    "header in UTF-16": (
        lambda data: (lambda text, body: struct.pack("<Q", len(text)) + text + body)(
            json.dumps(parts(data)[0]).encode("utf-16"), parts(data)[1]
        ),
        "header is not JSON",
    ),
    "outputs 1.5": (layer(2, "outputs", 1.5), "layer 2: outputs must be a positive integer, got 1.5"),
    "outputs true": (layer(2, "outputs", True), "outputs must be a positive integer"),
    "bias is a word": (layer(2, "bias", "yes"), "layer 2: bias must be true or false, got 'yes'"),
    "bias is there but not said": (layer(2, "bias", False), "tensor layers.2.bias does not belong"),
    "no activation": (described(lambda d: d["layers"][0].pop("activation")), "not of a network"),
    "unknown activation": (layer(0, "activation", "rleu"), "unknown activation 'rleu': did you mean 'relu'"),
    "activation is a list": (layer(0, "activation", []), "not of a network"),
    "softmax inside": (layer(0, "activation", "softmax"), "not of a network"),
    "parameter is a word": (layer(0, "parameter", "big"), "not of a network"),
    "parameter is nan": (layer(0, "parameter", float("nan")), "not of a network"),
    "dropout 2": (layer(0, "dropout", 2), "not of a network"),
    "no dropout": (described(lambda d: d["layers"][0].pop("dropout")), "not of a network"),
    "tensor renamed": (renamed, "tensor layers.0.bias is missing"),
    "a tensor more": (with_extra, "tensor zz does not belong"),
    "another shape": (tensor("layers.0.weight", "shape", [4, 3]), "layers.0.weight must have shape [3, 4], got [4, 3]"),
    "no shape": (tensor("layers.0.weight", "shape", None), "must have shape [3, 4], got None"),
    "another type": (tensor("layers.0.bias", "dtype", "I32"), "layers.0.bias must be F32, got 'I32'"),
    "offsets beyond": (tensor("layers.2.bias", "data_offsets", [0, 10**12]), "not a safetensors file"),
    "offsets reversed": (tensor("layers.2.bias", "data_offsets", [8, 0]), "not a safetensors file"),
    "offsets negative": (tensor("layers.2.bias", "data_offsets", [-8, 0]), "not a safetensors file"),
    "offsets overlap": (tensor("layers.0.bias", "data_offsets", [0, 16]), "not a safetensors file"),
    "offsets of one": (tensor("layers.0.bias", "data_offsets", [0]), "must be two numbers, got [0]"),
    "offsets of words": (tensor("layers.0.bias", "data_offsets", ["a", "b"]), "must be two numbers"),
    "no offsets": (tensor("layers.0.bias", "data_offsets", None), "must be two numbers, got None"),
    "a gap": (lambda data: joined(parts(data)[0], b"0000" + parts(data)[1]), "not a safetensors file"),
    "entry is a number": (
        lambda data: with_header(data, lambda h: h.update({"layers.0.bias": 5})),
        "must be F32, got None",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_has_its_words(saved, name):
    damage, words = WRONG[name]
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(nn.FormatError) as caught:
        nn.load(saved)
    assert words in str(caught.value) and str(saved) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        nn.load(tmp_path / "none.safetensors")
    with pytest.raises(nn.FormatError, match="unknown file suffix"):
        nn.load(tmp_path / "none.pt")
    with pytest.raises(TypeError, match="path must be"):
        nn.load(None)
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(OSError):
        nn.load(tmp_path / "folder.safetensors")


def loads_or_says_why(path, data):
    path.write_bytes(data)
    try:
        net = nn.load(path)
    except nn.FormatError as error:
        assert str(path) in str(error)
    else:
        net.parameters[:] = 0  # what it read into is sound
        net.predict(np.zeros((2, net.inputs)))


def test_cut_anywhere(saved):
    data = saved.read_bytes()
    for length in range(len(data)):
        saved.write_bytes(data[:length])
        with pytest.raises(nn.FormatError):
            nn.load(saved)


def test_one_byte_flipped_anywhere(saved):
    data = saved.read_bytes()
    for at in range(len(data)):
        for bit in (0, 3, 7):
            loads_or_says_why(saved, data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.binary(max_size=200), header=st.booleans())
def test_any_bytes(tmp_path, data, header):
    loads_or_says_why(tmp_path / "f.safetensors", struct.pack("<Q", len(data)) + data if header else data)


@pytest.mark.parametrize(
    "edit, inner", [(changed, lambda description: description["layers"]), (with_header, lambda header: header.values())],
    ids=["description", "header"],
)  # fmt: skip
@FUZZ
@given(draw=st.data(), value=json_values)
def test_any_value_anywhere(tmp_path, edit, inner, draw, value):
    path = tmp_path / "m.safetensors"
    network().save(path)

    def change(whole):
        target = draw.draw(st.sampled_from([whole, *inner(whole)]))
        target[draw.draw(st.sampled_from(sorted(target)))] = value

    loads_or_says_why(path, edit(path.read_bytes(), change))
