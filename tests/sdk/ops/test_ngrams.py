"""Tests of TfIdfVectorizer."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.errors import DataTypeError, NetworkError, ShapeError
from enginewright.ops.ngrams import TfIdfVectorizer
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(TfIdfVectorizer))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_reference(op: Operator, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs)


def test_what_is_refused() -> None:
    op = TfIdfVectorizer(1, 1, 0, "TF", (0,), (0,), (5,))
    with pytest.raises(DataTypeError):
        op.infer(TensorSpec(float32, (3,)))
    with pytest.raises(ShapeError):
        op.infer(TensorSpec(int64, (3, 2, 1)))
    with pytest.raises(NetworkError):
        TfIdfVectorizer(2, 1, 0, "TF", (0,), (0,), (5,)).infer(TensorSpec(int64, (3,)))
