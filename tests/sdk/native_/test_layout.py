"""Memory of temporaries: no two that live at the same time overlap, at any size, and memory is reused."""

from __future__ import annotations

import random

import numpy as np
import pytest

from enginewright import _native
from tests.sdk.native_ import words as w
from tests.sdk.native_.words import Words, run


def random_program(seed: int, steps: int) -> tuple[_native.Context, list[tuple[int, int]]]:
    """Steps y = a + b on earlier results of any age, with workspaces that they fill; the pairs (a, b)."""
    generator = random.Random(seed)
    pairs = []
    for index in range(steps):
        recent = max(0, index + 1 - generator.choice([1, 2, 5, 40]))
        pairs.append((generator.randint(recent, index), generator.randint(recent, index)))
    last = {index: step for step, pair in enumerate(pairs) for index in pair}
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    size = program.expr(w.MUL, dims[0], 64)
    tensors = [x]
    for index, pair in enumerate(pairs):
        end = index + 1 == steps
        y = program.output(dims) if end else program.arena(dims, last=last.get(index + 1, index))
        workspace = generator.choice([0, 1000, size])
        program.step("toy_workspace", [tensors[i] for i in pair], [y], workspace=workspace)
        tensors.append(y)
    return _native.Context(words.model()), pairs


@pytest.mark.parametrize("seed", range(20))
def test_random_programs(seed: int) -> None:
    context, pairs = random_program(seed, 60)
    for size in [1, 50, 51, 52, 1000, 51, 3, 2000, 0, 1001]:
        values = [np.arange(size, dtype=np.float32) % 7 / 2**40]
        for a, b in pairs:
            values.append(values[a] + values[b])
        assert np.array_equal(run(context, values[0])[0], values[-1])


def test_memory_is_reused() -> None:
    """200 temporaries of 4 MB, of which two live at a time."""
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    for index in range(200):
        y = program.arena(dims, last=index + 1) if index < 199 else program.output(dims)
        program.step("toy_affine", [x], [y], [1, 1.0])
        x = y
    context = _native.Context(words.model())
    assert run(context, np.zeros(1 << 20, np.float32))[0][0] == 200
    assert context.memory <= 3 * (4 << 20)


def test_sizes_are_rounded_by_a_sixteenth_at_most() -> None:
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    inner = program.arena(dims)
    program.step("toy_affine", [x], [inner], [1, 1.0])
    program.outputs.append(inner)
    for size in (1, 15, 16, 300, 1000, 5000, 123457):
        context = _native.Context(words.model())
        run(context, np.zeros(size, np.float32))
        assert 4 * size <= context.memory <= max(4 * size * 17 / 16, 4 * size + 64)
