"""Imports ONNX Runtime's own matrix products and convolutions (com.microsoft) as operators of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.ops.conv import check_kernel_shape, conv_rank
from enginewright.ops.matmul import gemm
from enginewright.ops.pool import pool_attributes
from enginewright.ops.window import sliding_attributes
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def _numbers(net: Network, like: Tensor, value: float) -> Tensor:
    """A scalar constant of the type of `like`."""
    return net.constant(np.array(value).astype(like.dtype.numpy))


def _swapped(net: Network, x: Tensor) -> Tensor:
    """x with its last two axes exchanged."""
    return net.transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


@onnx_rule("com.microsoft::FusedMatMul", since=1)
@onnx_rule("com.microsoft::TransposeMatMul", since=1)
def fused_matmul(net: Network, node: OnnxNode) -> Tensor:
    """Transposes, product, factor alpha."""
    a, b = (_turned(net, node.input(index), node, which) for index, which in enumerate("AB"))
    y, alpha = net.matmul(a, b), node.number("alpha", 1.0)
    return y if alpha == 1 else net.mul(y, _numbers(net, y, alpha))


def _turned(net: Network, x: Tensor, node: OnnxNode, which: str) -> Tensor:
    """x as a matrix or a batch of these: `transBatch` moves its first axis behind the batch, then `trans` swaps two."""
    if node.integer(f"transBatch{which}", 0) and x.rank > 2:
        x = net.transpose(x, perm=(*range(1, x.rank - 1), 0, x.rank - 1))
    return _swapped(net, x) if node.integer(f"trans{which}", 0) and x.rank > 1 else x


@onnx_rule("com.microsoft::MatMulIntegerToFloat", since=1)
def matmul_integer_to_float(net: Network, node: OnnxNode) -> Tensor:
    """The integer product, cast and scaled."""
    product = net.mat_mul_integer(node.input(0), node.input(1), node.optional(4), node.optional(5))
    return _scaled(net, product, net.mul(_rows(net, node.input(2)), node.input(3)), node.optional(6))


def _rows(net: Network, scale: Tensor) -> Tensor:
    """A scale for each row as a column."""
    if scale.rank == 1 and scale.shape[0] != 1:
        return net.unsqueeze(scale, net.constant(np.array([1])))
    return scale


def _scaled(net: Network, product: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    y = net.mul(net.cast(product, to=scale.dtype), scale)
    return y if bias is None else net.add(y, bias)


@onnx_rule("com.microsoft::DynamicQuantizeMatMul", since=1)
def dynamic_quantize_matmul(net: Network, node: OnnxNode) -> Tensor:
    """Input a quantized by its range, then as MatMulIntegerToFloat."""
    a, a_scale, a_zero = net.dynamic_quantize_linear(node.input(0))
    product = net.mat_mul_integer(a, node.input(1), a_zero, node.optional(3))
    return _scaled(net, product, net.mul(a_scale, node.input(2)), node.optional(4))


ACTIVATIONS: dict[str, Callable[[Network, Tensor, tuple[float, ...]], Tensor]] = {
    "Relu": lambda net, x, p: net.relu(x),
    "Tanh": lambda net, x, p: net.tanh(x),
    "Sigmoid": lambda net, x, p: net.sigmoid(x),
    "LeakyRelu": lambda net, x, p: net.leaky_relu(x, alpha=p[0] if p else 0.01),
    "HardSigmoid": lambda net, x, p: net.hard_sigmoid(x, alpha=p[0], beta=p[1]) if p else net.hard_sigmoid(x),
    "Clip": lambda net, x, p: net.clip(x, _numbers(net, x, p[0]), _numbers(net, x, p[1])),
}


def _activated(net: Network, node: OnnxNode, x: Tensor, parameters: tuple[float, ...]) -> Tensor:
    name = node.text("activation", "")
    if not name:
        return x
    if name not in ACTIVATIONS:
        raise NotSupported(f'activation "{name}"')
    return ACTIVATIONS[name](net, x, parameters)


@onnx_rule("com.microsoft::FusedGemm", since=1)
def fused_gemm(net: Network, node: OnnxNode) -> Tensor:
    """Gemm, then the activation."""
    y = gemm(net, node)
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    return _activated(net, node, y, tuple(node.number(name) for name in names if node.has(name)))


@onnx_rule("com.microsoft::FusedConv", since=1)
def fused_conv(net: Network, node: OnnxNode) -> Tensor:
    """Convolution, plus input 3, then the activation."""
    x, w, more = node.input(0), node.input(1), node.optional(3)
    check_kernel_shape(node, w.shape[2:])
    attributes = sliding_attributes(node, conv_rank(node)) | {"group": node.integer("group", 1)}
    y = net.conv(x, w, node.optional(2), **attributes)
    if more is not None:
        y = net.add(y, more)
    return _activated(net, node, y, node.numbers("activation_params", ()))


@onnx_rule("com.microsoft::NhwcFusedConv", since=1)
def nhwc_fused_conv(net: Network, node: OnnxNode) -> Tensor:
    """The same of x [N, spatial, C]; w is as in ONNX."""
    x, more = (None if item is None else channels_first(net, item) for item in (node.input(0), node.optional(3)))
    inner = replace(node, inputs=(x, node.input(1), node.optional(2), more))
    return channels_last(net, fused_conv(net, inner))


def channels_first(net: Network, x: Tensor) -> Tensor:
    """[N, spatial, C] as [N, C, spatial]."""
    return net.transpose(x, perm=(0, x.rank - 1, *range(1, x.rank - 1)))


def channels_last(net: Network, x: Tensor) -> Tensor:
    """[N, C, spatial] as [N, spatial, C]."""
    return net.transpose(x, perm=(0, *range(2, x.rank), 1))


@onnx_rule("com.microsoft::NhwcMaxPool", since=1)
def nhwc_max_pool(net: Network, node: OnnxNode) -> Tensor:
    """max_pool between transposes."""
    return channels_last(net, net.max_pool(channels_first(net, node.input(0)), **pool_attributes(node)))


@onnx_rule("com.microsoft::NhwcConv", since=1)
def nhwc_conv(net: Network, node: OnnxNode) -> Tensor:
    """Convolution of x [N, spatial, C] by w [M, kernel, C / group]."""
    x, w = (channels_first(net, node.input(index)) for index in (0, 1))
    attributes = sliding_attributes(node, conv_rank(node)) | {"group": node.integer("group", 1)}
    return channels_last(net, net.conv(x, w, node.optional(2), **attributes))


@onnx_rule("com.microsoft::QGemm", since=1)
def q_gemm(net: Network, node: OnnxNode) -> Tensor:
    """Dequantize, gemm, quantize again where the result has a scale."""
    a = net.dequantize_linear(node.input(0), node.input(1), node.input(2))
    axis = 0 if node.integer("transB", 0) else 1
    b = net.dequantize_linear(node.input(3), node.input(4), node.input(5), axis=axis)
    bias = node.optional(6)
    if bias is not None:
        bias = net.mul(net.cast(bias, to=a.dtype), net.mul(node.input(1), node.input(4)))
    y = net.gemm(
        a,
        b,
        bias,
        alpha=node.number("alpha", 1.0),
        trans_a=bool(node.integer("transA", 0)),
        trans_b=bool(node.integer("transB", 0)),
    )
    scale = node.optional(7)
    if scale is None:
        return y
    zero = node.optional(8)
    return net.quantize_linear(y, scale, zero, output_dtype=DataType.UINT8 if zero is None else zero.dtype)
