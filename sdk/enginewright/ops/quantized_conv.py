"""Convolutions and products of quantized images whose output is quantized again, or real, in one step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.channels_last import channels_first, channels_last
from enginewright.ops.conv import Conv, conv_shape, convolve
from enginewright.ops.element_types import check_type
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, float32, int8, int32, uint8

Array = np.ndarray[Any, Any]


def largest_sum_of(w: Array) -> int:
    """No sum of products of int8 w [M, ...] with bytes, less nothing, is farther from 0."""
    rows = w.reshape(len(w), math.prod(w.shape[1:])).astype(np.int64)
    ends = [np.maximum(rows, 0).sum(1), np.maximum(-rows, 0).sum(1)]
    return 255 * int(np.max(ends, initial=0))


@operator("ew::QuantizedConv")
class QuantizedConv:
    """The convolution `anchor` of uint8 x [N, spatial, C] less `x_zero` by int8 w [M, C / group, kernel].

    Sums begin with `bias` [M]; times `factor` [M], plus `shift` [M], they are the real output if `real`; else they are
    rounded to the nearest, ties to even, `zero` is added, and what leaves [`low`, `high`] is cut off. With an `addend`,
    uint8 of the output's shape, that is less its zero point, times `step`, plus the addend less `addend_zero` times
    `addend_step`, is rounded in the same way to `sum_zero`, `sum_low` and `sum_high`. `largest_sum`: what
    `largest_sum_of` its weights is; 0: unknown.
    """

    INTERNAL = True  # made by passes, no method of Network

    anchor: Any
    x_zero: int = 0
    real: bool = False
    zero: int = 0
    low: int = 0
    high: int = 255
    step: float = 1.0
    addend_step: float = 1.0
    addend_zero: int = 0
    sum_zero: int = 0
    sum_low: int = 0
    sum_high: int = 255
    largest_sum: int = 0

    def infer(
        self,
        x: TensorSpec,
        w: TensorSpec,
        bias: TensorSpec,
        factor: TensorSpec,
        shift: TensorSpec | None = None,
        addend: TensorSpec | None = None,
    ) -> TensorSpec:
        """[N, positions, M], float32 if `real`, else uint8."""
        check_type(x, (uint8,), "input x")
        check_type(w, (int8,), "input w")
        check_type(bias, (int32,), "bias")
        for vector in (bias, factor, shift):
            if vector is not None:
                same(vector.shape[0], w.shape[0])
        if x.rank < 3:
            raise ShapeError(f"images have 3 axes or more, not {x.rank}", hint="Report this as a bug.")
        shape = conv_shape(self.anchor, self.anchor.group, channels_first(x), w)
        made = channels_last(TensorSpec(float32 if self.real else uint8, shape))
        if addend is not None:
            check_type(addend, (uint8,), "addend")
            for a, b in zip(addend.shape, made.shape, strict=True):
                same(a, b)
        return made

    def reference(
        self,
        x: Array,
        w: Array,
        bias: Array,
        factor: Array,
        shift: Array | None = None,
        addend: Array | None = None,
    ) -> Array:
        """Sums exactly; what follows is rounded to float32 once."""
        image = np.moveaxis(x, -1, 1).astype(np.float64) - self.x_zero
        window = self.anchor.resolve(image.shape[2:], w.shape[2:])
        total = np.moveaxis(convolve(image, w.astype(np.float64), window, self.anchor.group), 1, -1)
        sums = (total + bias).astype(np.float32).astype(np.float64) * factor
        value = (sums if shift is None else sums + shift).astype(np.float32)
        if self.real:
            return np.ascontiguousarray(value)
        real = np.clip(np.rint(value), self.low - self.zero, self.high - self.zero)
        if addend is None:
            return np.ascontiguousarray(real + self.zero).astype(np.uint8)
        other = (addend.astype(np.float64) - self.addend_zero) * np.float32(self.addend_step)
        both = (real.astype(np.float64) * np.float32(self.step) + other).astype(np.float32)
        found = np.clip(np.rint(both) + np.float32(self.sum_zero), self.sum_low, self.sum_high)
        return np.ascontiguousarray(found).astype(np.uint8)

    @staticmethod
    def examples() -> Iterator[tuple[QuantizedConv, list[TensorSpec | Array | None]]]:
        """Windows and groups of every kind; with and without padding, shift and addend; bytes and reals."""
        cases: tuple[tuple[Conv, tuple[int, ...], tuple[int, ...]], ...] = (
            (Conv(), (1, 7, 9, 64), (64, 64, 1, 1)),
            (Conv(padding=1), (2, 5, 6, 8), (65, 8, 3, 3)),
            (Conv(stride=2, padding=3), (1, 17, 16, 3), (48, 3, 7, 7)),
            (Conv(stride=2), (1, 8, 9, 20), (16, 20, 1, 1)),
            (Conv(padding=(0, 2, 1, 0), dilation=(1, 2)), (1, 6, 9, 5), (3, 5, 2, 3)),
            (Conv(group=2, padding=1), (1, 5, 5, 12), (34, 6, 3, 3)),
            (Conv(group=17, padding=1), (1, 9, 5, 17), (17, 1, 3, 3)),
            (Conv(group=32, stride=2, padding=2), (2, 8, 7, 32), (32, 1, 5, 5)),
            (Conv(), (3, 1, 130), (33, 130, 1)),
            (Conv(padding=1), (1, 4, 3, 5, 4), (7, 4, 2, 3, 3)),
            (Conv(), (0, 3, 3, 4), (4, 4, 1, 1)),
            (Conv(padding=1), (2, 9, 21, 32), (40, 32, 3, 3)),
            (Conv(padding=(1, 0, 0, 2)), (1, 11, 10, 64), (65, 64, 3, 3)),
        )
        for conv, x, w in cases:
            rng = np.random.default_rng(x[-1])
            image = rng.integers(0, 256, x).astype(np.uint8)
            weight, bias = rng.integers(-128, 128, w).astype(np.int8), rng.integers(-999, 999, w[0]).astype(np.int32)
            factor = (rng.uniform(0.4, 1.7, w[0]) / (60 * np.sqrt(weight[0].size) * 60)).astype(np.float32) * 40
            plain = QuantizedConv(conv, x_zero=117, zero=101, largest_sum=largest_sum_of(weight))
            yield plain, [image, weight, bias, factor]
            shift = rng.standard_normal(w[0]).astype(np.float32)
            yield replace(plain, x_zero=0, zero=3, low=3, high=250), [image, weight, bias, factor, shift]
            yield replace(plain, real=True), [image, weight, bias, factor, shift]
            specs = [TensorSpec(uint8, x), TensorSpec(int8, w), TensorSpec(int32, w[:1]), TensorSpec(float32, w[:1])]
            shape = plain.infer(*specs).shape
            addend = rng.integers(0, 256, tuple(int(size) for size in shape if isinstance(size, int))).astype(np.uint8)
            summed = replace(
                plain, step=0.61317291, addend_step=0.37705137, addend_zero=31, sum_zero=7, sum_low=7, sum_high=253
            )
            yield summed, [image, weight, bias, factor, None, addend]
            yield replace(summed, zero=5, low=9), [image, weight, bias, factor, shift, addend]
