"""Tests of convolution, transposed, integer and deformable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim, evaluate
from enginewright.errors import DataTypeError, NetworkError, ShapeError
from enginewright.ops.conv import Conv
from enginewright.ops.conv_integer import ConvInteger, QLinearConv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.deform_conv import DeformConv
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int32
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of
from tests.sdk.ops.sliding import onnx_attributes

CLASSES = (Conv, ConvTranspose, ConvInteger, QLinearConv, DeformConv)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*CLASSES)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def taken_by_onnx(op: Any, inputs: list[Any]) -> bool:
    """Neither ONNX Runtime nor ONNX's reference takes a zero point for each channel."""
    return not (isinstance(op, ConvInteger) and inputs[3] is not None and inputs[3].ndim)


@pytest.mark.parametrize(
    ("op", "inputs"), [case for case in examples_of(*CLASSES) if taken_by_onnx(case.values[0], case.values[1])]
)
def test_reference(op: Any, inputs: list[Any]) -> None:
    rank = len(inputs[0].shape) - 2
    names = onnx_attributes(op, rank)
    if isinstance(op, ConvTranspose):
        names["output_padding"] = [op.output_padding] * rank if isinstance(op.output_padding, int) else None
    if isinstance(op, DeformConv):
        names |= {"auto_pad": None, "kernel_shape": list(inputs[1].shape[2:])}
    half = str(inputs[0].dtype) == "float16"
    tolerance = 2e-2 if half else 2e-4
    if op.KEY.name == "QLinearConv":
        tolerance = 1.0  # the last place, where a sum lies between two numbers
    check_against_onnx(op, inputs, rtol=0 if tolerance == 1 else tolerance, atol=tolerance, **names)


def test_automatic_padding_with_symbolic_sizes() -> None:
    x, w = TensorSpec(float32, (1, 3, Dim("h"), Dim("w"))), TensorSpec(float32, (4, 3, 3, 3))
    shape = Conv(auto_pad="SAME_UPPER", stride=2).infer(x, w).shape
    assert [evaluate(size, {"h": 7, "w": 8}) for size in shape] == [1, 4, 4, 4]
    window = Conv(auto_pad="SAME_UPPER", stride=2).window(x, w)
    assert [evaluate(size, {"h": 7, "w": 8}) for size in (*window.begins, *window.ends)] == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("op", "x", "w"),
    [
        (Conv(), (1, 3, 8, 8), (4, 2, 3, 3)),
        (Conv(group=2), (1, 4, 8, 8), (3, 2, 3, 3)),
        (Conv(), (1, 3, 8, 8), (4, 3, 3)),
        (Conv(), (3, 8), (4, 3)),
        (Conv(), (1, 3, 2, 2), (4, 3, 5, 5)),
        (ConvTranspose(), (1, 3, 8, 8), (4, 2, 3, 3)),
    ],
)
def test_shapes_that_do_not_fit(op: Any, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        op.infer(TensorSpec(float32, x), TensorSpec(float32, w))


@pytest.mark.parametrize(
    "op", [Conv(stride=0), Conv(padding=(1, 2, 3)), Conv(auto_pad="SAME"), Conv(group=0), Conv(dilation=(1, 1, 1))]
)
def test_attributes_that_do_not_fit(op: Conv) -> None:
    with pytest.raises(NetworkError):
        op.infer(TensorSpec(float32, (1, 3, 8, 8)), TensorSpec(float32, (4, 3, 3, 3)))


def test_bias_has_one_number_a_channel() -> None:
    x, w = TensorSpec(float32, (1, 3, 8, 8)), TensorSpec(float32, (4, 3, 3, 3))
    with pytest.raises(ShapeError):
        Conv().infer(x, w, TensorSpec(float32, (3,)))
    with pytest.raises(ShapeError):
        Conv().infer(x, w, TensorSpec(float32, (4, 1)))
    with pytest.raises(DataTypeError):
        Conv().infer(x, w, TensorSpec(int32, (4,)))


def test_deformed_by_nothing_is_a_convolution() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 4, 6, 7)).astype(np.float32), rng.standard_normal((6, 4, 2, 3)).astype(np.float32)
    plain = Conv(padding=1).reference(x, w)
    offset = np.zeros((1, 12, *plain.shape[2:]), np.float32)
    np.testing.assert_allclose(DeformConv(padding=1).reference(x, w, offset), plain, rtol=1e-5, atol=1e-5)


def test_zero_point_of_each_channel() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 256, (1, 3, 5, 6)).astype(np.uint8), rng.integers(-99, 99, (4, 3, 2, 2)).astype(np.int8)
    zeros = np.array([1, -2, 3, 0], np.int8)
    together = ConvInteger(padding=1).reference(x, w, np.array(100, np.uint8), zeros)
    for channel in range(4):
        alone = ConvInteger(padding=1).reference(x, w[channel : channel + 1], np.array(100, np.uint8), zeros[channel])
        np.testing.assert_array_equal(together[:, channel : channel + 1], alone)
