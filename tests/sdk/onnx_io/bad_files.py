"""Files that hold no model, or whose weights lie where they must not."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from enginewright.errors import ExternalDataError, ModelNotReadable
from tests.sdk.onnx_io.bad_models import FLOAT, BadModel, Maker, constant, holding, make_model, node, saved, value

JPEG = bytes.fromhex("ffd8ffe000104a46494600010101004800480000ffdb004300") + bytes(range(64)) + b"\xff\xd9"
WEIGHT = np.arange(6, dtype=np.float32)


def models() -> Iterator[BadModel]:
    """Yield the models of this module."""
    yield from (BadModel(name, make, ModelNotReadable, ("model.onnx",)) for name, make in _unreadable())
    for name, make in _external():
        yield BadModel(f"external_{name}", make, ExternalDataError, ("weight",))


def _unreadable() -> Iterator[tuple[str, Maker]]:
    """Yield what is no ONNX model at all."""
    whole = make_model([node("Add", "x w")], constants=[constant("w", np.ones((2, 3)))]).SerializeToString()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inner:
        inner.writestr("inside.onnx", whole)
    contents = {
        "empty_file": b"",
        "truncated_file": whole[: len(whole) // 2],
        "last_byte_missing": whole[:-1],
        "jpeg": JPEG,
        "zip": archive.getvalue(),
        "pickle": pickle.dumps({"weights": [1.0, 2.0]}),
        "text": b'{"model": "not this way"}\n',
        "zeros": bytes(4096),
        "noise": np.random.default_rng(7).bytes(4096),
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "git_lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 23\n",
    }
    yield from ((name, holding(data)) for name, data in contents.items())
    yield "missing_file", lambda folder: folder / "model.onnx"
    yield "folder", _make_folder


def _make_folder(folder: Path) -> Path:
    """Make a folder with the name of a model."""
    path = folder / "model.onnx"
    path.mkdir()
    return path


def _external() -> Iterator[tuple[str, Maker]]:
    """Yield models whose weight of 24 bytes is described by a wrong entry; `weights.bin` itself is good."""
    entries = {
        "file_missing": {"location": "nowhere.bin"},
        "above_folder": {"location": "../secret.bin"},
        "above_folder_inside_path": {"location": "sub/../../secret.bin"},
        "absolute": {"location": "/etc/hostname"},
        "location_missing": {},
        "location_empty": {"location": ""},
        "location_is_folder": {"location": "sub"},
        "offset_beyond_end": {"location": "weights.bin", "offset": "4096"},
        "offset_negative": {"location": "weights.bin", "offset": "-8"},
        "offset_no_number": {"location": "weights.bin", "offset": "many"},
        "length_beyond_end": {"location": "weights.bin", "offset": "8", "length": "24"},
        "length_of_other_shape": {"location": "weights.bin", "length": "20"},
        "length_huge": {"location": "weights.bin", "length": str(1 << 62)},
        "symlink": {"location": "link.bin"},
        "symlinked_folder": {"location": "away/secret.bin"},
    }
    yield from ((name, _referring(entry)) for name, entry in entries.items())


def _referring(entry: dict[str, str]) -> Maker:
    """Return a maker of a model whose weight is outside the file, with a file and links above and beside it."""

    def make(folder: Path) -> Path:
        inner = folder / "inner"
        (inner / "sub").mkdir(parents=True)
        (folder / "secret.bin").write_bytes(WEIGHT.tobytes())
        (inner / "weights.bin").write_bytes(WEIGHT.tobytes())
        (inner / "link.bin").symlink_to(folder / "secret.bin")
        (inner / "away").symlink_to(folder, target_is_directory=True)
        tensor = onnx.TensorProto(name="weight", data_type=FLOAT, dims=WEIGHT.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, text in entry.items():
            tensor.external_data.add(key=key, value=text)
        return saved(make_model([node("Add", "x weight")], [value("x", (6,))], constants=[tensor]))(inner)

    return make
