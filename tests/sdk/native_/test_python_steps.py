"""Steps in Python: arrays of every type, sizes, missing inputs, exceptions, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import PluginInvalid
from enginewright.tensors import DataType
from tests.sdk.native_ import words as w
from tests.sdk.native_.words import F32, I64, UNKNOWN, Words, floats, run

Step = Callable[..., Any]


@pytest.fixture
def add() -> Iterator[Callable[[Step], int]]:
    """Register functions for one test."""
    numbers: list[int] = []

    def register(function: Step) -> int:
        numbers.append(_native.add_python_step(function))
        return numbers[-1]

    yield register
    for number in numbers:
        _native.remove_python_step(number)


def one_step(number: int, dtype: int = F32, *, layer: str = "py") -> _native.Context:
    words = Words()
    program = words.program()
    x = program.input([2, 3], dtype)
    w.SIZES.setdefault(dtype, DataType(dtype).numpy.itemsize)
    program.step("python", [x, -1], [program.output([2, 3], dtype)], [number], layer=layer)
    return _native.Context(words.model())


def test_array_in_array_out(add: Callable[[Step], int]) -> None:
    seen: list[Any] = []
    context = one_step(add(lambda x, missing: seen.append((x.shape, x.dtype, missing)) or x * 2))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(run(context, x)[0], x * 2)
    assert seen == [((2, 3), np.float32, None)]


@pytest.mark.parametrize("dtype", [t for t in DataType if not t.is_object], ids=str)
def test_every_type(add: Callable[[Step], int], dtype: DataType) -> None:
    values = np.array([[0, 1, 2], [3, 1, 0]]).astype(dtype.numpy)
    if dtype in (DataType.INT4, DataType.FLOAT4E2M1):
        values = np.array([[-2, 1, 2], [3, -1, 0]]).astype(np.float32).astype(dtype.numpy)
    context = one_step(add(lambda x, _: x[::-1]), int(dtype))
    found = run(context, values)[0]
    assert found.dtype == dtype.numpy
    assert np.array_equal(found.astype(np.complex128), values[::-1].astype(np.complex128), equal_nan=True)
    bound = np.zeros((2, 3), dtype.numpy)
    context.bind_output(0, bound)
    context.run()
    assert np.array_equal(bound.astype(np.complex128), values[::-1].astype(np.complex128), equal_nan=True)


@pytest.mark.parametrize(
    ("values", "packed"),
    [
        (np.array([1, -2, 3], ml_dtypes.int4), [0xE1, 0x03]),
        (np.array([1, -2, -1, 0, 1], ml_dtypes.int2), [0b00_11_10_01, 0b01]),
        (np.array([1, 2, 3, 0], ml_dtypes.uint2), [0b00_11_10_01]),
    ],
    ids=["int4", "int2", "uint2"],
)
def test_small_integers_are_packed_low_bits_first(values: np.ndarray, packed: list[int]) -> None:
    from enginewright._native.arrays import pack_sub_byte, unpack_sub_byte

    found = pack_sub_byte(values)
    assert found.tolist() == packed
    assert unpack_sub_byte(found, [len(values)], values.dtype).tolist() == values.tolist()


def test_result_of_unknown_size(add: Callable[[Step], int]) -> None:
    words = Words()
    program = words.program()
    x, _ = program.dynamic_input(1)
    y = program.arena([UNKNOWN])
    program.step("python", [x], [y], [add(lambda x: x[x > 0])])
    program.end_segment()
    size = program.expr(w.DATA, y, 0)
    read = program.tensor(program.tensors[y][2], [size])
    program.step("toy_add", [read, read], [program.output([size])])
    context = _native.Context(words.model())
    for values in ([1, -1, 2], [-1], [5, 6, 7, 8], []):
        assert run(context, floats(*values))[0].tolist() == [2 * v for v in values if v > 0]


def test_result_below_its_upper_bound(add: Callable[[Step], int]) -> None:
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    y = program.output(dims)
    program.step("python", [x], [y], [add(lambda x: x[x > 0])])
    program.end_segment()
    program.expr(w.DATA, y, 0)
    assert run(_native.Context(words.model()), floats(1, -1, 2))[0].tolist() == [1, 2]


def test_several_results(add: Callable[[Step], int]) -> None:
    words = Words()
    program = words.program()
    x = program.input([2])
    program.step(
        "python", [x], [program.output([2]), -1, program.output([], I64)], [add(lambda x: (x, x, np.array(7)))]
    )
    x_found, seven = run(_native.Context(words.model()), floats(1, 2), outputs=2)
    assert x_found.tolist() == [1, 2]
    assert seven == 7


class Surprise(Exception):
    """Raised by a step."""


def test_exception_comes_out_unchanged(add: Callable[[Step], int]) -> None:
    def raising(x: Any, _: Any) -> Any:
        raise Surprise("no")

    context = one_step(add(raising), layer="swish3")
    with pytest.raises(Surprise, match="no") as caught:
        run(context, np.zeros((2, 3), np.float32))
    assert caught.value.__notes__ == ["in a Python step of the plan: swish3: Surprise: no"]
    with pytest.raises(Surprise):
        context.run()


def test_exception_from_inside_a_loop(add: Callable[[Step], int]) -> None:
    def raising(i: Any) -> Any:
        if i == 2:
            raise KeyboardInterrupt
        return i

    words = Words()
    program = words.program()
    trips = program.input([], I64)
    program.step("loop", [trips, -1], [program.output([UNKNOWN], I64)], [0, 1], programs=[1])
    body = words.program()
    i = body.input([], I64)
    body.outputs.append(body.input([], w.BOOL))
    body.step("python", [i], [body.output([], I64)], [add(raising)])
    context = _native.Context(words.model())
    assert run(context, np.array(2))[0].tolist() == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        run(context, np.array(3))
    assert run(context, np.array(1))[0].tolist() == [0]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (np.zeros((2, 3)), "output 0 is float64 of rank 2; the plan says float32 of rank 2"),
        (np.zeros(6, np.float32), "of rank 1"),
        (np.zeros((3, 2), np.float32), r"has the shape \(3, 2\), the plan says \(2, 3\)"),
        ((np.zeros((2, 3), np.float32),) * 2, "of rank 3"),
        ((np.zeros((2, 3), np.float32), 5), "inhomogeneous"),
    ],
)
def test_wrong_results(add: Callable[[Step], int], result: Any, text: str) -> None:
    with pytest.raises((PluginInvalid, ValueError), match=text):
        run(one_step(add(lambda *_: result)), np.zeros((2, 3), np.float32))


def test_too_few_results(add: Callable[[Step], int]) -> None:
    words = Words()
    program = words.program()
    program.step("python", [], [program.output([2]), program.output([2])], [add(lambda: (floats(1, 2),))])
    with pytest.raises(PluginInvalid, match="1 results for 2 outputs"):
        _native.Context(words.model()).run()


def test_forgotten_function() -> None:
    number = _native.add_python_step(lambda x, _: x)
    context = one_step(number)
    _native.remove_python_step(number)
    with pytest.raises(KeyError):
        run(context, np.zeros((2, 3), np.float32))
