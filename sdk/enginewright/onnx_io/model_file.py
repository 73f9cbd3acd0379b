"""Reads an ONNX model from a path, bytes or a ModelProto, and its tensors, with external data only from its folder."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import google.protobuf.message
import numpy as np
import onnx
import onnx.numpy_helper

from enginewright.errors import ExternalDataError, ModelError, ModelInvalid, ModelNotReadable, UnsupportedModel
from enginewright.onnx_io.weights_apart import take_apart
from enginewright.tensors import ELEMENT_TYPES, MAX_RANK, DataType

Array = np.ndarray[Any, Any]
EXPORT_AGAIN = "Export the model again."


@dataclass(frozen=True)
class ModelFile:
    """A model, the folder that its external data may come from (None: it came without one), and its file's bytes.

    `apart`: the raw data of initializers, by place, that `proto` lacks as it is read where it lies in the file.
    """

    proto: onnx.ModelProto
    folder: Path | None
    where: str
    content: bytes | memoryview = field(default=b"", repr=False)
    apart: Mapping[int, memoryview] = field(default_factory=dict, repr=False)

    def joined(self) -> ModelFile:
        """The model with all its weights in `proto`."""
        return replace(self, proto=_decode(self.content, self.where), apart={}) if self.apart else self


def read_model(source: str | os.PathLike[str] | bytes | onnx.ModelProto, *, apart: bool = False) -> ModelFile:
    """Read a model; `ModelNotReadable` where there is none, `ModelInvalid` where it holds no graph.

    With `apart` large weights of a file stay in it, for as long as the arrays live: it must not change meanwhile.
    """
    if isinstance(source, onnx.ModelProto):
        found = ModelFile(source, None, "ModelProto")
    elif isinstance(source, bytes | bytearray | memoryview):
        found = ModelFile(_decode(bytes(source), "bytes"), None, "bytes")
    else:
        path = Path(source)
        try:
            data = _content(path)
        except OSError as error:
            raise ModelNotReadable(
                f"cannot read the model: {error.strerror or error}", hint="Check the path.", where=str(path)
            ) from None
        light, weights = take_apart(memoryview(data)) if apart else (data, {})
        found = ModelFile(_decode(light, str(path), len(data)), path.resolve().parent, str(path), data, weights)
    _check_header(found)
    return found


def _content(path: Path) -> bytes | memoryview:
    """The bytes of a file, mapped: models have hundreds of megabytes, and memory for a copy is not free."""
    if not path.is_file() or not path.stat().st_size:
        return path.read_bytes()
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _check_header(model: ModelFile) -> None:
    """Raise for what parses as protocol buffer, but is no usable model."""
    proto, where = model.proto, model.where
    if not proto.graph.node and not proto.graph.output:
        raise ModelNotReadable(
            "there is no graph in it: it is no ONNX model", hint="Give the path of an .onnx file.", where=where
        )
    if not proto.ir_version:
        raise ModelInvalid("it has no ir_version", hint=EXPORT_AGAIN, where=where)
    if not proto.graph.output:
        raise ModelInvalid("its graph has no output", hint=EXPORT_AGAIN, where=where)


def _decode(data: bytes | memoryview, where: str, size: int = 0) -> onnx.ModelProto:
    """The model in these bytes, which are all there is or, without its large weights, of `size` bytes."""
    proto = onnx.ModelProto()
    if not data:
        raise ModelNotReadable("the model is empty (0 bytes)", hint="Give an .onnx file.", where=where)
    try:
        proto.ParseFromString(data)
    except google.protobuf.message.DecodeError:
        known = {
            b"PK": "a zip archive",
            b"\xff\xd8": "a JPEG",
            b"\x89P": "a PNG",
            b"\x80\x04": "a pickle",
            b"": "empty",
        }
        kind = known.get(bytes(data[:2]), "truncated, damaged, or another format")
        raise ModelNotReadable(
            f"this is no ONNX model: it is {kind} ({size or len(data):,} bytes)",
            hint="Give an .onnx file.",
            where=where,
        ) from None
    return proto


def read_tensor(
    proto: onnx.TensorProto, folder: Path | None, where: str, apart: bytes | memoryview | None = None
) -> Array:
    """The array in a TensorProto, whose external data (if any) lies inside `folder`; `ModelInvalid` if it is broken.

    `apart`: its raw data, where that was taken out of it. Such an array may begin at any address.
    """
    name = f'initializer "{proto.name}"' if proto.name else where
    if proto.data_type not in ELEMENT_TYPES:
        raise unknown_type(proto.data_type, name)
    if len(proto.dims) > MAX_RANK or any(not 0 <= size < 2**31 for size in proto.dims):
        raise ModelInvalid(f"its dims {list(proto.dims)} are out of range", hint=EXPORT_AGAIN, where=name)
    if proto.data_location == onnx.TensorProto.EXTERNAL:
        return _external(proto, folder, name)
    dtype = DataType(proto.data_type)
    expected = int(np.prod(list(proto.dims), dtype=object)) if proto.dims else 1
    raw = proto.raw_data if proto.HasField("raw_data") else apart  # once: each look makes a copy
    if raw is not None and len(raw) != (expected * dtype.bits + 7) // 8:
        raise ModelInvalid(
            f"its raw_data has {len(raw)} bytes for {expected} elements of {dtype}", hint=EXPORT_AGAIN, where=name
        )
    if raw is not None and dtype.bits >= 8:
        return np.frombuffer(raw, dtype.numpy).reshape(tuple(proto.dims))
    try:
        array: Array = onnx.numpy_helper.to_array(proto if apart is None else _with_raw(proto, apart))
        return _strings(array) if dtype is DataType.STRING else array
    except (ValueError, TypeError) as error:
        raise ModelInvalid(f"its data does not fit its dims: {error}", hint=EXPORT_AGAIN, where=name) from None


def unknown_type(number: int, where: str) -> ModelError:
    """The error for a data type that only ONNX knows, or nobody."""
    if number in onnx.TensorProto.DataType.values() and number:
        name = onnx.TensorProto.DataType.Name(number)
        return UnsupportedModel(f"data type {name} is not supported", hint="Export in another type.", where=where)
    return ModelInvalid(f"data type {number} is not known", hint=EXPORT_AGAIN, where=where)


def _strings(array: Array) -> Array:
    decoded = [item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else item for item in array.flat]
    return np.array(decoded, dtype=object).reshape(array.shape)


def _external(proto: onnx.TensorProto, folder: Path | None, where: str) -> Array:
    entries = {entry.key: entry.value for entry in proto.external_data}
    location, dtype = entries.get("location", ""), DataType(proto.data_type)
    path = _inside(folder, location, where)
    try:
        offset, size = int(entries.get("offset", 0)), path.stat().st_size
        count = int(np.prod(list(proto.dims), dtype=object)) if proto.dims else 1
        length = int(entries.get("length", (count * dtype.bits + 7) // 8))
    except ValueError:
        raise ExternalDataError("offset or length is no number", hint=EXPORT_AGAIN, where=where) from None
    if length != (count * dtype.bits + 7) // 8 or offset < 0 or offset + length > size:
        raise ExternalDataError(
            f'"{location}" has {size} bytes; {length} at {offset} were asked for {count} elements of {dtype}',
            hint="Copy the complete data file beside the model.",
            where=where,
        )
    if dtype.bits < 8:
        raw = np.fromfile(path, np.uint8, length, offset=offset)
        return np.asarray(onnx.numpy_helper.to_array(_with_raw(proto, raw.tobytes())))
    if not length:
        return np.zeros(tuple(proto.dims), dtype.numpy)
    return np.memmap(path, dtype.numpy, "r", offset, tuple(proto.dims))


def _with_raw(proto: onnx.TensorProto, raw: bytes | memoryview) -> onnx.TensorProto:
    return onnx.TensorProto(dims=proto.dims, data_type=proto.data_type, raw_data=bytes(raw))


def _inside(folder: Path | None, location: str, where: str) -> Path:
    """The data file, which must be a regular file inside the model's folder, links followed."""
    hint = "Put the data file into the model's folder and give the model by its path."
    if folder is None:
        raise ExternalDataError(f'the data is in "{location}", but the model has no folder', hint=hint, where=where)
    path = folder / location
    if not location or Path(location).is_absolute() or not path.resolve().is_relative_to(folder):
        raise ExternalDataError(f'the data file "{location}" is outside the model\'s folder', hint=hint, where=where)
    if not path.is_file():
        raise ExternalDataError(f'the data file "{location}" does not exist', hint=hint, where=where)
    return path.resolve()
