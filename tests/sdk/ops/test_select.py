"""Tests of the operators for elements chosen by contents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.select import Compress, NonZero, OneHot, TopK, Unique
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import ExampleTests, check_against_onnx


class TestExamples(ExampleTests):
    operators = (Compress, NonZero, OneHot, TopK, Unique)

    def test_reference(self, op: Operator, inputs: list[Any]) -> None:
        if not isinstance(op, NonZero) or inputs[0].shape:
            check_against_onnx(op, inputs)


@pytest.mark.parametrize("number", [0.0, 2.0])
def test_a_scalar_has_no_axes_to_name(number: float) -> None:
    # As ONNX says; ONNX Runtime gives it an axis.
    assert NonZero().reference(np.array(number)).shape == (0, int(number != 0))
