"""Convolution of 8-bit integers: ConvInteger and QLinearConv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.ops.conv import along_channels, check_bias, check_kernel_shape, conv_rank, conv_shape, convolve
from enginewright.ops.element_types import BYTES, check_type
from enginewright.ops.quantize import centered, check_zero_point, saturate
from enginewright.ops.window import Sliding, Window, sliding_attributes
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int8, int32, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def _sum(op: ConvInteger | QLinearConv, x: Array, w: Array, x_zero: Array | None, w_zero: Array | None) -> Array:
    """The convolution of centered integers in float64, which is exact up to 2**53."""
    weights = centered(w.reshape(w.shape[0], -1), w_zero, rows=True).reshape(w.shape)
    window = op.resolve(x.shape[2:], w.shape[2:])
    return convolve(centered(x, x_zero).astype(np.float64), weights.astype(np.float64), window, op.group)


@operator("ew::ConvInteger")
class ConvInteger(Sliding):
    """Convolution of 8-bit x and w less their zero points, summed in int32; padding stands for zero. See conv."""

    group: int = 1

    def infer(
        self,
        x: TensorSpec,
        w: TensorSpec,
        x_zero_point: TensorSpec | None = None,
        w_zero_point: TensorSpec | None = None,
    ) -> TensorSpec:
        """int32 [N, M, positions]; w_zero_point is one number, or one for each output channel."""
        check_type(x, BYTES, "input x")
        check_type(w, BYTES, "input w")
        check_zero_point(x_zero_point, x, 1)
        check_zero_point(w_zero_point, w, w.shape[0] if w.rank else 1)
        return TensorSpec(int32, conv_shape(self, self.group, x, w))

    def window(self, x: TensorSpec, w: TensorSpec) -> Window:
        """The window with padding, strides and dilations resolved for each spatial axis."""
        return self.resolve(x.shape[2:], w.shape[2:])

    def reference(
        self, x: Array, w: Array, x_zero_point: Array | None = None, w_zero_point: Array | None = None
    ) -> Array:
        """Exact."""
        return _sum(self, x, w, x_zero_point, w_zero_point).astype(np.int64).astype(np.int32)

    @staticmethod
    def examples() -> Iterator[tuple[ConvInteger, list[TensorSpec | Array | None]]]:
        """Both signs; zero points for all or for each channel; grouped."""
        zero = np.array(100, np.uint8)
        for options, x, w in _examples():
            op = ConvInteger(**options)
            yield op, [TensorSpec(uint8, x), TensorSpec(int8, w), zero, None]
            yield op, [TensorSpec(uint8, x), TensorSpec(uint8, w), zero, np.array(7, np.uint8)]
            yield op, [TensorSpec(uint8, x), TensorSpec(int8, w), zero, np.arange(w[0]).astype(np.int8)]
        yield ConvInteger(), [TensorSpec(int8, (1, 2, 5, 5)), TensorSpec(int8, (3, 2, 2, 2)), None, None]


def _examples() -> Iterator[tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]]:
    yield {}, (1, 1, 1, 1), (1, 1, 1, 1)
    yield {"padding": 1}, (2, 3, 9, 11), (4, 3, 3, 3)
    yield {"stride": 2, "padding": 1, "group": 2}, (1, 6, 8, 9), (8, 3, 3, 3)
    yield {"group": 16, "padding": 1}, (1, 16, 7, 7), (16, 1, 3, 3)
    yield {}, (1, 33, 6, 7), (18, 33, 1, 1)
    yield {"padding": 2, "dilation": 2}, (1, 4, 25), (5, 4, 3)


@operator("ew::QLinearConv")
class QLinearConv(Sliding):
    """Convolution of quantized x and w plus int32 bias b (in steps of x_scale * w_scale), quantized again; see conv."""

    group: int = 1

    def infer(
        self,
        x: TensorSpec,
        x_scale: TensorSpec,
        x_zero_point: TensorSpec,
        w: TensorSpec,
        w_scale: TensorSpec,
        w_zero_point: TensorSpec,
        y_scale: TensorSpec,
        y_zero_point: TensorSpec,
        b: TensorSpec | None = None,
    ) -> TensorSpec:
        """The type of y_zero_point, [N, M, positions]; w_scale and w_zero_point: one, or one for each channel."""
        for spec, what in ((x, "input x"), (w, "input w"), (y_zero_point, "y_zero_point")):
            check_type(spec, BYTES, what)
        for spec, what in ((x_scale, "x_scale"), (w_scale, "w_scale"), (y_scale, "y_scale")):
            check_type(spec, (float32,), what)
        shape = conv_shape(self, self.group, x, w)
        check_zero_point(x_zero_point, x, 1)
        check_zero_point(w_zero_point, w, w.shape[0])
        if b is not None:
            check_type(b, (int32,), "bias b")
            check_bias(b, w.shape[0])
        return TensorSpec(y_zero_point.dtype, shape)

    def window(self, x: TensorSpec, w: TensorSpec) -> Window:
        """The window with padding, strides and dilations resolved for each spatial axis."""
        return self.resolve(x.shape[2:], w.shape[2:])

    def reference(
        self,
        x: Array,
        x_scale: Array,
        x_zero_point: Array,
        w: Array,
        w_scale: Array,
        w_zero_point: Array,
        y_scale: Array,
        y_zero_point: Array,
        b: Array | None = None,
    ) -> Array:
        """The sum exactly, then one multiplication, rounding to even, saturation."""
        total = _sum(self, x, w, x_zero_point, w_zero_point)
        if b is not None:
            total = total + along_channels(b.astype(np.float64), total.ndim)
        factor = x_scale.astype(np.float64).reshape(-1) * w_scale.astype(np.float64) / y_scale.astype(np.float64)
        real = np.rint(total * along_channels(factor, total.ndim))
        return saturate(real + int(y_zero_point.reshape(())), y_zero_point.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[QLinearConv, list[TensorSpec | Array | None]]]:
        """uint8 and int8; scales for all or for each channel; with and without bias."""
        one, small = np.array(0.03, np.float32), np.array(0.002, np.float32)
        for options, x, w in _examples():
            op, n = QLinearConv(**options), w[0]
            zero, signed = np.array(100, np.uint8), np.array(0, np.int8)
            bias = np.arange(n, dtype=np.int32) * 10 - 20
            yield op, [TensorSpec(uint8, x), one, zero, TensorSpec(int8, w), small, signed, one, zero, bias]
            scales = np.linspace(0.001, 0.01, n).astype(np.float32)
            many: list[TensorSpec | Array | None] = [TensorSpec(int8, w), scales, np.zeros(n, np.int8)]
            yield op, [TensorSpec(uint8, x), one, zero, *many, one, zero, None]
            yield op, [TensorSpec(int8, x), one, np.array(-3, np.int8), *many, one, signed, bias]


@onnx_rule("ai.onnx::ConvInteger", since=10)
def conv_integer(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike; kernel_shape is the weight's."""
    check_kernel_shape(node, node.input(1).shape[2:])
    return net.conv_integer(
        node.input(0),
        node.input(1),
        node.optional(2),
        node.optional(3),
        group=node.integer("group", 1),
        **sliding_attributes(node, conv_rank(node)),
    )


@onnx_rule("ai.onnx::QLinearConv", since=10)
def q_linear_conv(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike; kernel_shape is the weight's."""
    check_kernel_shape(node, node.input(3).shape[2:])
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = (node.input(index) for index in range(8))
    attributes = sliding_attributes(node, conv_rank(node)) | {"group": node.integer("group", 1)}
    return net.q_linear_conv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, node.optional(8), **attributes)
