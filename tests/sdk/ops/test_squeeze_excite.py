"""Tests of squeeze and excitation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import EnginewrightError
from enginewright.ops.squeeze_excite import SqueezeExcite
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(SqueezeExcite)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def test_reference_by_hand() -> None:
    x = np.array([1, 2, 3, 6], np.float32).reshape(1, 2, 1, 2)  # means 2 and 4
    a, b = np.array([[1, 0.5]], np.float32), np.array([-3], np.float32)
    c, d = np.array([[0], [2]], np.float32), np.array([0, -1], np.float32)
    found = SqueezeExcite("relu").reference(x, a, b, c, d)
    factors = np.array([0.5, 1 / (1 + np.exp(-1))])  # inside: relu(2 + 2 - 3) = 1
    np.testing.assert_allclose(found, x * factors, rtol=1e-6)


def test_sizes_that_do_not_fit() -> None:
    specs = [TensorSpec(float32, shape) for shape in ((1, 2, 2, 8), (3, 8), (3,), (8, 3), (8,))]
    for index, shape in ((1, (3, 9)), (2, (4,)), (3, (3, 8)), (0, (1, 8))):
        wrong = [TensorSpec(float32, shape) if index == at else spec for at, spec in enumerate(specs)]
        with pytest.raises(EnginewrightError):
            SqueezeExcite().infer(*wrong)
