"""Tests of quantization and its inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim
from enginewright.errors import DataTypeError, ShapeError
from enginewright.ops.quantize import DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear
from enginewright.registry.registry import Operator
from enginewright.tensors import DataType, TensorSpec, float16, float32, int8, uint8
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of

CLASSES = (QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*CLASSES)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def taken_by_onnx(op: Any, inputs: list[Any]) -> bool:
    """ONNX Runtime and ONNX's reference disagree about the type without zero point, and the former divides by zero."""
    if isinstance(op, DynamicQuantizeLinear):
        return not isinstance(inputs[0], np.ndarray) or bool(inputs[0].any())
    return getattr(op, "output_dtype", None) in (None, DataType.UINT8)


@pytest.mark.parametrize(
    ("op", "inputs"), [case for case in examples_of(*CLASSES) if taken_by_onnx(case.values[0], case.values[1])]
)
def test_reference(op: Any, inputs: list[Any]) -> None:
    names: dict[str, Any] = {"output_dtype": None}
    if isinstance(op, QuantizeLinear):
        names["saturate"] = int(op.saturate)
    check_against_onnx(op, inputs, rtol=1e-6, **names) if isinstance(op, DequantizeLinear) else check_against_onnx(
        op, inputs, **(names if isinstance(op, QuantizeLinear) else {})
    )


def test_ties_go_to_even_and_ends_saturate() -> None:
    x = np.array([0.5, 1.5, -0.5, -1.5, 300, -300, np.inf], np.float32)
    one = np.array(1, np.float32)
    np.testing.assert_array_equal(
        QuantizeLinear().reference(x, one, np.array(0, np.int8)), [0, 2, 0, -2, 127, -128, 127]
    )
    np.testing.assert_array_equal(
        QuantizeLinear().reference(x, one, np.array(10, np.uint8)), [10, 12, 10, 8, 255, 0, 255]
    )


def test_float8_overflow() -> None:
    x, one = np.array([1e6, -1e6], np.float32), np.array(1, np.float32)
    zero = np.zeros((), DataType.FLOAT8E5M2.numpy)
    np.testing.assert_array_equal(QuantizeLinear().reference(x, one, zero).astype(np.float32), [57344, -57344])
    loose = QuantizeLinear(saturate=False).reference(x, one, zero).astype(np.float32)
    np.testing.assert_array_equal(loose, [np.inf, -np.inf])


def test_output_types() -> None:
    x, scale = TensorSpec(float32, (2, 3)), TensorSpec(float32)
    assert QuantizeLinear(output_dtype=int8).infer(x, scale).dtype == int8
    assert QuantizeLinear(output_dtype=int8).infer(x, scale, TensorSpec(uint8)).dtype == uint8
    assert DequantizeLinear(output_dtype=float16).infer(TensorSpec(int8, (2,)), scale).dtype == float16
    with pytest.raises(DataTypeError):
        QuantizeLinear(output_dtype=float32).infer(x, scale)
    with pytest.raises(DataTypeError):
        DequantizeLinear().infer(TensorSpec(int8, (2,)), scale, TensorSpec(uint8))


@pytest.mark.parametrize(("scale", "block"), [((3,), 0), ((2, 3), 0), ((2, 3), 5), ((4, 2), 4)])
def test_scales_that_do_not_fit(scale: tuple[int, ...], block: int) -> None:
    with pytest.raises(ShapeError):
        QuantizeLinear(block_size=block).infer(TensorSpec(float32, (2, 8)), TensorSpec(float32, scale))


def test_blocks_of_symbolic_sizes() -> None:
    x, scale = TensorSpec(int8, (Dim("n"), 64)), TensorSpec(float32, (Dim("n"), 2))
    assert DequantizeLinear(block_size=32).infer(x, scale).shape == (Dim("n"), 64)


def test_dynamic_scale_of_zeros_is_one() -> None:
    y, scale, zero = DynamicQuantizeLinear().reference(np.zeros((2, 2), np.float32))
    assert (y.any(), float(scale), int(zero)) == (False, 1.0, 0)
