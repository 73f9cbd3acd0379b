"""Models are read from paths, bytes and protos, with weights inside the file or beside it."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto

import enginewright as ew
from enginewright.errors import ExternalDataError
from enginewright.onnx_io import origin
from tests.sdk.onnx_io.bad_models import constant, make_model, node, value

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
X = np.ones((2, 3), np.float32)


def make_external(tensor: TensorProto, location: str, offset: int | None = None) -> None:
    """Move the data of `tensor` out of it: only the description stays."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    if offset is not None:
        tensor.external_data.add(key="offset", value=str(offset))


def add_model(weight: TensorProto) -> onnx.ModelProto:
    """Return y = x + w."""
    return make_model([node("Add", "x w")], constants=[weight])


def run(source: Path | bytes | onnx.ModelProto) -> np.ndarray:
    """Build, and run on ones."""
    return ew.load(ew.build(source, ew.BuilderConfig(level=0))).run({"x": X})["y"]


def test_every_kind_of_source(tmp_path: Path) -> None:
    """A path, bytes and a ModelProto are the same model."""
    model = add_model(constant("w", WEIGHT))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    for source in (path, path.read_bytes(), model):
        np.testing.assert_array_equal(run(source), WEIGHT + 1)


@pytest.mark.parametrize("offset", [None, 0, 4, 4096])
@pytest.mark.parametrize("folder", ["", "weights/"])
def test_external_data(tmp_path: Path, folder: str, offset: int | None) -> None:
    """Weights beside the model, or in a folder below it, at any offset."""
    weight = constant("w", WEIGHT)
    make_external(weight, f"{folder}data.bin", offset)
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "data.bin").write_bytes(bytes(offset or 0) + WEIGHT.tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(add_model(weight).SerializeToString())
    np.testing.assert_array_equal(run(path), WEIGHT + 1)


def test_external_data_of_four_bits(tmp_path: Path) -> None:
    """Two numbers share a byte, the lower half first, and an odd count leaves half a byte over."""
    weight = TensorProto(name="w", data_type=TensorProto.INT4, dims=[3])
    make_external(weight, "data.bin")
    (tmp_path / "data.bin").write_bytes(bytes([0xF1, 0x07]))
    model = make_model([node("Cast", "w", to=TensorProto.FLOAT)], constants=[weight])
    model.opset_import[0].version = 21
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    np.testing.assert_array_equal(run(path), np.array([1, -1, 7], ml_dtypes.int4).astype(np.float32))


def test_external_data_of_no_elements(tmp_path: Path) -> None:
    """An empty weight needs no byte of its file."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[0, 3])
    make_external(weight, "data.bin")
    (tmp_path / "data.bin").write_bytes(b"")
    path = tmp_path / "model.onnx"
    model = make_model([node("Concat", "x w", axis=0)], [value("x", (2, 3))], constants=[weight])
    path.write_bytes(model.SerializeToString())
    np.testing.assert_array_equal(run(path), X)


def test_external_data_needs_a_folder() -> None:
    """A model given as bytes has no folder, so its weights must be inside."""
    weight = constant("w", WEIGHT)
    make_external(weight, "data.bin")
    with pytest.raises(ExternalDataError, match=r"data\.bin"):
        ew.build(add_model(weight).SerializeToString())


def test_data_outside_the_folder_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a device or a pipe, which never ends."""
    read: list[str] = []
    of_file = origin._of_file
    monkeypatch.setattr(origin, "_of_file", lambda folder, place: read.append(place) or of_file(folder, place))
    (tmp_path / "model").mkdir()
    (tmp_path / "data.bin").write_bytes(WEIGHT.tobytes())
    weight = constant("w", WEIGHT)
    make_external(weight, "../data.bin")
    path = tmp_path / "model" / "model.onnx"
    path.write_bytes(add_model(weight).SerializeToString())
    with pytest.raises(ExternalDataError, match="outside"):
        ew.build(path)
    assert "../data.bin" not in read
