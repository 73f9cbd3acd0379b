"""Rows that are rounded to bfloat16 while others are multiplied: the same bits as of rows that were rounded before."""

from __future__ import annotations

from itertools import count

import ml_dtypes
import numpy as np
import pytest

from enginewright.ops.matmul import MatMul
from enginewright.ops.rounded import Rounded
from tests.sdk.tactics.one_step import Array, OneLayer

SEEDS = count()  # other numbers each time: memory keeps those of the run before


def products(a: Array, b: Array, threads: int) -> list[Array]:
    """Of every instruction set."""
    layer = OneLayer(Rounded(MatMul()), [a, b], {1})
    choices = [c for c in layer.candidates().choices if "matmul_packed_bf16" in c.kernel]
    assert choices
    return [layer.run(choice, threads=threads)[0] for choice in choices]


@pytest.mark.parametrize("m", [1, 8, 9, 17, 49, 98, 130, 300])
@pytest.mark.parametrize("k", [2, 31, 32, 34, 63, 96, 130, 1024])
@pytest.mark.parametrize("n", [48, 130])
def test_same_bits(m: int, k: int, n: int) -> None:
    for threads in (1, 2, 4):
        rng = np.random.default_rng(next(SEEDS))
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        before = a.astype(ml_dtypes.bfloat16)
        for found, wanted in zip(products(a, b, threads), products(before, b, threads), strict=True):
            np.testing.assert_array_equal(found, wanted.astype(np.float32))
        exact = before.astype(np.float32) @ b.astype(ml_dtypes.bfloat16).astype(np.float32)
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4 * np.abs(exact).max())


def test_same_bits_in_batches() -> None:
    """Matrices of a batch that are products of their own, as B differs."""
    rng = np.random.default_rng(next(SEEDS))
    a, b = rng.standard_normal((3, 70, 66), np.float32), rng.standard_normal((3, 66, 50), np.float32)
    layers = [OneLayer(Rounded(MatMul()), [x, b], set()) for x in (a, a.astype(ml_dtypes.bfloat16))]
    found, wanted = ([layer.run(choice)[0] for choice in layer.candidates().choices] for layer in layers)
    assert found
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(x, y.astype(np.float32))
