"""Tests of products on rounded numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.matmul import MatMul
from enginewright.ops.rounded import Rounded
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Rounded)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def test_both_sides_are_rounded_and_the_sum_is_not() -> None:
    a = np.array([[1 + 2**-9, 1]], np.float32)  # rounds to 1
    b = np.array([[1], [1 + 3 * 2**-9]], np.float32)  # rounds to 1 + 2 ** -7
    np.testing.assert_array_equal(Rounded(MatMul()).reference(a, b), [[2 + 2**-7]])
