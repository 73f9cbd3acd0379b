"""Tests of tanh that is quantized at once."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.ops.quantized_tanh import QuantizedTanh
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(QuantizedTanh)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)
