"""Tests of AppendRows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import ShapeError
from enginewright.ops.append_rows import AppendRows
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_read, check_static, examples_of

EXAMPLES = list(examples_of(AppendRows))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_read(op, inputs, (3,))


def test_reference_by_hand() -> None:
    past, new = np.array([1, 2, 9, 3, 9, 9]).reshape(2, 1, 3, 1), np.array([5, 6]).reshape(2, 1, 1, 1)
    found = AppendRows().reference(past, new, np.array([2, 1]), np.array([4]))
    np.testing.assert_array_equal(found.reshape(2, 4), [[1, 2, 5, 0], [3, 6, 0, 0]])


@pytest.mark.parametrize("lengths", [[4], [-1]])
def test_lengths_that_the_past_does_not_have(lengths: list[int]) -> None:
    with pytest.raises(ShapeError, match="sequence 0 keeps"):
        AppendRows().reference(np.zeros((1, 1, 3, 1)), np.zeros((1, 1, 1, 1)), np.array(lengths), np.array([9]))
