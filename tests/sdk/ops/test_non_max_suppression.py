"""Tests of NonMaxSuppression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim
from enginewright.errors import ShapeError
from enginewright.ops.non_max_suppression import NonMaxSuppression, intersection_over_union
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(NonMaxSuppression)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_read(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(NonMaxSuppression)))
def test_reference(op: NonMaxSuppression, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs, center_point_box=int(op.center_point_box))


def test_most_rows_there_can_be() -> None:
    boxes, scores = TensorSpec(float32, (Dim("n"), 50, 4)), TensorSpec(float32, (Dim("n"), 3, 50))
    limited = NonMaxSuppression().infer(boxes, scores, TensorSpec(int64, (1,), (10,))).shape[0]
    free = NonMaxSuppression().infer(boxes, scores, TensorSpec(int64, (1,))).shape[0]
    assert isinstance(limited, Dim)
    assert isinstance(free, Dim)
    assert limited.atoms[0].sizes == (Dim("n") * 30,)
    assert free.atoms[0].sizes == (Dim("n") * 150,)


def test_intersection_over_union() -> None:
    unit = np.array([0, 0, 2, 2], np.float32)
    assert intersection_over_union(unit, np.array([1, 0, 3, 2], np.float32)) == pytest.approx(1 / 3)
    assert intersection_over_union(unit, np.array([2, 2, 3, 3], np.float32)) == 0
    assert intersection_over_union(unit, np.array([1, 1, 1, 5], np.float32)) == 0


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError):
        NonMaxSuppression().infer(TensorSpec(float32, (1, 5, 4)), TensorSpec(float32, (1, 2, 6)))
    with pytest.raises(ShapeError):
        NonMaxSuppression().infer(TensorSpec(float32, (5, 4)), TensorSpec(float32, (2, 5)))
