"""Tests of the operators for tensors made from a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from enginewright.ops.generate import ConstantOfShape, EyeLike, Range
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import ExampleTests, check_against_onnx


class TestExamples(ExampleTests):
    operators = (ConstantOfShape, EyeLike, Range)

    def test_reference(self, op: Operator, inputs: list[Any]) -> None:
        attributes: dict[str, Any] = {}
        if isinstance(op, ConstantOfShape):
            attributes = {"dtype": None, "value": onnx.numpy_helper.from_array(np.array([op.value], op.dtype.numpy))}
        check_against_onnx(op, inputs, **attributes)
