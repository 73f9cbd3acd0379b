"""Tests of RoiAlign and MaxRoiPool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.roi import MaxRoiPool, RoiAlign
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import (
    check_against_onnx,
    check_static,
    check_symbolic,
    examples_of,
)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(RoiAlign, MaxRoiPool)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), [case for case in examples_of(RoiAlign) if case.values[0].mode == "avg"])
def test_align(op: Operator, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs, rtol=1e-4, atol=1e-5, opset=20)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(MaxRoiPool)))
def test_max_pool(op: MaxRoiPool, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs, opset=20)


def test_max_of_one_point() -> None:
    """With one point a bin in the middle of four pixels the largest weighted pixel counts."""
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    op = RoiAlign("output_half_pixel", "max", 1, 1, 1)
    found = op.reference(x, np.array([[0, 0, 1, 1]], np.float32), np.array([0]))
    assert found.item() == pytest.approx(5 * 0.25)


def test_images_that_do_not_exist() -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(ShapeError):
        RoiAlign().reference(x, np.zeros((1, 4), np.float32), np.array([1]))
    with pytest.raises(ShapeError):
        MaxRoiPool((1, 1)).reference(x, np.array([[2, 0, 0, 1, 1]], np.float32))


def test_what_does_not_fit() -> None:
    x, rois, where = TensorSpec(float32, (1, 1, 4, 4)), TensorSpec(float32, (2, 4)), TensorSpec(int64, (2,))
    with pytest.raises(NetworkError):
        RoiAlign(mode="sum").infer(x, rois, where)
    with pytest.raises(ShapeError):
        RoiAlign().infer(x, rois, TensorSpec(int64, (3,)))
    with pytest.raises(ShapeError):
        MaxRoiPool((1, 1)).infer(x, rois)
    with pytest.raises(ShapeError):
        MaxRoiPool((1, 1)).infer(rois, rois)
