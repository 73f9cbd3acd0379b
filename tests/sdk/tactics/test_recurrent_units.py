"""Recurrent layers by vectors of units: awkward sizes, two threads at one sequence, the same bits as one thread."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.ops.recurrent import GRU, LSTM
from enginewright.ops.rounded import Rounded
from tests.sdk.tactics.one_step import OneLayer
from tests.sdk.tactics.test_matrix_kernels import normal

SIZES = [(1, 1, 1, 1), (3, 2, 5, 15), (2, 7, 3, 16), (5, 9, 17, 17), (40, 1, 20, 130), (12, 6, 8, 64), (0, 2, 3, 4)]
"""Time, batch, inputs, hidden; 130 units of one sequence are shared by two threads."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "op",
    [
        LSTM(),
        LSTM(direction="bidirectional", layout=1),
        GRU(linear_before_reset=True, direction="reverse"),
        GRU(linear_before_reset=True, layout=1),
    ],
)
@pytest.mark.parametrize("rounds", [False, True])
def test_against_the_reference(op: LSTM | GRU, size: tuple[int, int, int, int], rounds: bool) -> None:
    time, batch, inputs, hidden = size
    rows, states = op.GATES * hidden, (op.directions, batch, hidden)
    x = normal(*((batch, time) if op.layout else (time, batch)), inputs)
    state = 0.3 * normal(*((states[1], states[0], states[2]) if op.layout else states))
    weights = [0.2 * normal(op.directions, rows, k) for k in (inputs, hidden)]
    arrays = [x, *weights, 0.2 * normal(op.directions, 2 * rows), None, state]
    inputs = [*arrays, state] if isinstance(op, LSTM) else arrays
    layer = OneLayer(Rounded(op) if rounds else op, inputs, {1, 2, 3})
    wanted, ran = layer.expected(), 0
    for choice in layer.candidates().choices:
        if "units" in choice.tactic:
            one, two = (layer.run(choice, threads=threads) for threads in (1, 2))
            for alone, shared, value in zip(one, two, wanted, strict=True):
                np.testing.assert_allclose(alone, value, rtol=0, atol=5e-6)
                np.testing.assert_array_equal(alone, shared)
            ran += 1
    assert ran


@pytest.mark.parametrize("hidden", [1, 15, 16, 17, 33])
def test_usual_gates_are_those_of_the_general_way(hidden: int) -> None:
    rows = LSTM.GATES * hidden
    state = 0.3 * normal(1, 2, hidden)
    weights = [0.2 * normal(1, rows, k) for k in (5, hidden)]
    inputs = [normal(4, 2, 5), *weights, 0.2 * normal(1, 2 * rows), None, state, state]
    # The second has a limit that cuts nothing, but takes the gates one by one.
    usual, general = (OneLayer(op, inputs, set()) for op in (LSTM(), LSTM(clip=1e30)))
    ways, wanted = general.candidates().choices, usual.expected()
    assert ways
    for choice, other in zip(usual.candidates().choices, ways, strict=True):
        for together, apart, value in zip(usual.run(choice), general.run(other), wanted, strict=True):
            np.testing.assert_allclose(together, apart, rtol=0, atol=1e-6)
            np.testing.assert_allclose(together, value, rtol=0, atol=5e-6)
