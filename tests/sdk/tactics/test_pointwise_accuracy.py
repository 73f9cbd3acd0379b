"""The interpreter of pointwise programs: errors of each operation, broadcasting, in place, any number of threads."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from enginewright import _native
from enginewright.errors import PlanInvalid
from enginewright.ops.pointwise import Builder, PointwiseProgram, encode
from enginewright.ops.pointwise_table import OPERATIONS, TYPES, Array, Operation
from enginewright.tensors import DataType, bool_, float32, float64, int64

ISAS = _native.isas()
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 1.0, -1.0, 0.5, 2.0, 1e-30, 88.0, -88.0]
# Largest error in units in the last place of float32; 0 where nothing is said: one rounding.
ULPS = {"exp": 1, "log": 2, "erf": 3, "sin": 2, "cos": 2, "tan": 2, "asin": 2, "acos": 2, "atan": 2, "sinh": 3}
ULPS |= {"cosh": 2, "tanh": 2, "asinh": 3, "acosh": 3, "atanh": 3, "sigmoid": 2, "softplus": 3, "pow": 1}
# These cancel for negative arguments; the error is absolute, relative to the argument.
ABSOLUTE = {"silu", "gelu", "gelu_tanh"}


def run(program: PointwiseProgram, arrays: list[Array], isa: str, *, threads: int = 1) -> list[Array]:
    """The outputs of the kernel on one instruction set."""
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    outputs = [np.empty(shape, dtype.numpy) for dtype in program.output_dtypes]
    _native.call_kernel(f"cpu_pointwise@{isa}", arrays, outputs, encode(program), threads=threads)
    return outputs


def numbers(dtype: DataType, count: int) -> Array:
    """Numbers of all magnitudes, special ones included, in random order."""
    rng = np.random.default_rng(int(dtype))
    if dtype is bool_:
        return rng.integers(0, 2, count).astype(bool)
    if dtype.is_float:
        spread = rng.standard_normal(count) * 10.0 ** rng.integers(-3, 3, count)
        spread[: len(SPECIAL)] = SPECIAL
        with np.errstate(all="ignore"):
            return rng.permutation(spread).astype(np.float32).astype(dtype.numpy)
    limits = np.iinfo(dtype.numpy)
    found = rng.integers(limits.min, limits.max, count, dtype=dtype.numpy, endpoint=True)
    found[: count // 2] = rng.integers(0 if limits.min == 0 else -4, 9, count // 2)
    found[:2] = limits.min, limits.max
    return rng.permutation(found)


def program_for(operation: Operation, dtype: DataType) -> PointwiseProgram:
    """The operation alone."""
    first = [bool_] if operation.name == "where" else []
    p = Builder(*first, *[dtype] * (operation.arity - len(first)))
    return p.finish(p.apply(operation.name, *p.inputs))


def assert_same(found: Array, wanted: Array, what: object) -> None:
    """Equal elements; NaN equals NaN, also as bfloat16, where NumPy does not know it."""
    wide = np.float64 if DataType.of(wanted).is_float else wanted.dtype
    np.testing.assert_array_equal(found.astype(wide), wanted.astype(wide), err_msg=str(what))


def ulps(found: Array, wanted: Array) -> Array:
    """Differences in units in the last place; NaN and infinity must be in the same places."""
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        return np.where(same, 0, np.abs(a - b) / np.spacing(np.abs(wanted)).astype(np.float64))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.arity], ids=lambda op: op.name)
def test_every_operation_of_every_type(operation: Operation, isa: str) -> None:
    for dtype in TYPES:
        if not operation.allows(dtype) or operation.name == "cast":
            continue
        program = program_for(operation, dtype)
        arrays = [np.roll(numbers(kind, 4099), 7 * k) for k, kind in enumerate(program.inputs)]
        wanted, found = program.run(*arrays)[0], run(program, arrays, isa)[0]
        if not program.output_dtypes[0].is_float or operation.exact:
            assert_same(found, wanted, dtype)
        elif operation.name in ABSOLUTE:
            limit = {float64: 1e-14, float32: 2.5e-7}.get(dtype, 8e-3) * np.abs(arrays[0].astype(np.float64)) + 1e-37
            a, b = found.astype(np.float64), wanted.astype(np.float64)
            with np.errstate(all="ignore"):
                assert ((np.abs(a - b) <= limit) | (a == b) | (np.isnan(a) & np.isnan(b))).all(), dtype
        else:
            error = ulps(found, wanted)
            limit = 3 if dtype is float64 else 1 if dtype is not float32 else ULPS[operation.name]
            assert (error <= limit).all(), (dtype, arrays[0][error.argmax()], error.max())


@pytest.mark.parametrize("isa", ISAS)
def test_every_cast(isa: str) -> None:
    for source in TYPES:
        for target in TYPES:
            p = Builder(source)
            program = p.finish(p.cast(p.inputs[0], target))
            x = numbers(source, 1031)
            assert_same(run(program, [x], isa)[0], program.run(x)[0], (source, target))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, -0.5, 1.7, 0])
def test_powers_with_a_constant_exponent(exponent: float, isa: str) -> None:
    p = Builder(float32)
    program = p.finish(p.pow(p.inputs[0], p.constant(float32, exponent)))
    x = numbers(float32, 1031)
    found, wanted = run(program, [x], isa)[0], program.run(x)[0]
    assert (ulps(found, wanted) <= (2 if exponent == 3 else 1)).all()
    np.testing.assert_array_equal(np.signbit(found[wanted == 0]), np.signbit(wanted[wanted == 0]))


def mixed_program() -> PointwiseProgram:
    """Several outputs, types and constants; more values than fit one tile."""
    p = Builder(float32, float32, int64)
    x, y, n = p.inputs
    wide = p.cast(n, float32)
    total = p.add(p.mul(x, y), p.constant(float32, 0.25))
    for _ in range(5):
        total = p.add(p.mul(total, p.constant(float32, 0.5)), p.sigmoid(wide))
    return p.finish(total, p.less(total, y), p.add(n, n), x)


@given(st.data(), st.sampled_from(ISAS))
def test_broadcasting(data: st.DataObject, isa: str) -> None:
    rank = data.draw(st.integers(0, 5))
    full = [data.draw(st.sampled_from([1, 2, 3, 7, 33, 0, 70])) for _ in range(rank)]
    shapes = []
    for _ in range(3):
        kept = data.draw(st.integers(0, rank))
        shapes.append(tuple(1 if data.draw(st.booleans()) else size for size in full[rank - kept :]))
    if np.prod(np.broadcast_shapes(*shapes), dtype=float) > 1e5:
        return
    rng = np.random.default_rng(rank)
    program = mixed_program()
    arrays: list[Array] = [np.asarray(rng.standard_normal(shape), np.float32) for shape in shapes[:2]]
    arrays.append(np.asarray(rng.integers(-5, 5, shapes[2]), np.int64))
    for found, wanted in zip(run(program, arrays, isa), program.run(*arrays), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_a_number_for_a_long_row_lasts_from_tile_to_tile(isa: str) -> None:
    """Scale and shift of channels: the register of the scale is free after the product, but the next tile needs it."""
    p = Builder(float32, float32, float32)
    x, scale, shift = p.inputs
    program = p.finish(p.add(p.mul(x, scale), shift))
    arrays: list[Array] = [np.random.default_rng(0).standard_normal((16, 5000)).astype(np.float32)]
    arrays += [np.arange(16, dtype=np.float32).reshape(16, 1), np.full((16, 1), 3, np.float32)]
    np.testing.assert_allclose(run(program, arrays, isa)[0], program.run(*arrays)[0], rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_an_output_may_take_the_memory_of_an_input(isa: str) -> None:
    for dtype in (float32, DataType.BFLOAT16, int64):
        p = Builder(dtype, dtype)
        x, y = p.inputs
        program = p.finish(p.sub(p.mul(p.add(x, y), x), y))
        a, b = (np.arange(5000).reshape(50, 100) % 13 - 6).astype(dtype.numpy), np.full((100,), 3).astype(dtype.numpy)
        wanted = program.run(a, b)[0]
        _native.call_kernel(f"cpu_pointwise@{isa}", [a, b], [a], encode(program))
        np.testing.assert_array_equal(a, wanted)


def test_threads_do_not_change_bits() -> None:
    p = Builder(float32, float32)
    program = p.finish(p.gelu(p.add(*p.inputs)))
    rng = np.random.default_rng(0)
    arrays: list[Array] = [
        rng.standard_normal((700, 512)).astype(np.float32),
        rng.standard_normal(512).astype(np.float32),
    ]
    one, many = run(program, arrays, ISAS[0]), run(program, arrays, ISAS[0], threads=4)
    np.testing.assert_array_equal(one[0], many[0])


def test_large_programs_get_smaller_tiles() -> None:
    p = Builder(float64)
    values = [p.add(p.inputs[0], p.constant(float64, k)) for k in range(24)]
    total = values[0]
    for value in reversed(values[1:]):
        total = p.mul(total, p.cos(value))
    program = p.finish(total)
    x = np.linspace(0, 1, 3001)
    np.testing.assert_allclose(run(program, [x], ISAS[0])[0], program.run(x)[0], rtol=1e-12)


@pytest.mark.parametrize("place", range(18))
@pytest.mark.parametrize("value", [-1, 0, 1, 7, 255, 2**40, -(2**63)])
def test_broken_words_are_refused_or_harmless(place: int, value: int) -> None:
    p = Builder(float32)
    words: list[Any] = list(encode(p.finish(p.max(p.exp(p.inputs[0]), p.constant(float32, 0.5)))))
    words[place] = value
    x = np.ones(100, np.float32)
    with contextlib.suppress(PlanInvalid):
        _native.call_kernel(f"cpu_pointwise@{ISAS[0]}", [x], [np.empty(100, np.float32)], words)
