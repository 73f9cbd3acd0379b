"""Clip: numbers kept between two bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.element_types import check_same_type, check_type
from enginewright.ops.elementwise import MAIN_TYPES, NUMBERS, Elementwise, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import Array
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


@operator("ew::Clip")
class Clip(Elementwise):
    """min(max(x, low), high); either bound, a scalar, may be left out."""

    TYPES = NUMBERS

    def infer(self, x: TensorSpec, low: TensorSpec | None = None, high: TensorSpec | None = None) -> TensorSpec:
        """The shape of x."""
        check_type(x, self.TYPES, "the input of Clip")
        check_same_type(x, low, high)
        for bound in (low, high):
            if bound is not None and bound.size != 1:
                raise ShapeError(f"a bound of Clip has shape {bound.shape}", hint="Give a scalar.")
        return self.known(x.with_shape(*x.shape), (x, low, high))

    def reference(self, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
        """The program in NumPy."""
        return self.compute(x, low, high).reshape(x.shape)

    def write(self, p: Builder, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
        """The lower bound first, so that the upper one wins."""
        result = x if low is None else p.apply("max", x, low)
        return result if high is None else p.apply("min", result, high)

    @classmethod
    def examples(cls) -> Iterator[tuple[Clip, list[TensorSpec | Array | None]]]:
        """All four forms, bounds exchanged, every main type."""
        for dtype in MAIN_TYPES:
            x = TensorSpec(dtype, (3, 21))
            low, high = np.array(-1, dtype.numpy), np.array(1, dtype.numpy)
            yield from ((Clip(), [x, a, b]) for a, b in ((low, high), (None, high), (low, None), (high, low)))
        yield Clip(), [TensorSpec(float32, (7,))]
        yield Clip(), [TensorSpec(float32, (300,)), TensorSpec(float32, ()), TensorSpec(float32, ())]


import_plainly(Clip, since=11)


@onnx_rule("ai.onnx::Clip", since=1)
def clip_by_attributes(net: Network, node: OnnxNode) -> Tensor:
    """Before opset 11 the bounds are attributes."""
    x = node.input(0)
    bounds = [
        net.constant(np.array(node.number(name), x.dtype.numpy)) if node.has(name) else None for name in ("min", "max")
    ]
    return net.add(Clip(), x, *bounds)[0]
