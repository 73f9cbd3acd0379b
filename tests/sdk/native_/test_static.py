"""Programs of fixed sizes: chains, views, in-place steps, weights, bindings, params, workspaces."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import ClosedError, ShapeError, UsageError
from tests.sdk.native_.words import ARENA, F32, I64, INPUT, WEIGHT, Words, floats, run


def chain(length: int) -> _native.Model:
    """x + 1 + 1 + ..., each result in memory of its own that only the next step reads."""
    words = Words()
    program = words.program()
    x = program.input([4])
    one = program.tensor(program.storage(WEIGHT, 0, 4), [1])
    for index in range(length):
        last = index + 1 if index + 1 < length else 1000
        y = program.arena([4], last=last) if index + 1 < length else program.output([4])
        program.step("toy_add", [x, one], [y])
        x = y
    return words.model(floats(1.0).view(np.uint8))


def test_chain_reuses_memory() -> None:
    context = _native.Context(chain(50))
    assert run(context, floats(1, 2, 3, 4))[0].tolist() == [51, 52, 53, 54]
    assert context.memory <= 4 * 64  # two tensors alive at once, and the output


def test_runs_again_on_rewritten_and_on_other_memory() -> None:
    context = _native.Context(chain(3))
    x = floats(0, 0, 0, 0)
    assert run(context, x)[0].tolist() == [3, 3, 3, 3]
    x += 1
    context.run()
    assert context.output(0).tolist() == [4, 4, 4, 4]
    assert run(context, floats(5, 6, 7, 8))[0].tolist() == [8, 9, 10, 11]


def test_bound_output() -> None:
    context = _native.Context(chain(3))
    y = np.zeros(4, np.float32)
    context.bind_output(0, y)
    run(context, floats(1, 2, 3, 4))
    assert y.tolist() == [4, 5, 6, 7]
    context.bind_output(0, None)
    y[:] = 0
    assert run(context, floats(1, 2, 3, 4))[0].tolist() == [4, 5, 6, 7]
    assert y.tolist() == [0, 0, 0, 0]


def test_bound_output_too_small() -> None:
    context = _native.Context(chain(3))
    context.bind_output(0, np.zeros(3, np.float32))
    with pytest.raises(UsageError, match="output 0 needs 16 bytes, the memory bound to it has 12"):
        run(context, floats(1, 2, 3, 4))
    context.bind_output(0, None)
    assert run(context, floats(1, 2, 3, 4))[0].tolist() == [4, 5, 6, 7]


def test_wrong_input_shape() -> None:
    context = _native.Context(chain(1))
    with pytest.raises(ShapeError, match="input 0, axis 0: the size is 5, must be 4"):
        run(context, floats(1, 2, 3, 4, 5))
    with pytest.raises(ShapeError, match="the rank is 2, must be 1"):
        context.bind_input(0, np.zeros((2, 2), np.float32))


def test_missing_input() -> None:
    context = _native.Context(chain(1))
    with pytest.raises(UsageError, match="input 0 is not bound"):
        context.run()
    context.bind_shape(0, [4])
    context.resolve()
    assert context.output_shape(0) == (4,)
    with pytest.raises(UsageError, match="input 0 has no data"):
        context.run()
    with pytest.raises(UsageError, match="there is no input 7"):
        context.bind_input(7, floats(1))
    with pytest.raises(UsageError, match="there is no output 7"):
        context.bind_output(7, floats(1))


def test_closed() -> None:
    model = chain(1)
    context = _native.Context(model)
    model.close()
    assert run(context, floats(1, 2, 3, 4))[0].tolist() == [2, 3, 4, 5]  # what runs is kept
    context.close()
    with pytest.raises(ClosedError):
        context.run()
    with pytest.raises(ClosedError):
        _native.Context(model)


def test_views_with_offsets() -> None:
    words = Words()
    program = words.program()
    x = program.input([4])
    storage = program.tensors[x][2]
    left = program.tensor(storage, [2], F32, 0)
    right = program.tensor(storage, [2], F32, 8)
    whole = program.tensor(program.storage(ARENA, 0, 16), [4])
    parts = [program.tensor(program.tensors[whole][2], [2], F32, offset) for offset in (0, 8)]
    y = program.output([4])
    program.step("toy_add", [left, right], [parts[0]])
    program.step("toy_add", [right, right], [parts[1]])
    program.step("toy_add", [whole, whole], [y])
    assert run(_native.Context(words.model()), floats(1, 2, 3, 4))[0].tolist() == [8, 12, 12, 16]


def test_in_place_step() -> None:
    words = Words()
    program = words.program()
    x = program.input([3])
    a = program.arena([3])
    b = program.tensor(program.tensors[a][2], [3])
    y = program.output([3])
    program.step("toy_add", [x, x], [a])
    program.step("toy_add", [a, x], [b])
    program.step("toy_add", [b, a], [y])
    assert run(_native.Context(words.model()), floats(1, 2, 3))[0].tolist() == [6, 12, 18]


def test_outputs_that_live_elsewhere() -> None:
    words = Words()
    program = words.program()
    x = program.input([2])
    weight = program.tensor(program.storage(WEIGHT, 64, 8), [1], I64)
    inner = program.arena([2])
    y = program.output([2])
    program.outputs += [x, weight, inner, y]
    program.step("toy_add", [x, x], [inner])
    program.step("toy_add", [inner, x], [y])
    weights = np.zeros(72, np.uint8)
    weights[64] = 7
    context = _native.Context(words.model(weights))
    y0, y1, y2, y3, y4 = run(context, floats(1, 2), outputs=5)
    assert (y0.tolist(), y1.tolist(), y2.tolist(), y3.tolist(), y4.tolist()) == ([3, 6], [1, 2], [7], [2, 4], [3, 6])
    bound = [np.zeros(2, np.float32), np.zeros(1, np.int64), np.zeros(2, np.float32), np.zeros(2, np.float32)]
    for index, array in enumerate(bound, start=1):
        context.bind_output(index, array)
    context.run()
    assert [array.tolist() for array in bound] == [[1, 2], [7], [2, 4], [3, 6]]


def test_params_missing_tensors_and_profile() -> None:
    words = Words()
    program = words.program()
    x, y = program.input([2]), program.output([2])
    program.step("toy_affine", [x, -1], [y, -1], [3, 0.5])
    context = _native.Context(words.model())
    totals = context.profile(1)
    assert run(context, floats(1, 2))[0].tolist() == [3.5, 6.5]
    assert (totals > 0).all()  # the step, and what is none
    context.stop_profile()
    before = totals.tolist()
    context.run()
    assert totals.tolist() == before


def test_workspace_overlaps_nothing_alive() -> None:
    words = Words()
    program = words.program()
    x = program.input([64])
    a, b, y = program.arena([64]), program.arena([64]), program.output([64])
    program.step("toy_workspace", [x, x], [a], workspace=1000)
    program.step("toy_workspace", [a, x], [b], workspace=5000)
    program.step("toy_workspace", [a, b], [y], workspace=100)
    x_values = np.arange(64, dtype=np.float32)
    assert np.array_equal(run(_native.Context(words.model()), x_values)[0], 5 * x_values)


def test_scalars_and_empty_tensors() -> None:
    words = Words()
    program = words.program()
    x, empty = program.input([]), program.input([0, 3])
    y, z = program.output([]), program.output([0, 3])
    program.step("toy_add", [x, x], [y])
    program.step("toy_add", [empty, empty], [z])
    context = _native.Context(words.model())
    y_value, z_value = run(context, np.array(2, np.float32), np.zeros((0, 3), np.float32), outputs=2)
    assert y_value.shape == () and y_value == 4
    assert z_value.shape == (0, 3)


def test_program_without_steps() -> None:
    words = Words()
    program = words.program()
    program.outputs.append(program.input([2]))
    assert run(_native.Context(words.model()), floats(1, 2))[0].tolist() == [1, 2]


def test_two_contexts_share_a_model() -> None:
    model = chain(2)
    first, second = _native.Context(model), _native.Context(model)
    a, b = run(first, floats(0, 0, 0, 0))[0], run(second, floats(1, 1, 1, 1))[0]
    assert (a.tolist(), b.tolist(), first.output(0).tolist()) == ([2] * 4, [3] * 4, [2] * 4)


def test_steady_state_holds_its_memory() -> None:
    context = _native.Context(chain(10))
    run(context, floats(1, 2, 3, 4))
    held = context.memory
    for _ in range(100):
        context.run()
    assert context.memory == held


def test_an_input_is_its_storage() -> None:
    words = Words()
    program = words.program()
    x = program.input([4])
    assert program.storages[program.tensors[x][2]][0] == INPUT
    beyond = program.tensor(program.tensors[x][2], [2], F32, 12)
    y = program.output([2])
    program.step("toy_add", [beyond, beyond], [y])
    context = _native.Context(words.model())
    with pytest.raises(ShapeError, match="leaves its memory"):
        run(context, floats(1, 2, 3, 4))
