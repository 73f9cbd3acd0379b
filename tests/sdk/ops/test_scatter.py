"""Tests of the operators for elements written by index."""

from __future__ import annotations

from typing import Any

from enginewright.ops.scatter import ScatterElements, ScatterND, TensorScatter
from enginewright.registry.registry import Operator
from enginewright.tensors import float16
from tests.sdk.ops.examples import ExampleTests, check_against_onnx


class TestExamples(ExampleTests):
    operators = (ScatterElements, ScatterND, TensorScatter)

    def test_reference(self, op: Operator, inputs: list[Any]) -> None:
        # The reference rounds a float16 sum once, others after each step.
        check_against_onnx(op, inputs, rtol=2e-3 if inputs[0].dtype is float16 else 0)
