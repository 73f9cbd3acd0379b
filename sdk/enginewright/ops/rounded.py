"""Products in reduced precision: matrix products, convolutions and recurrent layers of numbers rounded to bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.ops.channel_shuffle import Shuffled
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.ops.pointwise_table import cast_array
from enginewright.ops.recurrent import GRU, LSTM, Recurrent
from enginewright.registry.registry import infer_specs, operator
from enginewright.tensors import DataType, TensorSpec, bfloat16, float32

Array = np.ndarray[Any, Any]


@operator("ew::Rounded")
class Rounded:
    """The operator `anchor` with inputs 0 and 1 rounded to `dtype`; sums, other inputs and the output are float32.

    Those two may be of `dtype` already, one or both. Recurrent layers round x, w and r; states are float32.
    """

    INTERNAL = True  # made by passes, no method of Network

    anchor: Any
    dtype: DataType = bfloat16

    @property
    def factors(self) -> int:
        """How many inputs are rounded, the first ones."""
        return 3 if isinstance(self.anchor, Recurrent) else 2

    def infer(self, *xs: TensorSpec | None) -> tuple[TensorSpec, ...]:
        """As the anchor for float32."""
        return tuple(infer_specs(self.anchor, (*map(self.widened, xs[: self.factors]), *xs[self.factors :])))

    def widened(self, x: TensorSpec | None) -> TensorSpec | None:
        """The input as the anchor sees it."""
        return replace(x, dtype=float32, value=None) if x is not None and x.dtype is self.dtype else x

    def reference(self, *xs: Array | None) -> Array | tuple[Array, ...]:
        """The anchor on rounded numbers."""
        factors = (rounded(x, self.dtype) for x in xs[: self.factors] if x is not None)
        result: Array | tuple[Array, ...] = self.anchor.reference(*factors, *xs[self.factors :])
        return result

    @staticmethod
    def examples() -> Iterator[tuple[Rounded, list[TensorSpec | Array | None]]]:
        """Those of the anchors, in float32 and with an image or a matrix of bfloat16."""
        for cls in (MatMul, Gemm, ChannelsLast):
            for op, specs in cls.examples():
                anchor = op.anchor if isinstance(op, ChannelsLast) else op
                if any(spec is not None and spec.dtype is not float32 for spec in specs):
                    continue
                if isinstance(anchor, MatMul | Gemm | Conv | ConvTranspose):
                    yield Rounded(op), list(specs)
                if isinstance(anchor, MatMul | Gemm | Conv | ConvTranspose | Shuffled):
                    yield Rounded(op), [None if specs[0] is None else specs[0].with_dtype(bfloat16), *specs[1:]]
        for recurrent, inputs in (*LSTM.examples(), *GRU.examples()):
            yield Rounded(recurrent), list(inputs)


def rounded(array: Array, dtype: DataType) -> Array:
    """The numbers as float32, each the nearest that `dtype` has."""
    return np.asarray(cast_array(cast_array(array, dtype), float32))
