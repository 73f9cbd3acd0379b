"""Tests of the operators for tensors made from a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from enginewright.ops.generate import ConstantOfShape, EyeLike, Range
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(ConstantOfShape, EyeLike, Range))
CONSTANTS: dict[type[Any], tuple[int, ...]] = {}


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_contents_read_at_run_time(op: Operator, inputs: list[Any]) -> None:
    check_read(op, inputs, CONSTANTS.get(type(op), ()))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_reference(op: Operator, inputs: list[Any]) -> None:
    attributes: dict[str, Any] = {}
    if isinstance(op, ConstantOfShape):
        attributes = {"dtype": None, "value": onnx.numpy_helper.from_array(np.array([op.value], op.dtype.numpy))}
    check_against_onnx(op, inputs, **attributes)
