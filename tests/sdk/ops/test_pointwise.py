"""Pointwise programs: writing, evaluating, joining and encoding them, and the table that native code shares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from enginewright.errors import DataTypeError, NetworkError
from enginewright.ops.math import Exp
from enginewright.ops.pointwise import Builder, Fused, Pointwise, encode, fuse, program_of, specialize
from enginewright.ops.pointwise_table import BY_NAME, OPCODES, TYPES, cast_array
from enginewright.tensors import DataType, TensorSpec, bfloat16, bool_, float16, float32, float64, int32, int64
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of

HEADER = Path(__file__).parents[3] / "native" / "cpu" / "pointwise.h"


def test_native_code_has_the_same_table() -> None:
    body = re.search(r"enum Opcode : int32_t \{(.*?)OPCODES", HEADER.read_text(), re.DOTALL)
    assert body is not None
    assert tuple(re.findall(r"\bop_(\w+)", body[1])) == OPCODES


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Pointwise)))
def test_shape_rule(op: Any, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def test_equal_instructions_are_one() -> None:
    p = Builder(float32)
    a, b = p.exp(p.inputs[0]), p.exp(p.inputs[0])
    assert a == b
    program = p.finish(p.add(a, b))
    assert [step.opcode for step in program.instructions] == ["exp", "add"]


def test_zeros_of_both_signs_differ() -> None:
    p = Builder(float32)
    plus, minus = p.constant(float32, 0.0), p.constant(float32, -0.0)
    assert plus != minus
    found = p.finish(p.div(p.constant(float32, 1), minus)).run(np.ones(1, np.float32))[0]
    assert found.tolist() == [-np.inf]


def test_unneeded_instructions_are_dropped() -> None:
    p = Builder(float32, float32)
    p.log(p.inputs[0])
    program = p.finish(p.neg(p.inputs[1]))
    assert [step.opcode for step in program.instructions] == ["neg"]
    assert program.n_inputs == 2


def test_operands_are_of_one_type() -> None:
    p = Builder(float32, int32, bool_)
    x, n, flag = p.inputs
    with pytest.raises(DataTypeError):
        p.add(x, n)
    with pytest.raises(DataTypeError):
        p.exp(n)
    with pytest.raises(DataTypeError):
        p.where(flag, x, n)
    with pytest.raises(AttributeError):
        p.no_such_operation(x)
    assert p.add(x, p.cast(n, float32)).dtype is float32
    assert p.less(n, n).dtype is bool_


def test_constants_are_rounded_to_their_type() -> None:
    p = Builder(float16)
    program = p.finish(p.mul(p.inputs[0], p.constant(float16, 0.1)))
    assert program.instructions[0].immediate == float(np.float16(0.1))
    assert Builder(int32).constant(int32, 2.9).dtype is int32


@pytest.mark.parametrize("dtype", [float16, bfloat16])
def test_small_floats_are_rounded_after_each_instruction(dtype: DataType) -> None:
    p = Builder(dtype)
    x = np.array([1.0, 2.0], np.float32).astype(dtype.numpy)
    tiny = p.constant(dtype, 1e-4)
    found = p.finish(p.sub(p.add(p.inputs[0], tiny), p.inputs[0])).run(x)[0]
    assert found.dtype == dtype.numpy
    assert found.astype(float).tolist() == [0, 0]


def test_fuse_joins_programs() -> None:
    p = Builder(float32, float32)
    first = p.finish(p.mul(*p.inputs), p.add(*p.inputs))
    q = Builder(float32, float32)
    second = q.finish(q.sub(*q.inputs))
    program, inputs = fuse([(first, ["a", "b"], ["u", "v"]), (second, ["u", "a"], ["y"])], ["y", "v"])
    assert inputs == ("a", "b")
    a, b = np.array([2, 3], np.float32), np.array([5, 7], np.float32)
    y, v = program.run(a, b)
    np.testing.assert_array_equal(y, a * b - a)
    np.testing.assert_array_equal(v, a + b)


@given(st.lists(st.sampled_from(["add", "mul", "max", "sub"]), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_fusing_does_not_change_results(opcodes: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps: list[Any] = []
    values: dict[str, np.ndarray[Any, Any]] = {"x": rng.standard_normal(9).astype(np.float32)}
    for number, opcode in enumerate(opcodes):
        p = Builder(float32, float32)
        program = p.finish(p.apply(opcode, *p.inputs))
        reads = [str(rng.choice(list(values))) for _ in range(2)]
        steps.append((program, reads, [f"t{number}"]))
        values[f"t{number}"] = program.run(*(values[name] for name in reads))[0]
    whole, inputs = fuse(steps, [f"t{len(opcodes) - 1}"])
    np.testing.assert_array_equal(whole.run(*(values[name] for name in inputs))[0], values[f"t{len(opcodes) - 1}"])


def test_single_numbers_are_written_into_the_program() -> None:
    p = Builder(float32, float32)
    program = p.finish(p.pow(*p.inputs))
    known = TensorSpec(float32, (), (2.0,))
    short, kept = specialize(program, [TensorSpec(float32, (5,)), known])
    assert kept == (0,)
    x = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(short.run(x)[0], x * x)
    # The number gives the result its shape: it stays.
    assert specialize(program, [TensorSpec(float32, ()), TensorSpec(float32, (1, 1), (2.0,))])[1] == (0, 1)


def test_encoding() -> None:
    p = Builder(float32)
    program = p.finish(p.max(p.inputs[0], p.constant(float32, 0.5)))
    assert encode(program) == (
        1, 2, 1, 1,
        OPCODES.index("constant"), 1, -1, -1, -1, 0.5,
        OPCODES.index("max"), 1, 0, 1, -1, 0.0,
        2,
    )  # fmt: skip
    q = Builder(DataType.UINT64)
    words = encode(q.finish(q.bit_and(q.inputs[0], q.constant(DataType.UINT64, 2**64 - 1))))
    assert -1 in words
    assert all(isinstance(word, int) for word in words)


def test_programs_of_other_types_are_refused() -> None:
    p = Builder(float32)
    op = Pointwise(p.finish(p.exp(p.inputs[0])))
    with pytest.raises(NetworkError):
        op.infer(TensorSpec(float64, (2,)))
    assert program_of(Exp(), TensorSpec(float64, (2,))).inputs == (float64,)


def test_fused_is_the_anchor_and_the_program() -> None:
    p = Builder(float32, float32)
    op = Fused(Exp(), p.finish(p.mul(*p.inputs)))
    x, scale = np.array([[0.0, 1.0]], np.float32), np.array([2.0, 3.0], np.float32)
    specs = op.infer(TensorSpec(float32, (1, 2)), TensorSpec(float32, (2,)))
    assert specs == (TensorSpec(float32, (1, 2)),)
    np.testing.assert_allclose(op.reference(x, scale)[0], np.exp(x) * scale, rtol=1e-6)


@given(st.sampled_from(TYPES), st.sampled_from(TYPES), st.integers(-300, 300))
def test_casts_of_numbers_that_both_types_have_are_exact(source: DataType, target: DataType, number: int) -> None:
    x = cast_array(np.array(number, np.int64), source)
    y = cast_array(x, target)
    assert DataType.of(y) is target
    if float(y) == float(x):
        assert float(cast_array(y, source)) == float(x)


def test_every_operation_says_which_types_it_takes() -> None:
    assert not BY_NAME["exp"].allows(int32)
    assert BY_NAME["bit_and"].allows(bool_)
    assert not BY_NAME["add"].allows(bool_)
    assert BY_NAME["shift_left"].allows(int64)
    assert not BY_NAME["equal"].allows(DataType.STRING)
