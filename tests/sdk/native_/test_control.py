"""If, Loop and Scan: nested programs, carried values, stacked outputs, Python objects in slots."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import PlanInvalid, RunError, ShapeError
from tests.sdk.native_ import words as w
from tests.sdk.native_.words import BOOL, I64, PARAM, SLOT, STRING, UNKNOWN, Expr, Program, Words, floats, run

TRUE, FALSE = np.array(True), np.array(False)


def affine(words: Words, factor: int, offset: float) -> None:
    """A program factor * x + offset for vectors of any size."""
    program = words.program()
    x, dims = program.dynamic_input(1)
    program.step("toy_affine", [x], [program.output(dims)], [factor, offset])


@pytest.mark.parametrize("known", [True, False])
def test_if(known: bool) -> None:
    words = Words()
    program = words.program()
    condition = program.input([], BOOL)
    x, dims = program.dynamic_input(1)
    program.step("if", [condition, x], [program.output(dims if known else [UNKNOWN])], programs=[1, 2], layer="choose")
    affine(words, 2, 0.5)
    affine(words, -1, 0.0)
    context = _native.Context(words.model())
    for size in (2, 3, 0, 2):
        x_values = np.arange(size, dtype=np.float32)
        assert run(context, TRUE, x_values)[0].tolist() == (2 * x_values + 0.5).tolist()
        assert run(context, FALSE, x_values)[0].tolist() == (-x_values).tolist()


def test_if_branches_of_different_shape() -> None:
    words = Words()
    program = words.program()
    condition = program.input([], BOOL)
    x, _ = program.dynamic_input(1)
    y = program.arena([UNKNOWN])
    program.step("if", [condition, x], [y], programs=[1, 2])
    program.end_segment()
    size = program.expr(w.DATA, y, 0)
    read = program.tensor(program.tensors[y][2], [size])
    program.step("toy_add", [read, read], [program.output([size])])
    affine(words, 1, 1.0)
    other = words.program()
    x, (n,) = other.dynamic_input(1)
    twice = other.output([UNKNOWN])
    assert n < 0
    other.step("toy_concat", [x, x], [twice])
    context = _native.Context(words.model())
    assert run(context, TRUE, floats(1, 2))[0].tolist() == [4, 6]
    assert run(context, FALSE, floats(1, 2))[0].tolist() == [2, 4, 2, 4]


def test_if_shape_disagrees_with_the_plan() -> None:
    words = Words()
    program = words.program()
    condition, x = program.input([], BOOL), program.input([2])
    program.step("if", [condition, x], [program.output([3])], programs=[1, 1], layer="choose")
    affine(words, 1, 1.0)
    with pytest.raises(ShapeError, match="axis 0: the size is 2, the plan allows 3"):
        run(_native.Context(words.model()), TRUE, floats(1, 2))


def test_if_params_reach_the_nested_program() -> None:
    words = Words()
    program = words.program()
    condition = program.input([], BOOL)
    _, (n,) = program.dynamic_input(1)
    twice = program.expr(w.MUL, n, 2)
    program.step("if", [condition], [program.output([twice], I64)], [Expr(twice), 7], programs=[1, 2])
    for value in range(2):
        inner = words.program()
        inner.n_params = 2
        size, filler = inner.expr(PARAM, 0), inner.expr(PARAM, value)
        inner.step("toy_fill_i64", [], [inner.output([size], I64)], [Expr(filler)])
    context = _native.Context(words.model())
    for size in (1, 3, 1):
        x = np.zeros(size, np.float32)
        assert run(context, TRUE, x)[0].tolist() == [2 * size] * (2 * size)
        assert run(context, FALSE, x)[0].tolist() == [7] * (2 * size)


def test_if_passes_an_input_through() -> None:
    words = Words()
    program = words.program()
    condition = program.input([], BOOL)
    x, dims = program.dynamic_input(1)
    program.step("if", [condition, x], [program.output(dims)], programs=[1, 2])
    passing = words.program()
    passing.outputs.append(passing.dynamic_input(1)[0])
    affine(words, 0, 0.0)
    assert run(_native.Context(words.model()), TRUE, floats(1, 2))[0].tolist() == [1, 2]


def add_loop(words: Words, *, below: float | None = None, scan: bool = False) -> None:
    """A main program of a loop x = x + c (c captured), with a condition on the sum, with x stacked."""
    program = words.program()
    trips, condition = program.input([], I64), program.input([], BOOL)
    x, c = program.input([2]), program.input([2])
    outputs = [program.output([2])]
    if scan:
        outputs += [program.output([UNKNOWN, 2]), program.output([UNKNOWN], I64)]
    program.step("loop", [trips, condition, x, c], outputs, [1, 2 if scan else 0], programs=[1], layer="repeat")
    body = words.program()
    iteration, condition, x, c = body.input([], I64), body.input([], BOOL), body.input([2]), body.input([2])
    if below is None:
        body.outputs.append(condition)
    else:
        body.output([], BOOL)
    y = body.output([2])
    body.step("toy_add", [x, c], [y])
    if below is not None:
        body.step("toy_below", [y], [body.outputs[0]], [below])
    if scan:
        body.outputs += [y, iteration]


@pytest.mark.parametrize("trips", [0, 1, 2, 5, -3])
def test_loop_with_trip_count(trips: int) -> None:
    words = Words()
    add_loop(words)
    context = _native.Context(words.model())
    for _ in range(3):
        found = run(context, np.array(trips), TRUE, floats(1, 2), floats(1, 10))[0]
        assert found.tolist() == [1 + max(trips, 0), 2 + 10 * max(trips, 0)]
    assert run(context, np.array(5), FALSE, floats(1, 2), floats(1, 10))[0].tolist() == [1, 2]


def test_loop_with_condition() -> None:
    words = Words()
    add_loop(words, below=20.0)
    context = _native.Context(words.model())
    assert run(context, np.array(100), TRUE, floats(0, 0), floats(1, 2))[0].tolist() == [7, 14]


def test_loop_without_trip_count_and_condition() -> None:
    words = Words()
    add_loop(words, below=20.0)
    step = words.programs[0].steps[0]
    step[3:5] = [-1, -1]
    found = run(_native.Context(words.model()), np.array(0), FALSE, floats(0, 0), floats(1, 2))
    assert found[0].tolist() == [7, 14]


def test_loop_with_scan_outputs() -> None:
    words = Words()
    add_loop(words, below=12.0, scan=True)
    context = _native.Context(words.model())
    for trips in (10, 2, 0, 10):
        x, stacked, counted = run(context, np.array(trips), TRUE, floats(0, 0), floats(1, 2), outputs=3)
        n = min(trips, 4)
        assert x.tolist() == [n, 2 * n]
        assert np.array_equal(stacked, np.array([[i, 2 * i] for i in range(1, n + 1)]).reshape(n, 2))
        assert counted.tolist() == list(range(n))


def test_loop_with_growing_value() -> None:
    words = Words()
    program = words.program()
    trips = program.input([], I64)
    x, _ = program.dynamic_input(1)
    c, _ = program.dynamic_input(1)
    program.step("loop", [trips, -1, x, c], [program.output([UNKNOWN])], [1, 0], programs=[1])
    body = words.program()
    body.input([], I64)
    body.outputs.append(body.input([], BOOL))
    (x, _), (c, _) = body.dynamic_input(1), body.dynamic_input(1)
    body.step("toy_concat", [x, c], [body.output([UNKNOWN])])
    context = _native.Context(words.model())
    for n in (3, 0, 20, 1, 20):
        expected = [9.0] + [1.0, 2.0] * n
        assert run(context, np.array(n), floats(9), floats(1, 2))[0].tolist() == expected
    held = context.memory
    for _ in range(5):
        run(context, np.array(20), floats(9), floats(1, 2))
    assert context.memory == held


def test_loop_swaps_its_values() -> None:
    """Carried values that the body only passes on, crosswise."""
    words = Words()
    program = words.program()
    trips, a, b = program.input([], I64), program.input([2]), program.input([2])
    outputs = [program.output([2]), program.output([2])]
    program.step("loop", [trips, -1, a, b], outputs, [2, 0], programs=[1])
    body = words.program()
    body.input([], I64)
    body.outputs.append(body.input([], BOOL))
    a, b = body.input([2]), body.input([2])
    body.outputs += [b, a]
    context = _native.Context(words.model())
    for n in range(5):
        first, second = run(context, np.array(n), floats(1, 2), floats(3, 4), outputs=2)
        expected = ([1, 2], [3, 4]) if n % 2 == 0 else ([3, 4], [1, 2])
        assert (first.tolist(), second.tolist()) == expected


def test_fibonacci() -> None:
    """One carried value passed on, one written: (a, b) becomes (b, a + b)."""
    words = Words()
    program = words.program()
    trips, a, b = program.input([], I64), program.input([1], I64), program.input([1], I64)
    outputs = [program.output([1], I64), program.output([1], I64), program.output([UNKNOWN, 1], I64)]
    program.step("loop", [trips, -1, a, b], outputs, [2, 1], programs=[1])
    body = words.program()
    body.input([], I64)
    body.outputs.append(body.input([], BOOL))
    a, b = body.input([1], I64), body.input([1], I64)
    body.outputs.append(b)
    total = body.output([1], I64)
    body.outputs.append(total)
    body.step("toy_add_i64", [a, b], [total])
    one = np.array([1])
    _, last, all_of_them = run(_native.Context(words.model()), np.array(8), one, one, outputs=3)
    assert last.tolist() == [55]
    assert all_of_them.ravel().tolist() == [2, 3, 5, 8, 13, 21, 34, 55]


def test_loop_scan_shape_changes() -> None:
    words = Words()
    program = words.program()
    trips = program.input([], I64)
    x, _ = program.dynamic_input(1)
    outputs = [program.output([UNKNOWN]), program.output([UNKNOWN, UNKNOWN])]
    program.step("loop", [trips, -1, x], outputs, [1, 1], programs=[1], layer="repeat")
    body = words.program()
    body.input([], I64)
    body.outputs.append(body.input([], BOOL))
    x, _ = body.dynamic_input(1)
    y = body.output([UNKNOWN])
    body.outputs.append(y)
    body.step("toy_concat", [x, x], [y])
    context = _native.Context(words.model())
    assert run(context, np.array(1), floats(1), outputs=2)[1].tolist() == [[1, 1]]
    with pytest.raises(ShapeError, match="iteration 1 gives a scan output of another shape"):
        run(context, np.array(2), floats(1))
    assert run(context, np.array(0), floats(1), outputs=2)[1].shape == (0, 0)


def test_if_inside_loop_inside_if() -> None:
    words = Words()
    program = words.program()
    condition, trips, x = program.input([], BOOL), program.input([], I64), program.input([2])
    program.step("if", [condition, trips, x], [program.output([2])], programs=[1, 2])
    looping = words.program()
    trips, x = looping.input([], I64), looping.input([2])
    looping.step("loop", [trips, -1, x], [looping.output([2])], [1, 0], programs=[3])
    other = words.program()
    other.input([], I64)
    other.step("toy_affine", [other.input([2])], [other.output([2])], [100, 0.0])
    body = words.program()
    body.input([], I64)
    body.outputs.append(body.input([], BOOL))
    x = body.input([2])
    small = body.arena([], BOOL)
    body.step("toy_below", [x], [small], [10.0])
    body.step("if", [small, x], [body.output([2])], programs=[4, 5])
    affine(words, 2, 0.0)
    affine(words, 1, 1.0)
    context = _native.Context(words.model())
    assert run(context, TRUE, np.array(4), floats(1, 2))[0].tolist() == [6, 10]  # 2, 4; 4, 8; 5, 9; 6, 10
    assert run(context, FALSE, np.array(4), floats(1, 2))[0].tolist() == [100, 200]


def scan_model(axes: tuple[int, int], directions: tuple[int, int]) -> _native.Context:
    """State s, scanned x: s += slice; stacks s."""
    words = Words()
    program = words.program()
    s = program.input([2])
    x, dims = program.dynamic_input(2)
    length = dims[axes[0]]
    stacked = [length, 2] if axes[1] == 0 else [2, length]
    params = [1, 1, axes[0], directions[0], axes[1], directions[1]]
    program.step("scan", [s, x], [program.output([2]), program.output(stacked)], params, programs=[1])
    body = words.program()
    s, x = body.input([2]), body.input([2])
    y = body.output([2])
    body.step("toy_add", [s, x], [y])
    body.outputs.append(y)
    return _native.Context(words.model())


@pytest.mark.parametrize("axes", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("directions", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_scan(axes: tuple[int, int], directions: tuple[int, int]) -> None:
    context = scan_model(axes, directions)
    for length in (5, 1, 0, 3):
        x = np.random.default_rng(length).integers(0, 9, (length, 2)).astype(np.float32)
        ordered = x[::-1] if directions[0] else x
        sums = floats(100, 200) + np.cumsum(ordered, axis=0)
        final = sums[-1] if length else floats(100, 200)
        expected = np.moveaxis(sums[::-1] if directions[1] else sums, 0, axes[1])
        s, stacked = run(context, floats(100, 200), np.ascontiguousarray(np.moveaxis(x, 0, axes[0])), outputs=2)
        assert np.array_equal(s, final)
        assert np.array_equal(stacked, expected)


def test_failure_inside_names_program_and_step() -> None:
    words = Words()
    add_loop(words)
    body = words.programs[1]
    body.step("toy_fail", [], [], [4], layer="inner")
    context = _native.Context(words.model())
    with pytest.raises(Exception, match="inner: toy failure 4"):
        run(context, np.array(3), TRUE, floats(1, 2), floats(1, 1))
    assert context.failed_at() == (1, 1)


def test_cancel_ends_an_endless_loop() -> None:
    words = Words()
    add_loop(words)
    words.programs[0].steps[0][3:5] = [-1, -1]
    words.programs[1].step("toy_sleep", [], [], [1])
    context = _native.Context(words.model())
    for index, array in enumerate([np.array(0), TRUE, floats(0, 0), floats(0, 0)]):
        context.bind_input(index, array)
    timer = threading.Timer(0.05, context.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(RunError, match="cancelled"):
        context.run()
    assert time.monotonic() - start < 5
    timer.join()


def slot(program: Program, number: int) -> int:
    return program.tensor(program.storage(SLOT, number), [], STRING)


def test_objects_in_slots() -> None:
    """A list that Python steps make and extend inside a loop, through slots."""
    make = _native.add_python_step(lambda: [0])
    extend = _native.add_python_step(lambda values, i: [*values, int(i)])
    size = _native.add_python_step(lambda values: np.array(len(values)))
    words = Words()
    program = words.program()
    trips = program.input([], I64)
    made, final = slot(program, 0), slot(program, 1)
    program.step("python", [], [made], [make])
    program.step("loop", [trips, -1, made], [final], [1, 0], programs=[1])
    program.step("python", [final], [program.output([], I64)], [size])
    body = words.program()
    iteration = body.input([], I64)
    body.outputs.append(body.input([], BOOL))
    values, longer = slot(body, 2), slot(body, 3)
    body.inputs.append(values)
    body.outputs.append(longer)
    body.step("python", [values, iteration], [longer], [extend])
    context = _native.Context(words.model())
    context.slots = {9: "mine"}
    assert int(run(context, np.array(4))[0]) == 5
    assert context.slots[1] == [0, 0, 1, 2, 3]
    assert int(run(context, np.array(0))[0]) == 1
    for number in (make, extend, size):
        _native.remove_python_step(number)


def invalid(text: str, words: Words) -> None:
    with pytest.raises(PlanInvalid, match=text):
        words.model()


def test_program_that_contains_itself() -> None:
    words = Words()
    program = words.program()
    condition = program.input([], BOOL)
    program.step("if", [condition], [], programs=[0, 0])
    invalid("contains itself", words)


def test_nested_programs_of_other_types() -> None:
    words = Words()
    program = words.program()
    condition, x = program.input([], BOOL), program.input([2], I64)
    program.step("if", [condition, x], [program.output([2])], programs=[1, 1])
    affine(words, 1, 0.0)
    invalid("a tensor of another type", words)
    words.programs[0].tensors[x][0] = w.F32
    words.model()
    program.steps[0][0] = program.string("toy_add")
    invalid("only control flow has nested programs", words)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda main, body: main.steps[0].__setitem__(-7, 5), "needs a trip count"),
        (lambda main, body: body.outputs.append(1), "other inputs, outputs or params"),
        (lambda main, body: body.tensors[0].__setitem__(0, w.F32), "without iteration or condition"),
        (lambda main, body: body.tensors[2].__setitem__(0, I64), "another type"),
    ],
)
def test_loop_rules(change: object, text: str) -> None:
    words = Words()
    add_loop(words)
    words.model()
    assert callable(change)
    change(*words.programs)
    invalid(text, words)


def test_an_object_of_unknown_size_has_no_memory() -> None:
    """Its slot, however high its number, is no place among the outputs, and its shape is what the step says."""
    make = _native.add_python_step(lambda: np.array(["a", "b"], object))
    size = _native.add_python_step(lambda texts: np.array(len(texts)))
    words = Words()
    program = words.program()
    made = program.tensor(program.storage(SLOT, 10**8), [UNKNOWN], STRING)
    program.step("python", [], [made], [make])
    program.end_segment()
    count = program.expr(w.DATA, made, 0)
    read = program.tensor(program.tensors[made][2], [count], STRING)
    program.step("python", [read], [program.output([], I64)], [size])
    context = _native.Context(words.model())
    assert int(run(context)[0]) == 2
    for number in (make, size):
        _native.remove_python_step(number)
