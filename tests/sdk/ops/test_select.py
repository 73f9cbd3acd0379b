"""Tests of the operators for elements chosen by contents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.select import Compress, NonZero, OneHot, TopK, Unique
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(Compress, NonZero, OneHot, TopK, Unique))
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
    if not isinstance(op, NonZero) or inputs[0].shape:
        check_against_onnx(op, inputs)


@pytest.mark.parametrize("number", [0.0, 2.0])
def test_a_scalar_has_no_axes_to_name(number: float) -> None:
    # As ONNX says; ONNX Runtime gives it an axis.
    assert NonZero().reference(np.array(number)).shape == (0, int(number != 0))
