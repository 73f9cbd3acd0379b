"""Elementwise layers whose inputs repeat row by row, as numbers for each channel do, over many tiles."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.ops.arithmetic import Mul
from tests.sdk.tactics.one_step import OneLayer
from tests.sdk.tactics.test_matrix_kernels import normal


@pytest.mark.parametrize("row", [1, 7, 88, 191, 192, 200, 5000, 70000])
@pytest.mark.parametrize("swapped", [False, True])
def test_one_row_for_all(row: int, swapped: bool) -> None:
    rows = 3 + 300000 // row
    x, scale = normal(rows, row), normal(1, row)
    layer = OneLayer(Mul(), [scale, x] if swapped else [x, scale], set())
    for choice in layer.candidates().choices:
        for threads in (1, 2):
            np.testing.assert_array_equal(layer.run(choice, threads=threads)[0], x * scale)
