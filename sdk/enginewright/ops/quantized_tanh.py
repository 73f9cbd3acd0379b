"""The tanh of a pointwise program, quantized to uint8 by its range; made by a pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.ops.pointwise import Builder, PointwiseProgram, broadcast_specs
from enginewright.ops.quantize import DynamicQuantizeLinear
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, float32

Array = np.ndarray[Any, Any]


@operator("ew::QuantizedTanh")
class QuantizedTanh:
    """tanh of the only output of `program`, float32, as DynamicQuantizeLinear gives it: y, y_scale, y_zero_point."""

    INTERNAL = True  # made by passes, no method of Network

    program: PointwiseProgram

    def infer(self, *xs: TensorSpec) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
        """uint8 of the broadcast shape, float32 scalar, uint8 scalar."""
        return DynamicQuantizeLinear().infer(broadcast_specs(self.program, xs)[0])

    def reference(self, *xs: Array) -> tuple[Array, Array, Array]:
        """One after the other."""
        return DynamicQuantizeLinear().reference(np.tanh(self.program.run(*xs)[0]))

    @staticmethod
    def examples() -> Iterator[tuple[QuantizedTanh, list[TensorSpec | Array]]]:
        """Sums of all rows of one input with all of the other, other broadcasts, other programs; nothing at all."""
        p = Builder(float32, float32)
        total, product = QuantizedTanh(p.finish(p.add(*p.inputs))), QuantizedTanh(p.finish(p.mul(*p.inputs)))
        for a, b in (((3, 1, 33), (1, 7, 33)), ((260, 300), (300,)), ((4, 70), (4, 1)), ((5,), ()), ((0, 4), (4,))):
            for op in (total, product):
                yield op, [TensorSpec(float32, a), TensorSpec(float32, b)]
        plain = Builder(float32)
        yield QuantizedTanh(plain.finish(*plain.inputs)), [TensorSpec(float32, (7, 19))]
        yield QuantizedTanh(plain.finish(*plain.inputs)), [np.linspace(0.1, 9, 200, dtype=np.float32)]
