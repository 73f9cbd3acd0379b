"""MaxUnpool: elements go back to where max_pool_with_indices found them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, check_type
from enginewright.ops.pool import check_spatial
from enginewright.ops.window import known, padding_pairs, per_axis
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::MaxUnpool")
class MaxUnpool:
    """x [N, C, spatial] scattered to `indices` of a tensor of zeros, the input of the pool that is undone.

    Its size is (size - 1) * stride + kernel - padding on each axis; `output_shape` (int64, all axes) cuts or fills up
    at the ends.
    """

    kernel_shape: tuple[int, ...]
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] = 0

    def infer(self, x: TensorSpec, indices: TensorSpec, output_shape: TensorSpec | None = None) -> TensorSpec:
        """[N, C, sizes as above]."""
        check_type(x, FLOATS, "input x")
        check_type(indices, (int64,), "indices")
        check_spatial(x)
        if output_shape is None:
            return TensorSpec(x.dtype, self.natural_shape(x.shape))
        sizes = output_shape.elements()
        if sizes is None or len(sizes) != x.rank:
            raise ShapeError("output_shape does not have one number for each axis", hint=f"Give {x.rank} numbers.")
        return TensorSpec(x.dtype, sizes)

    def natural_shape(self, shape: Shape) -> Shape:
        """The size of the tensor that the indices count in."""
        rank = len(shape) - 2
        strides, (begins, ends) = per_axis(self.stride, rank, "stride"), padding_pairs(self.padding, rank)
        kernel = per_axis(self.kernel_shape, rank, "kernel_shape")
        sizes = [
            (size - 1) * stride + extent - begin - end
            for size, stride, extent, begin, end in zip(shape[2:], strides, kernel, begins, ends, strict=True)
        ]
        return (*shape[:2], *sizes)

    def reference(self, x: Array, indices: Array, output_shape: Array | None = None) -> Array:
        """Into the natural size, then cut or filled up to output_shape; an index outside raises `ShapeError`."""
        natural = known(self.natural_shape(x.shape))
        flat = np.zeros(int(np.prod(natural)), x.dtype)
        if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < flat.size:
            raise ShapeError("an index is outside the output", hint="Give the indices of max_pool_with_indices.")
        flat[indices.reshape(-1)] = x.reshape(-1)
        if output_shape is None:
            return flat.reshape(natural)
        y = np.zeros([int(size) for size in output_shape], x.dtype)
        common = tuple(slice(0, min(a, b)) for a, b in zip(natural, y.shape, strict=True))
        y[common] = flat.reshape(natural)[common]
        return y

    @staticmethod
    def examples() -> Iterator[tuple[MaxUnpool, list[TensorSpec | Array | None]]]:
        """With and without output_shape."""
        indices = np.array([[[[0, 3], [10, 13]]]])
        x = TensorSpec(float32, (1, 1, 2, 2))
        yield MaxUnpool(kernel_shape=(2, 2), stride=2), [x, indices, None]
        yield MaxUnpool(kernel_shape=(2, 2), stride=2), [x, indices, np.array([1, 1, 5, 5])]
        yield MaxUnpool(kernel_shape=(2,), stride=2), [TensorSpec(float32, (1, 1, 2)), np.array([[[1, 2]]]), None]


@onnx_rule("ai.onnx::MaxUnpool", since=9)
def max_unpool(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    kernel = node.integers("kernel_shape")
    return net.max_unpool(
        node.input(0),
        node.input(1),
        node.optional(2),
        kernel_shape=kernel,
        stride=node.integers("strides", (1,) * len(kernel)),
        padding=node.integers("pads", (0,) * (2 * len(kernel))),
    )
