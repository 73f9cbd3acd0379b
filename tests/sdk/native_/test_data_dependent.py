"""Sizes that only a kernel finds out: upper bounds, outputs that grow, and kernels that lie about them."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import RunError, ShapeError, UsageError
from tests.sdk.native_ import words as w
from tests.sdk.native_.words import GROWN, I64, OUTPUT, UNKNOWN, Program, Words, floats, run


def nonzero(program: Program, *, grown: bool, as_output: bool) -> int:
    """Find the indices of what is not zero in the one input; the tensor that later segments read."""
    x, dims = program.dynamic_input(1)
    shape = [UNKNOWN] if grown else dims
    found = program.output(shape, I64) if as_output else program.arena(shape, I64)
    program.step("toy_nonzero", [x], [found], layer="nz")
    program.end_segment()
    reader = program.tensor(program.tensors[found][2], [program.expr(w.DATA, found, 0)], I64)
    if as_output:
        program.outputs[-1] = reader
    return reader


CASES = [floats(0, 1, 0, 2), floats(0, 0), floats(1, 1, 1), floats(), floats(0, 1, 0, 2), floats(5, 5, 5, 5)]


@pytest.mark.parametrize("grown", [False, True])
def test_output(grown: bool) -> None:
    words = Words()
    nonzero(words.program(), grown=grown, as_output=True)
    context = _native.Context(words.model())
    for x in CASES:
        assert run(context, x)[0].tolist() == np.flatnonzero(x).tolist()
    context.resolve()
    assert context.output_shape(0) == (-1,)


@pytest.mark.parametrize("grown", [False, True])
def test_later_steps_use_the_size(grown: bool) -> None:
    words = Words()
    program = words.program()
    found = nonzero(program, grown=grown, as_output=False)
    size = program.tensors[found][5]
    y = program.output([size], I64)
    program.step("toy_add_i64", [found, found], [y])
    context = _native.Context(words.model())
    for x in CASES:
        assert run(context, x)[0].tolist() == (2 * np.flatnonzero(x)).tolist()


@pytest.mark.parametrize("grown", [False, True])
def test_the_writing_tensor_is_an_output(grown: bool) -> None:
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    found = program.output([UNKNOWN] if grown else dims, I64)
    program.step("toy_nonzero", [x], [found])
    program.end_segment()
    program.expr(w.DATA, found, 0)
    context = _native.Context(words.model())
    for values in CASES:
        assert run(context, values)[0].tolist() == np.flatnonzero(values).tolist()


def test_bound_output_of_unknown_size() -> None:
    words = Words()
    nonzero(words.program(), grown=True, as_output=True)
    context = _native.Context(words.model())
    y = np.full(2, -1, np.int64)
    context.bind_output(0, y)
    assert run(context, floats(0, 1, 0, 2))[0].tolist() == [1, 3]
    assert y.tolist() == [1, 3]
    assert run(context, floats(0, 1, 0))[0].tolist() == [1]
    with pytest.raises(UsageError, match="nz: output 0 needs 24 bytes, the memory bound to it has 16"):
        run(context, floats(1, 1, 1))


def test_output_with_bound_zero_says_nothing_of_its_size() -> None:
    """An output storage whose size is written as 0 grows as well, if its tensor has an unknown size."""
    words = Words()
    program = words.program()
    x, _ = program.dynamic_input(1)
    found = program.tensor(program.storage(OUTPUT, 0, 0), [UNKNOWN], I64)
    program.outputs.append(found)
    program.step("toy_nonzero", [x], [found])
    assert run(_native.Context(words.model()), floats(0, 1, 1))[0].tolist() == [1, 2]


def test_memory_grows_once() -> None:
    words = Words()
    program = words.program()
    found = nonzero(program, grown=True, as_output=False)
    y = program.output([program.tensors[found][5]], I64)
    program.step("toy_add_i64", [found, found], [y])
    context = _native.Context(words.model())
    large, small = np.ones(1000, np.float32), np.ones(10, np.float32)
    run(context, large)
    held = context.memory
    for _ in range(20):
        run(context, small)
        run(context, large)
    assert context.memory == held


def liar(claim: int, *, grown: bool) -> _native.Context:
    words = Words()
    program = words.program()
    found = program.output([UNKNOWN] if grown else [4], I64)
    program.step("toy_liar", [], [found], [claim], layer="lie")
    program.end_segment()
    program.expr(w.DATA, found, 0)
    return _native.Context(words.model())


@pytest.mark.parametrize(
    ("claim", "grown", "text"),
    [
        (5, False, "gave output 0 the size 5 on axis 0, the plan allows 4"),
        (-1, False, "gave output 0 the size -1"),
        (-1, True, "gave output 0 the size -1"),
        (100, True, "without asking for the memory"),
        (2**62, True, "without asking for the memory"),
    ],
)
def test_kernel_that_lies(claim: int, grown: bool, text: str) -> None:
    with pytest.raises(RunError, match=text):
        liar(claim, grown=grown).run()


def test_kernel_that_claims_nothing() -> None:
    assert run(liar(0, grown=True))[0].tolist() == []
    assert run(liar(4, grown=False))[0].shape == (4,)


def test_reader_larger_than_what_was_grown() -> None:
    words = Words()
    program = words.program()
    x, _ = program.dynamic_input(1)
    found = program.tensor(program.storage(GROWN), [UNKNOWN], I64)
    program.step("toy_nonzero", [x], [found])
    program.end_segment()
    wrong = program.tensor(program.tensors[found][2], [1000], I64)
    program.step("toy_add_i64", [wrong, wrong], [program.output([1000], I64)], layer="reader")
    with pytest.raises(ShapeError, match='step "reader" uses more memory'):
        run(_native.Context(words.model()), floats(1))


def test_profile_of_segments() -> None:
    words = Words()
    program = words.program()
    found = nonzero(program, grown=True, as_output=False)
    y = program.output([program.tensors[found][5]], I64)
    program.step("toy_add_i64", [found, found], [y])
    context = _native.Context(words.model())
    totals = context.profile(2)
    run(context, floats(1, 0))
    assert (totals > 0).all()
