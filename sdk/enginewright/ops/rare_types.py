"""Imports nodes of rare types, in which their operators do not compute, by exact conversions around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.ops.activation import Shrink
from enginewright.ops.comparison import IsInf, IsNaN
from enginewright.ops.element_types import FLOAT8S
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import float32, float64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


def _widened(net: Network, x: Tensor) -> Tensor:
    return net.cast(x, to=float32) if x.dtype in FLOAT8S else x


@onnx_rule("ai.onnx::IsNaN", since=20)
def is_nan(net: Network, node: OnnxNode) -> Tensor:
    """Each float8 is a float32, too."""
    found: Tensor = net.add(IsNaN(), _widened(net, node.input(0)))[0]
    return found


@onnx_rule("ai.onnx::IsInf", since=20)
def is_inf(net: Network, node: OnnxNode) -> Tensor:
    """Each float8 is a float32, too."""
    op = IsInf(node.integer("detect_negative", 1), node.integer("detect_positive", 1))
    found: Tensor = net.add(op, _widened(net, node.input(0)))[0]
    return found


@onnx_rule("ai.onnx::Shrink", since=9)
def shrink(net: Network, node: OnnxNode) -> Tensor:
    """Integers in float64: of 64 bits those are exact up to 2^53."""
    x, op = node.input(0), Shrink(node.number("bias", 0.0), node.number("lambd", 0.5))
    if not x.dtype.is_integer:
        found: Tensor = net.add(op, x)[0]
        return found
    return net.cast(net.add(op, net.cast(x, to=float64))[0], to=x.dtype)


@onnx_rule("ai.onnx::QLinearMatMul", since=21)
def qlinear_matmul(net: Network, node: OnnxNode) -> Tensor:
    """float8 by definition: numbers, their product, and the product in float8."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = (node.input(index) for index in range(8))
    if a.dtype not in FLOAT8S:
        return net.q_linear_mat_mul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)
    if any(scale.size != 1 for scale in (a_scale.spec, b_scale.spec, y_scale.spec)):
        raise NotSupported("float8 has a scale for each row or column")
    left, right = net.dequantize_linear(a, a_scale, a_zero), net.dequantize_linear(b, b_scale, b_zero)
    return net.quantize_linear(net.matmul(left, right), y_scale, y_zero, output_dtype=y_zero.dtype)
