"""Tests of CumProd; CumSum is tested with the other reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import ShapeError
from enginewright.ops.cumulative import CumProd
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import arrays_of, check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(CumProd))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_reference(op: CumProd, inputs: list[Any]) -> None:
    x, axis = arrays_of(inputs)
    assert x is not None
    assert axis is not None
    found = op.reference(x, axis)
    rows = np.moveaxis(x.astype(np.float64), int(axis), 0)
    expected = np.empty_like(rows)
    for i in range(len(rows)):
        behind = rows[i + op.exclusive :] if op.reverse else rows[: i + 1 - op.exclusive]
        expected[i] = behind.prod(axis=0)
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, int(axis)).astype(x.dtype), rtol=3e-3)


def test_the_axis_is_a_scalar() -> None:
    with pytest.raises(ShapeError):
        CumProd().infer(TensorSpec(float32, (3,)), TensorSpec(int64, (2,)))
