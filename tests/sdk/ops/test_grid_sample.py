"""Tests of GridSample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.grid_sample import GridSample, reflected
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(GridSample)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(GridSample)))
def test_reference(op: GridSample, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs, rtol=1e-4, atol=1e-5, opset=20, align_corners=int(op.align_corners))


def test_reflection_there_and_back() -> None:
    np.testing.assert_allclose(reflected(np.array([-1.0, 0, 3, 4, 5, 9]), 0, 3), [1, 0, 3, 2, 1, 3])
    np.testing.assert_array_equal(reflected(np.array([-5.0, 5]), 0, 0), [0, 0])


def test_what_does_not_fit() -> None:
    x, grid = TensorSpec(float32, (1, 2, 3, 4)), TensorSpec(float32, (1, 5, 6, 2))
    with pytest.raises(NetworkError):
        GridSample(mode="bilinear").infer(x, grid)
    with pytest.raises(NetworkError):
        GridSample(padding_mode="wrap").infer(x, grid)
    with pytest.raises(ShapeError):
        GridSample().infer(x, TensorSpec(float32, (1, 5, 6, 3)))
    with pytest.raises(ShapeError):
        GridSample().infer(x, TensorSpec(float32, (2, 5, 6, 2)))
