"""Large weights are read where they lie in a model's file, whatever stands around them; all else is read as ever."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError

import enginewright as ew
from enginewright.errors import ModelInvalid, ModelNotReadable
from enginewright.onnx_io import origin, weights_apart
from enginewright.onnx_io.model_file import read_model
from enginewright.onnx_io.origin import SourceFile, read_origin, source_file
from enginewright.onnx_io.parser import parse
from enginewright.onnx_io.weights_apart import take_apart
from enginewright.replacement.replacer import Replacer
from tests.sdk.onnx_io.bad_models import constant, make_model, node

SIZES = (1, 3, 70, 300)


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_apart, "LARGE", 8)


def model_of(*extra: onnx.TensorProto) -> onnx.ModelProto:
    """y = x + w0 + w1 ..., and initializers that nobody reads: with names of all lengths, so at all addresses."""
    weights = [constant(f"w{'_' * i}{i}", np.full((2, size, 3), i + 0.5)) for i, size in enumerate(SIZES)]
    nodes = [node("Add", "x x", "sum")]
    nodes += [node("ReduceMean", tensor.name, f"m{i}", keepdims=0) for i, tensor in enumerate(weights)]
    names = ["sum", *(f"m{i}" for i in range(len(weights)))]
    return make_model([*nodes, node("Sum", " ".join(names))], constants=[*weights, *extra])


def test_light_model_and_weights_are_the_whole() -> None:
    model = model_of(constant("few", np.ones(1)))
    light, weights = take_apart(memoryview(model.SerializeToString()))
    found = onnx.ModelProto.FromString(bytes(light))
    assert list(weights) == list(range(len(SIZES)))
    for index, data in weights.items():
        tensor = found.graph.initializer[index]
        assert not tensor.HasField("raw_data")
        tensor.raw_data = bytes(data)
    assert found == model


def test_networks_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model_of().SerializeToString())
    found = read_origin(path, None, Replacer())
    whole = parse(path)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(found.network.evaluate({"x": x})["y"], whole.evaluate({"x": x})["y"])
    light = read_model(path, apart=True)
    assert len(light.apart) == len(SIZES)
    assert light.joined().proto == read_model(path).proto


def test_weights_at_any_address_give_the_same_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file begins at a page, so the length of a text before it decides where in memory the weight lies."""
    rng = np.random.default_rng(0)
    weight, taps = rng.standard_normal((3, 700)), rng.standard_normal((4, 2, 3, 3))
    addresses = set()
    nodes = [node("MatMul", "x w", "p"), node("Reshape", "p shape", "i"), node("Conv", "i taps")]
    shape = constant("shape", [1, 2, 25, 28], "int64")
    for length in range(4):
        model = make_model(nodes, constants=[constant("w", weight), constant("taps", taps), shape])
        model.producer_name = "p" * (1 + length)
        path = tmp_path / f"{length}.onnx"
        path.write_bytes(model.SerializeToString())
        config = ew.BuilderConfig(level=1, recipe="none")
        built = ew.build(path, config)
        addresses.add(np.frombuffer(read_model(path, apart=True).apart[0], np.uint8).ctypes.data % 4)
        monkeypatch.setattr(weights_apart, "LARGE", 1 << 40)
        assert built.to_bytes() == ew.build(path, config).to_bytes()
        monkeypatch.setattr(weights_apart, "LARGE", 8)
    assert len(addresses) == 4


def test_types_that_are_unpacked(tmp_path: Path) -> None:
    """int4 has two elements a byte; floats of other kinds, and bytes, are views."""
    arrays = [np.arange(-8, 8).astype(ml_dtypes.int4).repeat(4), np.arange(30).astype(ml_dtypes.bfloat16)]
    tensors = [onnx.numpy_helper.from_array(array, f"t{i}") for i, array in enumerate(arrays)]
    nodes = [node("Cast", f"t{i}", f"c{i}", to=1) for i in range(2)] + [node("Concat", "c0 c1", axis=0)]
    path = tmp_path / "model.onnx"
    model = make_model(nodes, constants=tensors)
    model.opset_import[0].version = 21
    path.write_bytes(model.SerializeToString())
    network = read_origin(path, None, Replacer()).network
    x = np.zeros((2, 3), np.float32)
    np.testing.assert_array_equal(network.evaluate({"x": x})["y"], np.concatenate(arrays, dtype=np.float32))


def test_wrong_sizes_are_refused(tmp_path: Path) -> None:
    tensor = constant("w", np.ones((2, 3)))
    tensor.raw_data += b"more"
    path = tmp_path / "model.onnx"
    path.write_bytes(make_model([node("Add", "x w")], constants=[tensor]).SerializeToString())
    with pytest.raises(ModelInvalid, match="raw_data has 28 bytes for 6 elements"):
        ew.build(path)


def test_old_models_are_converted_whole(tmp_path: Path) -> None:
    model = make_model([node("Add", "x w")], constants=[constant("w", np.ones((2, 3)))])
    model.opset_import[0].version = 6
    model.ir_version = 3
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, (2, 3)))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    network = read_origin(path, None, Replacer()).network
    assert network.evaluate({"x": np.ones((2, 3), np.float32)})["y"].tolist() == [[2.0] * 3] * 2


def test_what_comes_twice_is_left_to_the_parser() -> None:
    """Of two graphs, or two fields of raw data, a parser makes one."""
    data = model_of().SerializeToString()
    assert take_apart(memoryview(data + data))[1] == {}
    tensor = constant("w", np.ones((2, 3))).SerializeToString()
    graph = bytes([5 << 3 | 2, 2 * len(tensor)]) + tensor + tensor
    twice = bytes([7 << 3 | 2, len(graph)]) + graph
    assert take_apart(memoryview(twice)) == (twice, {})


@pytest.mark.parametrize("kind", ["cut", "changed"])
def test_damaged_models_are_read_as_ever(kind: str) -> None:
    """The light model parses where the whole one does, to the same, or both do not."""
    data = model_of().SerializeToString()
    rng = np.random.default_rng(0)
    for _ in range(400):
        at = int(rng.integers(len(data)))
        broken = data[:at] if kind == "cut" else data[:at] + bytes([rng.integers(256)]) + data[at + 1 :]
        light, weights = take_apart(memoryview(broken))
        whole, found = onnx.ModelProto(), onnx.ModelProto()
        with contextlib.suppress(DecodeError):
            whole.ParseFromString(broken)
            found.ParseFromString(bytes(light))
            for index, raw in weights.items():
                found.graph.initializer[index].raw_data = bytes(raw)
            assert found == whole
            continue
        with pytest.raises(DecodeError):
            found.ParseFromString(bytes(light))


@pytest.mark.parametrize("place", ["parse", "profile"])
def test_a_build_that_fails_reads_the_file_no_more(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model may be written there at once: to shorten a file that is still mapped and read ends the process."""
    path = tmp_path / "model.onnx"
    model = model_of() if place != "parse" else make_model([node("NoSuchOperator", "x")])
    path.write_bytes(model.SerializeToString())
    readers: list[str] = []

    def slowly(name: str, content: bytes | memoryview) -> SourceFile:
        readers.append(name)
        time.sleep(0.05)
        found = source_file(name, content)
        readers.remove(name)
        return found

    monkeypatch.setattr(origin, "source_file", slowly)
    profiles = [ew.Profile({"nobody": (1,)})] if place == "profile" else []
    with pytest.raises(ew.EnginewrightError):
        ew.build(path, ew.BuilderConfig(timing_cache="", profiles=profiles))
    assert not readers


def test_the_size_of_what_is_no_model_is_that_of_its_file(tmp_path: Path) -> None:
    path, data = tmp_path / "model.onnx", model_of().SerializeToString() + b"\x3b"
    path.write_bytes(data)
    with pytest.raises(ModelNotReadable, match=f"\\({len(data):,} bytes\\)"):
        ew.build(path)
