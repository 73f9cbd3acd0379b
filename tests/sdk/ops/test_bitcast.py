"""Tests of BitCast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import DataTypeError
from enginewright.ops.bitcast import BitCast
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int32, int64
from tests.sdk.ops.examples import arrays_of, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(BitCast))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_the_bytes_stay(op: Operator, inputs: list[Any]) -> None:
    (x,) = arrays_of(inputs)
    assert x is not None
    assert op.reference(x).tobytes() == x.tobytes()


def test_one_is_0x3f800000() -> None:
    np.testing.assert_array_equal(BitCast(int32).reference(np.ones(2, np.float32)), [0x3F800000] * 2)


def test_widths_must_agree() -> None:
    with pytest.raises(DataTypeError):
        BitCast(int64).infer(TensorSpec(float32, (2,)))
