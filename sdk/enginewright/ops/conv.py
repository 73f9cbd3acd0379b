"""Convolution over one, two or three spatial axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, same
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import FLOATS, check_same_type, check_type, widen
from enginewright.ops.window import Sliding, Window, known, pad_spatial, shifted, sliding_attributes
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float16, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def conv_shape(attributes: Sliding, group: int, x: TensorSpec, w: TensorSpec) -> Shape:
    """The output shape of a convolution of x [N, C, spatial] by w [M, C / group, kernel]."""
    if x.rank < 3 or w.rank != x.rank:
        raise ShapeError(
            f"the data has {x.rank} axes, the weight {w.rank}",
            hint="Data is [N, C, spatial axes], the weight [M, C / group, kernel axes].",
        )
    if group < 1:
        raise NetworkError(f"group is {group}", hint="It is at least 1.")
    same(x.shape[1], w.shape[1] * group)
    outputs = w.shape[0]
    if isinstance(outputs, int) and outputs % group:
        raise ShapeError(f"{outputs} output channels can't be parted into {group} groups", hint="Correct group.")
    window = attributes.resolve(x.shape[2:], w.shape[2:])
    return (x.shape[0], outputs, *window.positions(x.shape[2:]))


def convolve(x: Array, w: Array, window: Window, group: int) -> Array:
    """The sum over the window, one matrix product for each of its elements; in the type of x."""
    counts = known(window.positions(x.shape[2:]))
    padded = pad_spatial(x, window, 0)
    n, m, places = x.shape[0], w.shape[0], int(np.prod(counts))
    total = np.zeros((n, group, m // group, places), x.dtype)
    weights = w.reshape(group, m // group, *w.shape[1:])
    for offset in window.offsets():
        seen = shifted(padded, window, offset, counts).reshape(n, group, w.shape[1], places)
        element: tuple[Any, ...] = (Ellipsis, *offset)
        total += np.matmul(weights[element], seen)
    return total.reshape(n, m, *counts)


@operator("ew::Conv")
class Conv(Sliding):
    """Convolution of x [N, C, spatial] by w [M, C / group, kernel] plus bias b [M]: [N, M, positions].

    `stride`, `dilation`: one number for all spatial axes or one for each; `padding`: likewise, or all begins and then
    all ends. `auto_pad` SAME_UPPER or SAME_LOWER pads to ceil(size / stride) positions, VALID not at all.
    """

    group: int = 1

    def infer(self, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> TensorSpec:
        """[N, M, positions]."""
        dtype = check_same_type(x, w, b)
        check_type(x, FLOATS, "input x")
        shape = conv_shape(self, self.group, x, w)
        if b is not None:
            check_bias(b, w.shape[0])
        return TensorSpec(dtype, shape)

    def window(self, x: TensorSpec, w: TensorSpec) -> Window:
        """The window with padding, strides and dilations resolved for each spatial axis."""
        return self.resolve(x.shape[2:], w.shape[2:])

    def reference(self, x: Array, w: Array, b: Array | None = None) -> Array:
        """16-bit floats in float32."""
        total = convolve(widen(x), widen(w), self.resolve(x.shape[2:], w.shape[2:]), self.group)
        if b is not None:
            total += along_channels(widen(b), total.ndim)
        return total.astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Conv, list[TensorSpec | None]]]:
        """1-D to 3-D, strided, padded, dilated, grouped, depthwise, 1x1, automatic padding, empty batch."""
        for op, x, w in _conv_examples():
            yield op, [TensorSpec(float32, x), TensorSpec(float32, w), TensorSpec(float32, (w[0],))]
        yield Conv(padding=1), [TensorSpec(float32, (1, 3, 8, 8)), TensorSpec(float32, (5, 3, 3, 3)), None]
        yield Conv(), [TensorSpec(float16, (1, 3, 6, 5)), TensorSpec(float16, (4, 3, 3, 3)), None]


def _conv_examples() -> Iterator[tuple[Conv, tuple[int, ...], tuple[int, ...]]]:
    yield Conv(), (1, 1, 1, 1), (1, 1, 1, 1)
    yield Conv(padding=1), (2, 3, 9, 11), (4, 3, 3, 3)
    yield Conv(stride=2, padding=3), (1, 3, 23, 21), (16, 3, 7, 7)
    yield Conv(), (2, 17, 7, 5), (33, 17, 1, 1)
    yield Conv(stride=2), (1, 16, 8, 8), (32, 16, 1, 1)
    yield Conv(stride=(2, 1), padding=(0, 1, 2, 3), dilation=(1, 2)), (1, 4, 12, 13), (5, 4, 3, 2)
    yield Conv(group=2, padding=1), (1, 8, 6, 6), (6, 4, 3, 3)
    yield Conv(group=32, padding=1), (1, 32, 14, 14), (32, 1, 3, 3)
    yield Conv(group=19, stride=2, padding=2), (2, 19, 13, 12), (19, 1, 5, 5)
    yield Conv(group=3), (1, 3, 6, 6), (6, 1, 2, 2)
    yield Conv(auto_pad="SAME_UPPER", stride=2), (1, 3, 10, 9), (4, 3, 3, 4)
    yield Conv(auto_pad="SAME_LOWER", stride=2), (1, 3, 10, 9), (4, 3, 3, 4)
    yield Conv(auto_pad="VALID"), (1, 3, 10, 9), (4, 3, 3, 4)
    yield Conv(padding=2), (2, 5, 31), (7, 5, 5)
    yield Conv(stride=160, padding=100), (1, 1, 1000), (18, 1, 320)
    yield Conv(group=6, padding=2, dilation=2), (1, 6, 20), (6, 1, 3)
    yield Conv(padding=1, stride=2), (1, 2, 5, 6, 7), (3, 2, 3, 3, 3)
    yield Conv(padding=1), (0, 3, 9, 11), (4, 3, 3, 3)
    yield Conv(padding=1), (1, 64, 14, 14), (48, 64, 3, 3)


def check_bias(b: TensorSpec, channels: Size) -> None:
    """One number for each output channel."""
    if b.rank != 1:
        raise ShapeError(f"the bias has {b.rank} axes", hint="Give one number for each output channel: shape [M].")
    same(b.shape[0], channels)


def along_channels(vector: Array, rank: int) -> Array:
    """A vector or scalar laid along axis 1 of a tensor with `rank` axes."""
    return vector.reshape(1, -1, *(1,) * (rank - 2))


def conv_rank(node: OnnxNode) -> int:
    """The number of spatial axes of a convolution node."""
    return max(node.input(0).rank - 2, 0)


def check_kernel_shape(node: OnnxNode, kernel: Shape) -> None:
    """The attribute kernel_shape says the same as the weight."""
    for given, found in zip(node.integers("kernel_shape", ()), kernel, strict=False):
        same(given, found)


@onnx_rule("ai.onnx::Conv", since=1)
def conv(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike; kernel_shape is the weight's."""
    x, w = node.input(0), node.input(1)
    check_kernel_shape(node, w.shape[2:])
    attributes = sliding_attributes(node, conv_rank(node))
    return net.conv(x, w, node.optional(2), group=node.integer("group", 1), **attributes)
