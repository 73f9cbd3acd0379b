"""Concat: tensors one after another along one axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.contents import moved
from enginewright.ops.element_types import check_same_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Concat")
class Concat:
    """The inputs one after another along `axis`; all other sizes and the type must agree."""

    axis: int = 0

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        """The sizes along the axis added up."""
        if not inputs:
            raise ShapeError("nothing to concatenate", hint="Give at least one tensor.")
        dtype = check_same_type(*inputs)
        if any(x.rank != inputs[0].rank for x in inputs) or not inputs[0].rank:
            ranks = ", ".join(str(x.rank) for x in inputs)
            raise ShapeError(f"the inputs have {ranks} axes", hint="Give all the same number of axes, at least 1.")
        axis = normalize_axis(self.axis, inputs[0].rank)
        sizes = list(inputs[0].shape)
        for x in inputs[1:]:
            sizes = [a + b if i == axis else same(a, b) for i, (a, b) in enumerate(zip(sizes, x.shape, strict=True))]
        return moved(self.reference, TensorSpec(dtype, tuple(sizes)), *inputs)

    def reference(self, *inputs: Array) -> Array:
        """numpy.concatenate."""
        return np.concatenate(inputs, axis=self.axis)

    def view(self, *inputs: TensorSpec) -> int | None:
        """The same bytes where there is one input."""
        return 0 if len(inputs) == 1 else None

    @staticmethod
    def examples() -> Iterator[tuple[Concat, list[TensorSpec]]]:
        """Each axis, one to many inputs, empty parts, every width of element."""
        cases: list[tuple[int, list[tuple[int, ...]]]] = [
            (0, [(2, 3), (4, 3)]),
            (1, [(2, 3), (2, 5), (2, 1)]),
            (-1, [(2, 3, 4), (2, 3, 1)]),
            (1, [(3, 4, 7), (3, 0, 7), (3, 2, 7)]),
            (0, [(3,)]),
            (0, [(1,)] * 9),
            (1, [(1, 40, 33), (1, 70, 33)]),
            (2, [(3, 700, size) for size in (1, 1, 1, 24, 2, 0, 17, 300)]),
            (0, [(0, 3), (0, 3)]),
        ]
        for axis, shapes in cases:
            yield Concat(axis), [TensorSpec(float32, shape) for shape in shapes]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Concat(1), [TensorSpec(dtype, (3, 5)), TensorSpec(dtype, (3, 2))]


@onnx_rule("ai.onnx::Concat", since=4)
def concat(net: Network, node: OnnxNode) -> Tensor:
    """The axis must be given."""
    return net.concat(*(node.input(index) for index in range(len(node.inputs))), axis=node.integer("axis"))


@onnx_rule("ai.onnx::Concat", since=1)
def concat_default(net: Network, node: OnnxNode) -> Tensor:
    """The axis is 1 by default."""
    return net.concat(*(node.input(index) for index in range(len(node.inputs))), axis=node.integer("axis", 1))
