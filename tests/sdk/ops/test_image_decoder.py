"""Tests of ImageDecoder."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
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
