"""The quantized LSTM by vectors of units gives what it gives gate by gate, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from enginewright.compiler.choice import Choice
from enginewright.ops.recurrent_quantized import DynamicQuantizeLSTM
from tests.sdk.tactics.one_step import OneLayer
from tests.sdk.tactics.test_matrix_kernels import normal

Array = np.ndarray[Any, Any]
SIZES = [(1, 1, 1, 16), (5, 1, 33, 32), (4, 7, 5, 48), (3, 4, 17, 16), (6, 2, 20, 64), (0, 2, 3, 16)]
"""Time, batch, inputs, hidden."""


def layer(size: tuple[int, int, int, int], kind: type[np.generic], *, wide: bool, begin: bool) -> OneLayer:
    time, batch, inputs, hidden = size
    rng = np.random.default_rng(hidden + batch)
    low, high = (-128, 128) if kind is np.int8 else (0, 256)
    w, r = (rng.integers(low, high, (2, k, 4 * hidden)).astype(kind) for k in (inputs, hidden))
    shape = (2, 4 * hidden) if wide else (2,)
    scales = [rng.uniform(0.002, 0.004, shape).astype(np.float32) for _ in range(2)]
    zeros = [rng.integers(0, 5, shape).astype(kind) for _ in range(2)]
    bias = 0.2 * normal(2, 8 * hidden) if begin else None
    state = 0.3 * normal(2, batch, hidden) if begin else None
    arrays = [normal(time, batch, inputs), w, r, scales[0], zeros[0], scales[1], zeros[1], bias, None, state, state]
    return OneLayer(DynamicQuantizeLSTM(direction="bidirectional"), [*arrays, None], set(range(1, 8)))


def pairs(one: OneLayer) -> Iterator[tuple[Choice, Choice]]:
    """By units and gate by gate, on the same instruction set."""
    choices = one.candidates().choices
    for choice in choices:
        if "units" in choice.tactic:
            isa = choice.kernel.rpartition("@")[2]
            yield choice, next(c for c in choices if "units" not in c.tactic and c.kernel.endswith(f"@{isa}"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("begin", [False, True])
def test_the_same_bits(size: tuple[int, int, int, int], kind: type[np.generic], wide: bool, begin: bool) -> None:
    one = layer(size, kind, wide=wide, begin=begin)
    ran = 0
    for by_units, by_gates in pairs(one):
        for threads in (1, 2):
            found, wanted = one.run(by_units, threads=threads), one.run(by_gates, threads=threads)
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(a, b)
        ran += 1
    assert ran


@pytest.mark.parametrize("op", [DynamicQuantizeLSTM(clip=1.0), DynamicQuantizeLSTM(input_forget=True)])
def test_what_is_not_usual_is_left(op: DynamicQuantizeLSTM) -> None:
    w, scale, zero = np.ones((1, 16, 64), np.int8), np.ones(1, np.float32), np.zeros(1, np.int8)
    one = OneLayer(op, [normal(2, 1, 16), w, w, scale, zero, scale, zero, None, None, None, None, None], {1, 2})
    assert not [c for c in one.candidates().choices if "units" in c.tactic]
