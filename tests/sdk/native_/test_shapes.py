"""Sizes at run time: expressions, checks, overflow, changing shapes, the states that are kept."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import ShapeError
from enginewright.tensors import DataType
from tests.sdk.native_ import words as w
from tests.sdk.native_.words import I64, WEIGHT, Expr, Words, floats, run


def doubling() -> _native.Context:
    """y = x + x for any x of two axes, through two temporaries."""
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(2)
    a, b, y = program.arena(dims), program.arena(dims), program.output(dims)
    program.step("toy_add", [x, x], [a])
    program.step("toy_add", [a, x], [b])
    program.step("toy_add", [b, a], [y])
    return _native.Context(words.model())


def test_shapes_change_between_runs() -> None:
    context = doubling()
    generator = np.random.default_rng(0)
    for _ in range(50):
        x = generator.standard_normal(tuple(generator.integers(0, 20, 2))).astype(np.float32)
        assert np.allclose(run(context, x)[0], 5 * x)


def test_kept_states_come_back() -> None:
    """More shapes than states are kept, in an order that evicts some and reuses others."""
    context = doubling()
    for size in [1, 2, 3, 1, 2, 4, 5, 6, 7, 8, 9, 10, 1, 10, 9, 2, 3]:
        x = np.full((size, 2), size, np.float32)
        assert np.array_equal(run(context, x)[0], 5 * x)


def test_resolve_tells_shapes_without_running() -> None:
    context = doubling()
    context.bind_shape(0, [3, 4])
    context.resolve()
    assert context.output_shape(0) == (3, 4)
    assert context.is_fixed(0)
    context.bind_shape(0, [5, 4])
    context.resolve()
    assert context.output_shape(0) == (5, 4)


EXPRESSIONS = [
    (w.ADD, 7, 3, 10), (w.SUB, 3, 7, -4), (w.MUL, 7, 3, 21), (w.FLOOR_DIV, 7, 2, 3), (w.CEIL_DIV, 7, 2, 4),
    (w.MOD, 7, 4, 3), (w.MIN, 7, 3, 3), (w.MAX, 7, 3, 7), (w.BROADCAST, 1, 5, 5), (w.BROADCAST, 5, 1, 5),
    (w.BROADCAST, 5, 5, 5), (w.BROADCAST, 0, 1, 0), (w.EQUAL, 3, 3, 1), (w.EQUAL, 3, 4, 0), (w.LESS, 3, 4, 1),
    (w.LESS, 4, 4, 0),
]  # fmt: skip


def evaluate(op: int, a: int, b: int) -> int:
    """The value of one expr, as the contents of an output."""
    words = Words()
    program = words.program()
    operands = [program.expr(w.CONST, a), program.expr(w.CONST, b)]
    result = program.expr(op, *operands)
    y = program.output([1], I64)
    program.step("toy_fill_i64", [], [y], [Expr(result)])
    return int(run(_native.Context(words.model()))[0][0])


@pytest.mark.parametrize(("op", "a", "b", "expected"), EXPRESSIONS)
def test_expression(op: int, a: int, b: int, expected: int) -> None:
    assert evaluate(op, a, b) == expected


@pytest.mark.parametrize("a", [-7, 7, 0, -1])
@pytest.mark.parametrize("b", [-3, 3, -1, 7])
def test_division_is_that_of_python(a: int, b: int) -> None:
    assert evaluate(w.FLOOR_DIV, a, b) == a // b
    assert evaluate(w.MOD, a, b) == a % b
    assert evaluate(w.CEIL_DIV, a, b) == -(-a // b)


@pytest.mark.parametrize(
    ("op", "a", "b"),
    [
        (w.ADD, 2**63 - 1, 1), (w.SUB, -(2**63) + 1, 2), (w.MUL, 2**62, 2), (w.FLOOR_DIV, 1, 0), (w.MOD, 1, 0),
        (w.CEIL_DIV, 1, 0), (w.FLOOR_DIV, -(2**63), -1), (w.BROADCAST, 2, 3),
    ],
)  # fmt: skip
def test_expression_fails(op: int, a: int, b: int) -> None:
    with pytest.raises(ShapeError, match=r"too large|divided by zero|broadcast"):
        evaluate(op, a, b)


def test_select_and_scale() -> None:
    words = Words()
    program = words.program()
    _, (n,) = program.dynamic_input(1)
    pair = program.expr(w.PAIR, program.expr(w.MUL, n, 10), 7)
    chosen = program.expr(w.SELECT, program.expr(w.LESS, n, 3), ~pair)
    scaled = program.scale(n, 2.5)
    y, z = program.output([1], I64), program.output([1], I64)
    program.step("toy_fill_i64", [], [y], [Expr(chosen)])
    program.step("toy_fill_i64", [], [z], [Expr(scaled)])
    context = _native.Context(words.model())
    for size, expected in [(2, (20, 5)), (3, (7, 7))]:
        assert tuple(int(v[0]) for v in run(context, np.zeros(size, np.float32), outputs=2)) == expected


@pytest.mark.parametrize(
    ("kind", "a", "b", "text"),
    [
        (w.CHECK_EQUAL, 3, 5, "layer add, axis 1: 3 and 5 must be equal"),
        (w.CHECK_BROADCAST, 3, 5, "layer add, axis 1: 3 and 5 cannot be broadcast"),
        (w.AT_LEAST, 3, 5, "layer add, axis 1: 3 must be at least 5"),
        (w.AT_MOST, 5, 3, "layer add, axis 1: 5 must be at most 3"),
    ],
)
def test_checks(kind: int, a: int, b: int, text: str) -> None:
    words = Words()
    program = words.program()
    x, (n,) = program.dynamic_input(1)
    program.check(kind, n, b, "layer add, axis 1")
    program.outputs.append(x)
    context = _native.Context(words.model())
    with pytest.raises(ShapeError, match=text):
        run(context, np.zeros(a, np.float32))
    run(context, np.zeros(b, np.float32))  # the context is still good


def test_tensor_beyond_its_memory() -> None:
    words = Words()
    program = words.program()
    x, (n,) = program.dynamic_input(1)
    small = program.tensor(program.storage(w.ARENA, 0, 64, 0), [n])
    program.step("toy_add", [x, x], [small])
    program.outputs.append(small)
    context = _native.Context(words.model())
    assert run(context, np.ones(16, np.float32))[0].tolist() == [2] * 16
    with pytest.raises(ShapeError, match="a view of 68 bytes at byte 0 leaves its memory of 64 bytes"):
        run(context, np.ones(17, np.float32))


def test_negative_size_and_overflowing_tensor() -> None:
    words = Words()
    program = words.program()
    x, (n,) = program.dynamic_input(1)
    less = program.expr(w.SUB, n, 3)
    huge = program.expr(w.MUL, less, 2**40)
    y = program.tensor(program.storage(w.GROWN, 0, 0, 0), [less])
    program.tensor(program.storage(w.GROWN, 0, 0, 0), [huge, huge])
    program.outputs.append(x)
    assert y
    context = _native.Context(words.model())
    with pytest.raises(ShapeError, match="a size is negative: -2"):
        run(context, floats(1))
    with pytest.raises(ShapeError, match="a tensor is too large"):
        run(context, floats(1, 2, 3, 4))
    run(context, floats(1, 2, 3))


def test_sizes_read_from_an_input() -> None:
    words = Words()
    program = words.program()
    shape, (n,) = program.dynamic_input(1, I64)
    size = program.expr(w.VALUE, shape, 1)
    y = program.output([size], I64)
    program.step("toy_fill_i64", [], [y], [Expr(n)])
    context = _native.Context(words.model())
    for length in (3, 5, 3, 0):
        assert run(context, np.array([9, length], np.int64))[0].tolist() == [2] * length
    with pytest.raises(ShapeError, match="element 1 of a tensor of 1 elements"):
        run(context, np.array([9], np.int64))
    with pytest.raises(ShapeError, match="a size is negative: -4"):
        run(context, np.array([9, -4], np.int64))
    context.bind_shape(0, [2])
    context.resolve()
    assert context.output_shape(0) == (-1,)
    assert not context.is_fixed(0)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (np.int32, -5, -5), (np.uint8, 200, 200), (np.bool_, True, 1), (np.float32, 3.9, 3), (np.float32, -3.9, -3),
        (np.float64, 1e15, 10**15), (np.uint64, 7, 7), (np.int8, -1, -1), (np.uint16, 65535, 65535),
        (np.int16, -2, -2), (np.uint32, 2**32 - 1, 2**32 - 1),
    ],
)  # fmt: skip
def test_values_of_every_type(dtype: type[np.generic], value: float, expected: int) -> None:
    assert read_value(np.array([value], dtype)) == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e19])
def test_values_that_are_no_sizes(value: float) -> None:
    with pytest.raises(ShapeError, match="no number of that range"):
        read_value(floats(value))
    with pytest.raises(ShapeError, match="exceeds 63 bits"):
        read_value(np.array([2**63], np.uint64))


def read_value(array: np.ndarray) -> int:
    """What a VALUE expr reads."""
    words = Words()
    program = words.program()
    x = program.input([1], int(DataType.of(array)))
    y = program.output([1], I64)
    program.step("toy_fill_i64", [], [y], [Expr(program.expr(w.VALUE, x, 0))])
    return int(run(_native.Context(words.model()), array)[0][0])


def test_values_computed_on_the_way() -> None:
    """The shape of x becomes a tensor, is added to a constant, and then sizes the output: three segments."""
    words = Words()
    program = words.program()
    x, _ = program.dynamic_input(2)
    offsets = program.tensor(program.storage(WEIGHT, 0, 16), [2], I64)
    shape, sums = program.arena([2], I64), program.arena([2], I64)
    program.step("toy_shape", [x], [shape])
    program.step("toy_add_i64", [shape, offsets], [sums])
    program.end_segment()
    sizes = [program.expr(w.VALUE, sums, axis) for axis in range(2)]
    y = program.output(sizes, I64)
    program.step("toy_fill_i64", [], [y], [Expr(program.expr(w.MUL, *sizes))])
    context = _native.Context(words.model(np.array([1, 2], np.int64).view(np.uint8)))
    for rows, columns in [(1, 1), (3, 0), (1, 1), (2, 5)]:
        found = run(context, np.zeros((rows, columns), np.float32))[0]
        assert np.array_equal(found, np.full((rows + 1, columns + 2), (rows + 1) * (columns + 2)))
