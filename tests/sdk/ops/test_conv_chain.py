"""Tests of ConvChain: the operators one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.conv_chain import ConvChain
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_static, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(ConvChain)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)


def test_reference_by_hand() -> None:
    """Twice the pixel, then the sum of each pixel and the two beside it, in one channel."""
    op = ConvChain((ChannelsLast(Conv()), ChannelsLast(Conv(padding=(0, 1)))), (1, 2))
    x = np.array([1, 2, 4], np.float32).reshape(1, 1, 3, 1)
    twice, sums = np.full((1, 1, 1, 1), 2, np.float32), np.ones((1, 1, 1, 3), np.float32)
    found = op.reference(x, twice, sums, np.array([100], np.float32))
    np.testing.assert_array_equal(found.ravel(), [106, 114, 112])
