"""Imports ONNX Runtime's quantized operators (com.microsoft) as dequantize, operator, quantize."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from enginewright.ops.conv import check_kernel_shape, conv_rank
from enginewright.ops.microsoft_matmul import channels_first, channels_last
from enginewright.ops.pool import pool_attributes
from enginewright.ops.window import sliding_attributes
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


def _real(net: Network, node: OnnxNode, first: int) -> Tensor:
    """The quantized input `first` with its scale and zero point behind it."""
    return net.dequantize_linear(node.input(first), node.input(first + 1), node.optional(first + 2))


def _quantized(net: Network, node: OnnxNode, y: Tensor, scale: int) -> Tensor:
    """y in terms of input `scale` and the zero point behind it; the type of input 0 where there is none."""
    zero = node.optional(scale + 1)
    return net.quantize_linear(y, node.input(scale), zero, output_dtype=(zero or node.input(0)).dtype)


@onnx_rule("com.microsoft::QLinearAdd", since=1)
def q_linear_add(net: Network, node: OnnxNode) -> Tensor:
    """a + b."""
    return _quantized(net, node, net.add(_real(net, node, 0), _real(net, node, 3)), 6)


@onnx_rule("com.microsoft::QLinearMul", since=1)
def q_linear_mul(net: Network, node: OnnxNode) -> Tensor:
    """a * b."""
    return _quantized(net, node, net.mul(_real(net, node, 0), _real(net, node, 3)), 6)


def _import_unary(name: str, make: Callable[[Network, OnnxNode, Tensor], Tensor]) -> None:
    """Declare an operator with one quantized input, and the result's scale and zero point at 3 and 4."""

    def rule(net: Network, node: OnnxNode) -> Tensor:
        return _quantized(net, node, make(net, node, _real(net, node, 0)), 3)

    rule.__doc__ = f"{name} between dequantize and quantize."
    onnx_rule(f"com.microsoft::{name}", since=1)(rule)


def _softmax(net: Network, node: OnnxNode, x: Tensor) -> Tensor:
    axis = node.integer("axis", -1)
    if node.integer("opset", 13) >= 13 or axis % x.rank == x.rank - 1:
        return net.softmax(x, axis=axis)
    return net.reshape(net.softmax(net.flatten(x, axis=axis), axis=1), net.shape(x))


def _channels_first(net: Network, node: OnnxNode, x: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    if not node.integer("channels_last", 0):
        return make(x)
    return channels_last(net, make(channels_first(net, x)))


def _average_pool(net: Network, node: OnnxNode, x: Tensor) -> Tensor:
    count = bool(node.integer("count_include_pad", 0))
    attributes = pool_attributes(node)
    return _channels_first(net, node, x, lambda inner: net.average_pool(inner, count_include_pad=count, **attributes))


def _reduce_mean(net: Network, node: OnnxNode, x: Tensor) -> Tensor:
    axes = node.integers("axes", tuple(range(x.rank)))
    return net.reduce_mean(x, net.constant(np.array(axes)), keepdims=node.integer("keepdims", 1))


_import_unary("QLinearSigmoid", lambda net, node, x: net.sigmoid(x))
_import_unary("QLinearLeakyRelu", lambda net, node, x: net.leaky_relu(x, alpha=node.number("alpha", 0.01)))
_import_unary("QLinearSoftmax", _softmax)
_import_unary("QLinearAveragePool", _average_pool)
_import_unary(
    "QLinearGlobalAveragePool", lambda net, node, x: _channels_first(net, node, x, lambda y: net.global_average_pool(y))
)
_import_unary("QLinearReduceMean", _reduce_mean)


@onnx_rule("com.microsoft::QLinearConv", since=1)
def q_linear_conv(net: Network, node: OnnxNode) -> Tensor:
    """As ONNX's, with the channels first or last."""
    check_kernel_shape(node, node.input(3).shape[2:])
    attributes = sliding_attributes(node, conv_rank(node)) | {"group": node.integer("group", 1)}
    x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = (node.input(index) for index in range(1, 8))

    def make(x: Tensor) -> Tensor:
        given = x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero
        return net.q_linear_conv(x, *given, node.optional(8), **attributes)

    return _channels_first(net, node, node.input(0), make)


@onnx_rule("com.microsoft::QLinearConcat", since=1)
def q_linear_concat(net: Network, node: OnnxNode) -> Tensor:
    """The result's scale and zero point come first, then three inputs for each part."""
    if len(node.inputs) < 5 or (len(node.inputs) - 2) % 3:
        raise NotSupported(f"{len(node.inputs)} inputs")
    parts = [_real(net, node, first) for first in range(2, len(node.inputs), 3)]
    y = net.concat(*parts, axis=node.integer("axis"))
    return net.quantize_linear(y, node.input(0), node.input(1))


@onnx_rule("com.microsoft::QLinearWhere", since=1)
def q_linear_where(net: Network, node: OnnxNode) -> Tensor:
    """x where the condition is true, else y."""
    return _quantized(net, node, net.where(node.input(0), _real(net, node, 1), _real(net, node, 4)), 7)
