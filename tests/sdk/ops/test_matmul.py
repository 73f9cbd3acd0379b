"""Tests of the matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim, collect_checks
from enginewright.errors import DataTypeError, ShapeError
from enginewright.ops.matmul import Gemm, MatMul, MatMulInteger, QLinearMatMul
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int32, uint8
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of

CLASSES = (MatMul, Gemm, MatMulInteger, QLinearMatMul)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*CLASSES)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def taken_by_onnx(op: Any, inputs: list[Any]) -> bool:
    """Neither ONNX Runtime nor ONNX's reference takes a zero point for each row."""
    return not (isinstance(op, MatMulInteger) and inputs[2] is not None and inputs[2].ndim)


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        case
        for case in examples_of(MatMul, MatMulInteger, QLinearMatMul)
        if taken_by_onnx(case.values[0], case.values[1])
    ],
)
def test_reference(op: Operator, inputs: list[Any]) -> None:
    half = str(inputs[0].dtype) == "float16"
    check_against_onnx(op, inputs, rtol=2e-3 if half else 1e-5, atol=2e-3 if half else 5e-5)


def test_zero_point_of_each_row() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (3, 5)).astype(np.uint8), rng.integers(-99, 99, (5, 4)).astype(np.int8)
    zeros = np.array([0, 100, 255], np.uint8)
    expected = (a.astype(int) - zeros[:, None]) @ b.astype(int)
    np.testing.assert_array_equal(MatMulInteger().reference(a, b, zeros), expected)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Gemm)))
def test_gemm_reference(op: Gemm, inputs: list[Any]) -> None:
    names = {"trans_a": None, "trans_b": None, "transA": int(op.trans_a), "transB": int(op.trans_b)}
    check_against_onnx(op, inputs, rtol=1e-5, atol=1e-5, **names)


def test_symbols_stay() -> None:
    a, b = TensorSpec(float32, (Dim("n"), 3, Dim("k"))), TensorSpec(float32, (Dim("k"), 5))
    assert MatMul().infer(a, b).shape == (Dim("n"), 3, 5)


def test_inner_sizes_are_checked_at_run_time() -> None:
    with collect_checks() as checks:
        MatMul().infer(TensorSpec(float32, (2, Dim("k"))), TensorSpec(float32, (Dim("m"), 5)))
    assert [(check.kind, str(check.a), str(check.b)) for check in checks] == [("equal", "k", "m")]


@pytest.mark.parametrize(("a", "b"), [((2, 3), (4, 5)), ((), (3,)), ((2, 3, 4), (3, 4, 5))])
def test_wrong_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        MatMul().infer(TensorSpec(float32, a), TensorSpec(float32, b))


def test_gemm_takes_matrices_and_a_fitting_addend() -> None:
    a, b = TensorSpec(float32, (2, 3)), TensorSpec(float32, (3, 4))
    with pytest.raises(ShapeError):
        Gemm().infer(TensorSpec(float32, (1, 2, 3)), b)
    with pytest.raises(ShapeError):
        Gemm().infer(a, b, TensorSpec(float32, (3,)))
    with pytest.raises(ShapeError):
        Gemm().infer(a, b, TensorSpec(float32, (1, 2, 4)))


def test_types_must_agree() -> None:
    with pytest.raises(DataTypeError):
        MatMul().infer(TensorSpec(float32, (2, 2)), TensorSpec(int32, (2, 2)))
    with pytest.raises(DataTypeError):
        MatMulInteger().infer(TensorSpec(float32, (2, 2)), TensorSpec(uint8, (2, 2)))


def test_integer_sums_wrap_as_int32() -> None:
    a, b = np.full((1, 2**16), 255, np.uint8), np.full((2**16, 1), 255, np.uint8)
    assert MatMulInteger().reference(a, b).item() == 2**16 * 255 * 255 - 2**32
