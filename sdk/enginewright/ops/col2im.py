"""Col2Im: blocks that a sliding window took apart are added up to an image again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, floor_div, product, same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, INTEGERS, check_type, widen
from enginewright.ops.window import Sliding, known, pad_spatial, shifted
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Col2Im")
class Col2Im(Sliding):
    """x [N, C * block elements, positions] as an image [N, C, *image_shape]: what overlaps is added (see conv).

    image_shape and block_shape are int64 tensors with one number for each spatial axis.
    """

    def infer(self, x: TensorSpec, image_shape: TensorSpec, block_shape: TensorSpec) -> TensorSpec:
        """[N, C, *image_shape]."""
        check_type(x, (*FLOATS, *INTEGERS), "input x")
        image, block = self._sizes(image_shape), self._sizes(block_shape)
        if x.rank != 3:
            raise ShapeError(f"x has {x.rank} axes", hint="Give [N, C * block elements, positions].")
        same(x.shape[2], product(self.resolve(image, block).positions(image)))
        channels: Size = floor_div(x.shape[1], product(block))
        return TensorSpec(x.dtype, (x.shape[0], channels, *image))

    def _sizes(self, spec: TensorSpec) -> Shape:
        check_type(spec, (int64,), "a shape")
        found = spec.elements()
        if found is None:
            raise ShapeError("the number of spatial axes is not known", hint="Give shapes of known length.")
        return found

    def reference(self, x: Array, image_shape: Array, block_shape: Array) -> Array:
        """One slice for each element of the block; 16-bit floats in float32."""
        image, block = tuple(int(n) for n in image_shape), tuple(int(n) for n in block_shape)
        window, wide = self.resolve(image, block), widen(x)
        counts = known(window.positions(image))
        channels = x.shape[1] // int(np.prod(block))
        parts = wide.reshape(x.shape[0], channels, *block, *counts)
        padded = pad_spatial(np.zeros((x.shape[0], channels, *image), wide.dtype), window, 0)
        for offset in window.offsets():
            element: tuple[Any, ...] = (slice(None), slice(None), *offset)
            target = shifted(padded, window, offset, counts)
            target += parts[element]
        inner = [slice(begin, begin + size) for begin, size in zip(known(window.begins), image, strict=True)]
        return padded[(slice(None), slice(None), *inner)].astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Col2Im, list[TensorSpec | Array]]]:
        """Plain, with stride, padding, dilation; 3-D."""
        yield Col2Im(), [TensorSpec(float32, (1, 5, 5)), np.array([5, 5]), np.array([1, 5])]
        yield Col2Im(stride=2), [TensorSpec(float32, (1, 9, 4)), np.array([5, 5]), np.array([3, 3])]
        yield Col2Im(padding=1), [TensorSpec(float32, (2, 10, 21)), np.array([5, 5]), np.array([1, 5])]
        yield Col2Im(dilation=(1, 5)), [TensorSpec(float32, (1, 4, 5)), np.array([6, 6]), np.array([2, 2])]
        yield Col2Im(), [TensorSpec(float32, (1, 10, 12)), np.array([3, 4, 5]), np.array([1, 1, 5])]


@onnx_rule("ai.onnx::Col2Im", since=18)
def col2im(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    blocks = node.input(2)
    rank = blocks.shape[0]
    assert isinstance(rank, int)
    return net.col2_im(
        node.input(0),
        node.input(1),
        blocks,
        stride=node.integers("strides", (1,) * rank),
        padding=node.integers("pads", (0,) * (2 * rank)),
        dilation=node.integers("dilations", (1,) * rank),
    )
