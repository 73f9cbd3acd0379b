"""Kernels that get indices check every one of them: a wrong one is an error that names it, never a crash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright._native import call_kernel, isas
from enginewright.errors import InputError, RunError, ShapeError

Array = np.ndarray[Any, Any]
TABLE = np.arange(15, dtype=np.float32).reshape(5, 3)
ROWS = np.zeros((2, 3), np.float32)

WRONG: list[tuple[str, list[Array], Array, tuple[int, ...], str]] = [
    ("gather", [TABLE, np.array([0, 5])], ROWS, (0,), "index 5 .* -5 to 4"),
    ("gather", [TABLE, np.array([-6, 0], np.int32)], ROWS, (0,), "index -6 .* -5 to 4"),
    ("gather_elements", [TABLE, np.array([[0, 1, 9]])], ROWS[:1].copy(), (0,), "index 9"),
    ("gather_nd", [TABLE, np.array([[0, 0], [4, 3]])], ROWS[0, :2].copy(), (0,), "index 3 .* axis 1 of size 3"),
    ("scatter_elements", [TABLE, np.array([[7, 0, 0]]), TABLE[:1]], TABLE.copy(), (0, 0), "index 7"),
    ("scatter_nd", [TABLE, np.array([[2**40]]), TABLE[:1]], TABLE.copy(), (0,), "index 1099511627776"),
    ("tensor_scatter", [TABLE, TABLE[:, :2], np.array([0, 1, 2, 1, 0])], TABLE.copy(), (1, 0), "place 2"),
    ("reverse_sequence", [TABLE, np.array([1, 2, 6])], TABLE.copy(), (1,), "length 6"),
    ("range", [np.array(0), np.array(9), np.array(0)], np.zeros(9, np.int64), (), "step"),
]


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize(("kernel", "inputs", "output", "params", "message"), WRONG)
def test_a_wrong_index_is_named(
    kernel: str, inputs: list[Array], output: Array, params: tuple[int, ...], message: str, isa: str
) -> None:
    with pytest.raises(InputError, match=message):
        call_kernel(f"cpu_{kernel}@{isa}", inputs, [output], params)


@pytest.mark.parametrize(
    ("kernel", "inputs", "output", "params"),
    [
        ("slice", [TABLE], ROWS, (4, 1, 0, 1)),
        ("slice", [TABLE], ROWS, (-1, 1, 0, 1)),
        ("concat", [TABLE, TABLE], ROWS, (0,)),
        ("split", [TABLE], ROWS, (0,)),
        ("expand", [TABLE], ROWS, ()),
        ("tile", [TABLE], ROWS, ()),
        ("copy", [TABLE], ROWS, ()),
        ("pad", [TABLE], ROWS, (0, 0, 0, 0, 0)),
        ("transpose", [TABLE], TABLE.copy(), (0, 7)),
        ("gather", [TABLE, np.array([0])], ROWS, (2,)),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    kernel: str, inputs: list[Array], output: Array, params: tuple[int, ...]
) -> None:
    with pytest.raises((ShapeError, RunError)):
        call_kernel(f"cpu_{kernel}@{isas()[0]}", inputs, [output], params, workspace_bytes=1024)
