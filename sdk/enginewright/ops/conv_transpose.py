"""Transposed convolution: each input element adds its copy of the kernel to the output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, dim_max, floor_div, require, same
from enginewright.errors import ShapeError
from enginewright.ops.conv import along_channels, check_bias, check_kernel_shape, conv_rank
from enginewright.ops.element_types import FLOATS, check_same_type, check_type, widen
from enginewright.ops.window import Sliding, Window, known, padding_pairs, per_axis, sliding_attributes
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float16, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::ConvTranspose")
class ConvTranspose(Sliding):
    """Transposed convolution of x [N, C, spatial] by w [C, M / group, kernel] plus bias b [M].

    Output size of an axis: (size - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - padding. With
    `output_shape` (or automatic padding: size * stride) the padding follows from the output size instead.
    """

    group: int = 1
    output_padding: int | tuple[int, ...] = 0
    output_shape: tuple[int, ...] = ()

    def infer(self, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> TensorSpec:
        """[N, M, sizes as above]."""
        dtype = check_same_type(x, w, b)
        check_type(x, FLOATS, "input x")
        if x.rank < 3 or w.rank != x.rank:
            raise ShapeError(
                f"the data has {x.rank} axes, the weight {w.rank}",
                hint="Data is [N, C, spatial axes], the weight [C, M / group, kernel axes].",
            )
        same(x.shape[1], w.shape[0])
        channels = w.shape[1] * self.group
        if b is not None:
            check_bias(b, channels)
        return TensorSpec(dtype, (x.shape[0], channels, *self.output_sizes(x.shape[2:], self.window(x, w))))

    def window(self, x: TensorSpec, w: TensorSpec) -> Window:
        """The window with its padding: what is cut off before and after (below 0: zeros are added)."""
        return self.resolve(x.shape[2:], w.shape[2:])

    def lies_side_by_side(self, kernel: Shape) -> bool:
        """Whether the windows tile the output: steps as wide as the kernel, nothing cut off or added, one group."""
        rank = len(kernel)
        plain = not self.output_shape and self.auto_pad in ("NOTSET", "VALID") and self.group == 1
        edges = (*padding_pairs(self.padding, rank), per_axis(self.output_padding, rank, "output_padding", 0))
        steps = per_axis(self.stride, rank, "stride") == kernel and set(per_axis(self.dilation, rank, "dilation")) == {
            1
        }
        return plain and steps and not any(map(any, edges))

    def _padding(self, sizes: Shape, bare: Window) -> tuple[Shape, Shape]:
        rank = len(sizes)
        if not self.output_shape and self.auto_pad in ("NOTSET", "VALID"):
            return padding_pairs(self.padding if self.auto_pad == "NOTSET" else 0, rank)
        wanted: Shape = self.output_shape[-rank:]
        if not wanted:
            wanted = tuple(size * stride for size, stride in zip(sizes, bare.strides, strict=True))
        full = self.output_sizes(sizes, bare)
        begins, ends = [], []
        for size, out in zip(full, wanted, strict=True):
            # An output larger than what the kernel reaches is filled up at its end, as ONNX Runtime does it.
            total = dim_max(size - out, 0)
            half = floor_div(total, 2)
            begins.append(half if self.auto_pad == "SAME_UPPER" else total - half)
            ends.append(size - out - begins[-1])
        return tuple(begins), tuple(ends)

    def output_sizes(self, sizes: Shape, window: Window) -> Shape:
        """The output's spatial sizes."""
        extra = per_axis(self.output_padding, len(sizes), "output_padding", 0)
        found: list[Size] = []
        for axis, (size, extent) in enumerate(zip(sizes, window.extents, strict=True)):
            out = (size - 1) * window.strides[axis] + extent + extra[axis] - window.begins[axis] - window.ends[axis]
            require("at_least", out, 0)
            found.append(out)
        return tuple(found)

    def reference(self, x: Array, w: Array, b: Array | None = None) -> Array:
        """Scatter into the uncut output, then cut; 16-bit floats in float32."""
        window = self.resolve(x.shape[2:], w.shape[2:])
        counts = known(self.output_sizes(x.shape[2:], window))
        total = _cut(_scatter(widen(x), widen(w), window, self.group), window, counts)
        if b is not None:
            total = total + along_channels(widen(b), total.ndim)
        return total.astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[ConvTranspose, list[TensorSpec | None]]]:
        """1-D to 3-D, strided, padded, dilated, grouped, with output padding or shape."""
        T = ConvTranspose
        for op, x, w in [
            (T(), (1, 1, 1, 1), (1, 1, 1, 1)),
            (T(), (1, 2, 3, 4), (2, 3, 3, 3)),
            (T(stride=2), (2, 16, 5, 6), (16, 24, 2, 2)),
            (T(stride=2, padding=1, output_padding=1), (1, 3, 5, 4), (3, 5, 3, 3)),
            (T(stride=(3, 2), padding=(0, 1, 1, 0)), (1, 4, 4, 5), (4, 2, 4, 3)),
            (T(dilation=2), (1, 2, 4, 4), (2, 3, 2, 2)),
            (T(group=2, stride=2), (1, 4, 4, 4), (4, 3, 2, 2)),
            (T(stride=(3, 2), output_shape=(10, 8)), (1, 2, 3, 3), (2, 2, 3, 3)),
            (T(stride=(3, 2), output_shape=(11, 7)), (1, 2, 3, 3), (2, 2, 3, 3)),
            (T(stride=2, auto_pad="SAME_UPPER"), (1, 2, 3, 3), (2, 2, 3, 3)),
            (T(stride=2, auto_pad="SAME_LOWER"), (1, 2, 3, 3), (2, 2, 3, 3)),
            (T(stride=2, padding=1), (1, 3, 11), (3, 4, 4)),
            (T(stride=2), (1, 2, 3, 2, 2), (2, 2, 2, 2, 2)),
        ]:
            bias = TensorSpec(float32, (w[1] * op.group,))
            yield op, [TensorSpec(float32, x), TensorSpec(float32, w), bias]
            yield op, [TensorSpec(float32, x), TensorSpec(float32, w), None]
        yield T(stride=2), [TensorSpec(float16, (1, 2, 3, 4)), TensorSpec(float16, (2, 3, 3, 3)), None]


def _scatter(x: Array, w: Array, window: Window, group: int) -> Array:
    n, channels = x.shape[:2]
    sizes = x.shape[2:]
    spans = zip(sizes, window.strides, known(window.extents), strict=True)
    full = [max((size - 1) * stride + extent, 0) for size, stride, extent in spans]
    total = np.zeros((n, group * w.shape[1], *full), x.dtype)
    weights = w.reshape(group, channels // group, *w.shape[1:])
    data = x.reshape(n, group, channels // group, int(np.prod(sizes)))
    for offset in window.offsets():
        element: tuple[Any, ...] = (Ellipsis, *offset)
        part = np.matmul(np.swapaxes(weights[element], 1, 2), data)
        places = tuple(
            slice(at * step, at * step + size * stride, stride)
            for at, step, stride, size in zip(offset, window.dilations, window.strides, sizes, strict=True)
        )
        target = total[(slice(None), slice(None), *places)]
        target += part.reshape(n, group * w.shape[1], *sizes)
    return total


def _cut(full: Array, window: Window, counts: tuple[int, ...]) -> Array:
    begins = known(window.begins)
    grow = [
        (max(-begin, 0), max(begin + count - size, 0))
        for begin, count, size in zip(begins, counts, full.shape[2:], strict=True)
    ]
    padded = np.pad(full, [(0, 0), (0, 0), *grow])
    slices = [slice(max(begin, 0), max(begin, 0) + count) for begin, count in zip(begins, counts, strict=True)]
    return padded[(slice(None), slice(None), *slices)]


@onnx_rule("ai.onnx::ConvTranspose", since=1)
def conv_transpose(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike; kernel_shape is the weight's."""
    x, w = node.input(0), node.input(1)
    check_kernel_shape(node, w.shape[2:])
    rank = conv_rank(node)
    return net.conv_transpose(
        x,
        w,
        node.optional(2),
        group=node.integer("group", 1),
        output_padding=node.integers("output_padding", (0,) * rank),
        output_shape=node.integers("output_shape", ()),
        **sliding_attributes(node, rank),
    )
