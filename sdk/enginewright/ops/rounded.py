"""Products in reduced precision: matrix products and convolutions of numbers that are first rounded to bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.ops.channel_shuffle import Shuffled
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.ops.pointwise_table import cast_array
from enginewright.registry.registry import infer_specs, operator
from enginewright.tensors import DataType, TensorSpec, bfloat16, float32

Array = np.ndarray[Any, Any]


@operator("ew::Rounded")
class Rounded:
    """The operator `anchor` with inputs 0 and 1 rounded to `dtype`; sums, other inputs and the output are float32.

    Those two may be of `dtype` already, one or both.
    """

    INTERNAL = True  # made by passes, no method of Network

    anchor: Any
    dtype: DataType = bfloat16

    def infer(self, *xs: TensorSpec | None) -> tuple[TensorSpec, ...]:
        """As the anchor for float32."""
        return tuple(infer_specs(self.anchor, (*map(self.widened, xs[:2]), *xs[2:])))

    def widened(self, x: TensorSpec | None) -> TensorSpec | None:
        """The input as the anchor sees it."""
        return replace(x, dtype=float32, value=None) if x is not None and x.dtype is self.dtype else x

    def reference(self, x: Array, w: Array, *others: Array | None) -> Array:
        """The anchor on rounded numbers."""
        result: Array = self.anchor.reference(rounded(x, self.dtype), rounded(w, self.dtype), *others)
        return result

    @staticmethod
    def examples() -> Iterator[tuple[Rounded, list[TensorSpec | None]]]:
        """Those of the anchors, in float32 and with an image or a matrix of bfloat16."""
        for cls in (MatMul, Gemm, ChannelsLast):
            for op, specs in cls.examples():
                anchor = op.anchor if isinstance(op, ChannelsLast) else op
                if any(spec is not None and spec.dtype is not float32 for spec in specs):
                    continue
                if isinstance(anchor, MatMul | Gemm | Conv):
                    yield Rounded(op), list(specs)
                if isinstance(anchor, MatMul | Gemm | Conv | Shuffled):
                    yield Rounded(op), [None if specs[0] is None else specs[0].with_dtype(bfloat16), *specs[1:]]


def rounded(array: Array, dtype: DataType) -> Array:
    """The numbers as float32, each the nearest that `dtype` has."""
    return np.asarray(cast_array(cast_array(array, dtype), float32))
