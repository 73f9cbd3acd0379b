"""Tests of the operators for tensors repeated."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.ops.tile import Tile
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(Tile))
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
    check_against_onnx(op, inputs)
