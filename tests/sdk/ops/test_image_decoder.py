"""Tests of ImageDecoder."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import PIL.Image
import pytest

import enginewright as ew
from enginewright.errors import NetworkError, RunError, ShapeError
from enginewright.ops.image_decoder import ImageDecoder
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, uint8
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(ImageDecoder)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


COLOURS = np.frombuffer(b"P6 2 1 255\n" + bytes([1, 2, 3, 40, 50, 60]), np.uint8)


def test_pixels_by_hand() -> None:
    assert ImageDecoder("RGB").reference(COLOURS).tolist() == [[[1, 2, 3], [40, 50, 60]]]
    assert ImageDecoder("BGR").reference(COLOURS).tolist() == [[[3, 2, 1], [60, 50, 40]]]
    assert ImageDecoder("Grayscale").reference(COLOURS).tolist() == [[[2], [48]]]
    assert ImageDecoder("BGR").reference(COLOURS[:5]).shape == (0, 0, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow, of what is cut off
@pytest.mark.parametrize("kind", ["BMP", "JPEG", "JPEG2000", "TIFF", "PNG", "WEBP", "PPM"])
def test_files_that_onnx_names(kind: str) -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (5, 4), (200, 100, 50)).save(file, kind)
    whole = np.frombuffer(file.getvalue(), np.uint8)
    pixels = ImageDecoder().reference(whole)
    assert pixels.shape == (4, 5, 3)
    assert np.abs(pixels.astype(int) - [200, 100, 50]).max() < 8
    for count in (1, 9, 17, 31, len(whole) // 2):
        assert ImageDecoder().reference(whole[:count]).shape[2] == 3


@pytest.mark.parametrize("kind", ["GIF", "EPS", "PCX"])
def test_other_files_are_not_opened(kind: str) -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (5, 4)).save(file, kind)
    assert ImageDecoder().reference(np.frombuffer(file.getvalue(), np.uint8)).shape == (0, 0, 3)


def test_in_an_engine() -> None:
    net = ew.Network()
    net.output("y", net.image_decoder(net.input("x", ew.uint8, ("N",))))
    with ew.load(ew.build(net, ew.BuilderConfig(level=1, timing_cache=""))) as engine:
        assert engine.run({"x": COLOURS})["y"].shape == (1, 2, 3)


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(RunError, match="needs Pillow") as caught:
        ImageDecoder().reference(COLOURS)
    assert "enginewright[images]" in caught.value.hint


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShapeError):
        ImageDecoder().infer(TensorSpec(uint8, (2, 3)))
    with pytest.raises(NetworkError):
        ImageDecoder("CMYK").infer(TensorSpec(uint8, (2,)))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 0)
    with pytest.raises(RunError, match="too large"):
        ImageDecoder().reference(COLOURS)
