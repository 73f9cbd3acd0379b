"""Tests of ChannelShuffle, and of convolutions whose channels are shuffled first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.channel_shuffle import ChannelShuffle, Shuffled
from enginewright.ops.conv import Conv
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), [*examples_of(ChannelShuffle), *examples_of(Shuffled)])
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def test_reference_by_hand() -> None:
    x = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(ChannelShuffle(2, 0).reference(x), [0, 3, 1, 4, 2, 5])
    np.testing.assert_array_equal(ChannelShuffle(3, 0).reference(x), [0, 2, 4, 1, 3, 5])
    np.testing.assert_array_equal(x[ChannelShuffle(3).order(6)], [0, 2, 4, 1, 3, 5])
    sums = Shuffled(Conv(group=2), 2).reference(x[:4].reshape(1, 4, 1), np.ones((2, 2, 1), np.float32))
    np.testing.assert_array_equal(sums.ravel(), [0 + 2, 1 + 3])
