"""Attention in bfloat16: awkward sizes on every instruction set, the same bits with one thread and two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.attention import Attention
from enginewright.tensors import bfloat16
from tests.sdk.tactics.one_step import OneLayer
from tests.sdk.tactics.test_matrix_kernels import normal

SIZES = [(1, 1, 1, 1, 1, 2, 1), (2, 6, 2, 25, 31, 10, 17), (1, 2, 2, 197, 197, 64, 64), (1, 1, 1, 3, 1030, 8, 66),
         (1, 12, 3, 49, 49, 32, 32), (0, 2, 1, 4, 5, 8, 8), (1, 2, 1, 4, 0, 8, 8)]  # fmt: skip
"""Batch, heads, groups, queries, keys, elements of a query, elements of a value."""
OPTIONS = [Attention(), Attention(is_causal=True), Attention(is_causal=True, left_window=9, bottom_right=True),
           Attention(softcap=3.0, right_window=4, scale=0.2)]  # fmt: skip


@pytest.mark.parametrize("op", OPTIONS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", ["none", "added", "forbids", "repeated"])
def test_against_the_reference(op: Attention, size: tuple[int, ...], mask: str) -> None:
    batch, heads, groups, queries, keys, depth, width = size
    shapes = ((batch, heads, queries, depth), (batch, groups, keys, depth), (batch, groups, keys, width))
    arrays: list[Any] = [normal(*shape).astype(bfloat16.numpy) for shape in shapes]
    if mask != "none":
        shape = (queries, 1) if mask == "repeated" else (batch, 1, queries, keys)
        added = normal(*shape)
        arrays.append(added > 0 if mask == "forbids" else added)
    layer = OneLayer(op, arrays, set())
    wanted = layer.expected()[0].astype(np.float32)
    choices = [choice for choice in layer.candidates().choices if "bf16" in choice.tactic]
    assert choices
    for choice in choices:
        one, two = (layer.run(choice, threads=threads)[0].astype(np.float32) for threads in (1, 2))
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, wanted, rtol=0, atol=1e-2 * max(1.0, np.abs(wanted).max(initial=0)))
