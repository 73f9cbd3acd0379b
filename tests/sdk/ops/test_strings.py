"""Tests of the operators for text."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.errors import DataTypeError, NetworkError
from enginewright.ops.strings import RegexFullMatch, StringConcat, StringNormalizer, StringSplit
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, string
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(RegexFullMatch, StringConcat, StringNormalizer, StringSplit))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_reference(op: Operator, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs)


def test_numbers_are_no_text() -> None:
    with pytest.raises(DataTypeError):
        StringSplit().infer(TensorSpec(float32, (2,)))


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(NetworkError):
        RegexFullMatch("(").infer(TensorSpec(string, (2,)))
