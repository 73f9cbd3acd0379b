"""Tests of the operators for data set out in other ways."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.ops.rearrange import CenterCropPad, Col2Im, DepthToSpace, ReverseSequence, SpaceToDepth, Trilu
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(CenterCropPad, Col2Im, DepthToSpace, ReverseSequence, SpaceToDepth, Trilu))
CONSTANTS: dict[type[Any], tuple[int, ...]] = {Col2Im: (2,)}


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
