"""Tests of products of rows that are quantized by their range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.ops.row_quantized import RowQuantizedMatMul
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(RowQuantizedMatMul)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def test_rows_that_are_whole_steps_are_exact() -> None:
    a = np.array([[-1, 0, 254], [0, 510, 2], [-2.55, 0, 0]], np.float32)  # steps of 1, 2 and 0.01
    b = np.array([[1, 2], [3, -4], [5, 6]], np.int8)
    found = RowQuantizedMatMul().reference(a, b, np.array([1, 0.5], np.float32))
    np.testing.assert_allclose(found, a @ b * [1, 0.5], rtol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 63, 66])
def test_what_is_no_number_stays_none(wrong: float, place: int) -> None:
    net = ew.Network()
    scale = net.constant(np.float32(0.1))
    b = net.constant(np.ones((67, 3), np.int8))
    net.output("y", net.add(RowQuantizedMatMul(), net.input("x", ew.float32, (2, 67)), b, scale)[0])
    x = np.ones((2, 67), np.float32)
    x[0, place] = wrong
    with ew.load(ew.build(net, ew.BuilderConfig(level=1, timing_cache=""))) as engine:
        y = engine.run({"x": x})["y"]
    assert np.isnan(y[0]).all()
    np.testing.assert_allclose(y[1], 6.7, rtol=1e-5)
