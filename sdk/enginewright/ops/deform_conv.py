"""Deformable convolution: each element of the window looks at a place shifted by an offset of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import product, same
from enginewright.errors import ShapeError
from enginewright.ops.conv import along_channels, check_bias, check_kernel_shape, conv_rank, conv_shape
from enginewright.ops.element_types import FLOATS, check_same_type, check_type, widen
from enginewright.ops.window import Sliding, Window, known, sliding_attributes
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::DeformConv")
class DeformConv(Sliding):
    """Deformable 2-D convolution of x [N, C, H, W] by w [M, C / group, kh, kw] plus bias b [M] (see conv).

    offset [N, offset_group * kh * kw * 2, oh, ow] holds the shift (y, x) of each element of the window; mask [N,
    offset_group * kh * kw, oh, ow] multiplies it. Between pixels the value is linear, outside of x it is 0.
    """

    group: int = 1
    offset_group: int = 1

    def infer(
        self,
        x: TensorSpec,
        w: TensorSpec,
        offset: TensorSpec,
        b: TensorSpec | None = None,
        mask: TensorSpec | None = None,
    ) -> TensorSpec:
        """[N, M, oh, ow]."""
        dtype = check_same_type(x, w, offset, b, mask)
        check_type(x, FLOATS, "input x")
        shape = conv_shape(self, self.group, x, w)
        if x.rank != 4 or offset.rank != 4 or (mask is not None and mask.rank != 4):
            raise ShapeError("x, offset and mask need 4 axes each", hint="Only images [N, C, H, W] can be deformed.")
        elements = product(w.shape[2:]) * self.offset_group
        for spec, channels in ((offset, elements * 2), (mask, elements)):
            if spec is not None:
                for size, wanted in zip(spec.shape, (shape[0], channels, *shape[2:]), strict=True):
                    same(size, wanted)
        if b is not None:
            check_bias(b, w.shape[0])
        return TensorSpec(dtype, shape)

    def window(self, x: TensorSpec, w: TensorSpec) -> Window:
        """The window with padding, strides and dilations resolved for each spatial axis."""
        return self.resolve(x.shape[2:], w.shape[2:])

    def reference(self, x: Array, w: Array, offset: Array, b: Array | None = None, mask: Array | None = None) -> Array:
        """One bilinear look-up and one matrix product for each element of the window; 16-bit floats in float32."""
        planes, shifts, factors = _apart(x, offset, mask, self.offset_group, w.shape[2:])
        window, n, places = self.resolve(x.shape[2:], w.shape[2:]), len(x), offset.shape[2:]
        total = np.zeros((n, self.group, w.shape[0] // self.group, int(np.prod(places))), planes.dtype)
        parts = widen(w).reshape(self.group, w.shape[0] // self.group, *w.shape[1:])
        for i, j in window.offsets():
            seen = _seen(window, (i, j), planes, shifts, factors)
            total += np.matmul(parts[:, :, :, i, j], seen.reshape(n, self.group, w.shape[1], -1))
        result = total.reshape(n, w.shape[0], *places)
        if b is not None:
            result = result + along_channels(widen(b), 4)
        return result.astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[DeformConv, list[TensorSpec | None]]]:
        """With and without mask and bias; groups; strides."""
        x, w = TensorSpec(float32, (1, 4, 6, 7)), TensorSpec(float32, (6, 4, 2, 3))
        offset, mask = TensorSpec(float32, (1, 12, 5, 5)), TensorSpec(float32, (1, 6, 5, 5))
        yield DeformConv(), [x, w, offset, None, None]
        yield DeformConv(), [x, w, offset, TensorSpec(float32, (6,)), mask]
        grouped = TensorSpec(float32, (6, 2, 2, 2))
        yield (
            DeformConv(group=2, offset_group=2, stride=2, padding=1, dilation=2),
            [x, grouped, TensorSpec(float32, (1, 16, 3, 4)), None, TensorSpec(float32, (1, 8, 3, 4))],
        )


@operator("ew::DeformColumns")
class DeformColumns(Sliding):
    """What each element of a deformed window (see DeformConv) sees of x [N, C, H, W]: [N, C * kh * kw, oh * ow]."""

    INTERNAL: ClassVar[bool] = True  # made by the import rule of DeformConv, no method of Network

    kernel: tuple[int, ...] = (1, 1)
    offset_group: int = 1

    def infer(self, x: TensorSpec, offset: TensorSpec, mask: TensorSpec | None = None) -> TensorSpec:
        """As many rows as a kernel has elements, a column for each place."""
        check_type(x, FLOATS, "input x")
        dtype = check_same_type(x, offset, mask)
        return TensorSpec(dtype, (x.shape[0], x.shape[1] * product(self.kernel), product(offset.shape[2:])))

    def reference(self, x: Array, offset: Array, mask: Array | None = None) -> Array:
        """One bilinear look-up for each element of the window."""
        planes, shifts, factors = _apart(x, offset, mask, self.offset_group, self.kernel)
        window = self.resolve(x.shape[2:], self.kernel)
        seen = np.stack([_seen(window, at, planes, shifts, factors) for at in window.offsets()], axis=3)
        return seen.reshape(len(x), x.shape[1] * len(list(window.offsets())), -1).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[DeformColumns, list[TensorSpec | None]]]:
        """With and without mask; groups, strides, padding, dilation."""
        x, offset = TensorSpec(float32, (2, 4, 6, 7)), TensorSpec(float32, (2, 12, 5, 5))
        yield DeformColumns(kernel=(2, 3)), [x, offset, None]
        yield DeformColumns(kernel=(2, 3)), [x, offset, TensorSpec(float32, (2, 6, 5, 5))]
        op = DeformColumns(2, 1, 2, kernel=(2, 2), offset_group=2)
        yield op, [x, TensorSpec(float32, (2, 16, 3, 4)), TensorSpec(float32, (2, 8, 3, 4))]


def _apart(
    x: Array, offset: Array, mask: Array | None, groups: int, kernel: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """The planes [N, G, C / G, H, W], shifts [N, G, kh, kw, 2, oh, ow] and factors of each group of offsets."""
    sizes, places = (len(x), groups, *kernel), offset.shape[2:]
    factors = np.ones((*sizes, *places), widen(x).dtype) if mask is None else widen(mask).reshape(*sizes, *places)
    planes = widen(x).reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    return planes, widen(offset).reshape(*sizes, 2, *places), factors


def _seen(window: Window, at: tuple[int, ...], planes: Array, shifts: Array, factors: Array) -> Array:
    """What one element of the window sees at all places: [N, G, C / G, oh, ow]."""
    i, j = at
    start = [
        (np.arange(count) * stride + place * step - begin).astype(planes.dtype)
        for count, stride, place, step, begin in zip(
            shifts.shape[-2:], window.strides, at, window.dilations, known(window.begins), strict=True
        )
    ]
    y, x = start[0][:, None] + shifts[:, :, i, j, 0], start[1] + shifts[:, :, i, j, 1]
    return bilinear(planes, y, x) * factors[:, :, None, i, j]


def bilinear(planes: Array, y: Array, x: Array) -> Array:
    """planes [N, G, C, H, W] at places y, x [N, G, oh, ow], linear between pixels and 0 outside: [N, G, C, oh, ow]."""
    height, width = planes.shape[-2:]
    low_y, low_x = np.floor(y), np.floor(x)
    n, g = np.arange(planes.shape[0])[:, None, None, None], np.arange(planes.shape[1])[:, None, None]
    total: Array = np.zeros((*planes.shape[:3], *y.shape[2:]), planes.dtype)
    for corner_y, weight_y in ((low_y, 1 - (y - low_y)), (low_y + 1, y - low_y)):
        for corner_x, weight_x in ((low_x, 1 - (x - low_x)), (low_x + 1, x - low_x)):
            inside = (corner_y >= 0) & (corner_y < height) & (corner_x >= 0) & (corner_x < width)
            row = np.clip(corner_y, 0, height - 1).astype(np.int64)
            column = np.clip(corner_x, 0, width - 1).astype(np.int64)
            seen = np.moveaxis(planes, 2, -1)[n, g, row, column]
            total += np.moveaxis(seen * (weight_y * weight_x * inside)[..., None], -1, 2)
    return total


@onnx_rule("ai.onnx::DeformConv", since=19)
def deform_conv(net: Network, node: OnnxNode) -> Tensor:
    """In float32 a matrix product with what the windows see; kernel_shape is the weight's."""
    inputs = [node.input(0), node.input(1), node.input(2), node.optional(3), node.optional(4)]
    x, w, offset, bias, mask = inputs
    assert x is not None and w is not None and offset is not None
    check_kernel_shape(node, w.shape[2:])
    group, offset_group = node.integer("group", 1), node.integer("offset_group", 1)
    sliding = sliding_attributes(node, conv_rank(node))
    op = DeformConv(group=group, offset_group=offset_group, **sliding)
    specs = [None if tensor is None else tensor.spec for tensor in inputs]
    kernel = tuple(size for size in w.shape if isinstance(size, int))
    if x.dtype is not float32 or len(kernel) != 4:
        found: Tensor = net.add(op, *inputs)[0]
        return found
    op.infer(*specs)  # type: ignore[arg-type]  # checks that they fit
    columns = net.add(DeformColumns(kernel=kernel[2:], offset_group=offset_group, **sliding), x, offset, mask)[0]
    rows = net.constant(np.array([0, group, kernel[1] * kernel[2] * kernel[3], -1]))
    weights = net.reshape(w, net.constant(np.array([group, kernel[0] // group, -1])))
    product_of = net.matmul(weights, net.reshape(columns, rows))
    shape = net.concat(net.constant(np.array([0, kernel[0]])), net.shape(offset, start=2), axis=0)
    y = net.reshape(product_of, shape)
    if bias is None:
        return y
    return net.add(y, net.reshape(bias, net.constant(np.array([-1, 1, 1]))))
