"""Squeeze and excitation: each channel of an image times a number that a small network finds from all means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import check_same_type, widen
from enginewright.ops.pointwise_table import cast_array, sigmoid
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec, float16, float32

Array = np.ndarray[Any, Any]


@operator("ew::SqueezeExcite")
class SqueezeExcite:
    """x * sigmoid(inner(mean(x) a' + b) c' + d) for images x [N, H, W, C]: Hu et al., arXiv 1709.01507.

    a [R, C], b [R], c [C, R], d [C]; `inner` is "relu" or "silu". All is computed in float32 and rounded once.
    """

    INTERNAL: ClassVar[bool] = True  # made by passes, no method of Network

    inner: str = "silu"

    def infer(self, x: TensorSpec, a: TensorSpec, b: TensorSpec, c: TensorSpec, d: TensorSpec) -> TensorSpec:
        """Type and shape of x."""
        check_same_type(x, a, b, c, d)
        if (x.rank, a.rank, b.rank, c.rank, d.rank) != (4, 2, 1, 2, 1):
            raise ShapeError("an input has another number of axes", hint="Report this as a bug.")
        hidden, channels = a.shape
        for one, other in ((channels, x.shape[3]), (hidden, b.shape[0]), (channels, c.shape[0]), (hidden, c.shape[1])):
            same(one, other)
        same(channels, d.shape[0])
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, a: Array, b: Array, c: Array, d: Array) -> Array:
        """The formula."""
        wide = widen(x)
        mean = wide.mean(axis=(1, 2))
        hidden = mean @ widen(a).T + widen(b)
        hidden = np.maximum(hidden, 0) if self.inner == "relu" else hidden * sigmoid(hidden)
        gate = sigmoid(hidden @ widen(c).T + widen(d))
        return cast_array(wide * gate[:, None, None, :], DataType.of(x))

    @staticmethod
    def examples() -> Iterator[tuple[SqueezeExcite, list[TensorSpec]]]:
        """Few and many channels and places, every activation, several images."""
        for op, x, hidden in (
            (SqueezeExcite(), (1, 56, 56, 32), 8),
            (SqueezeExcite(), (2, 7, 7, 1152), 48),
            (SqueezeExcite("relu"), (1, 13, 9, 96), 4),
            (SqueezeExcite("relu"), (3, 14, 14, 120), 30),
            (SqueezeExcite(), (1, 1, 1, 8), 1),
            (SqueezeExcite(), (1, 150, 150, 144), 6),
        ):
            channels = x[3]
            shapes = (x, (hidden, channels), (hidden,), (channels, hidden), (channels,))
            for dtype in (float16, float32):
                yield op, [TensorSpec(dtype, shape) for shape in shapes]
