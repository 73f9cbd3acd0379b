"""Channels last: an image operator on images whose channels are the last axis, as GPUs compute convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.channel_shuffle import Shuffled
from enginewright.ops.conv import Conv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.norm import LRN
from enginewright.ops.pointwise_table import cast_array
from enginewright.ops.pool import AveragePool, GlobalAveragePool, MaxPool
from enginewright.registry.registry import infer_specs, operator
from enginewright.tensors import DataType, TensorSpec, bfloat16, float16, float32, uint8

Array = np.ndarray[Any, Any]


def channels_first(spec: TensorSpec) -> TensorSpec:
    """[N, spatial, C] as [N, C, spatial]."""
    return replace(spec, shape=(spec.shape[0], spec.shape[-1], *spec.shape[1:-1]), value=None)


def channels_last(spec: TensorSpec) -> TensorSpec:
    """[N, C, spatial] as [N, spatial, C]."""
    return replace(spec, shape=(spec.shape[0], *spec.shape[2:], spec.shape[1]), value=None)


@operator("ew::ChannelsLast")
class ChannelsLast:
    """The operator `anchor` with input 0 and its output as [N, spatial, C]; other inputs, as weights, are unchanged."""

    INTERNAL = True  # made by passes, no method of Network

    anchor: Any

    def infer(self, x: TensorSpec, *others: TensorSpec | None) -> TensorSpec:
        """The anchor's shape, its channels last."""
        if x.rank < 3:
            raise ShapeError(f"images have 3 axes or more, not {x.rank}", hint="Report this as a bug.")
        return channels_last(infer_specs(self.anchor, (channels_first(x), *others))[0])

    def reference(self, x: Array, *others: Array | None) -> Array:
        """The anchor on the image the other way round."""
        found = self.anchor.reference(np.ascontiguousarray(np.moveaxis(x, -1, 1)), *others)
        return np.ascontiguousarray(np.moveaxis(found, 1, -1))

    @staticmethod
    def examples() -> Iterator[tuple[ChannelsLast, list[TensorSpec | None]]]:
        """Convolutions of every kind that networks have, pools."""
        convolutions: tuple[tuple[Conv, tuple[int, ...], tuple[int, ...]], ...] = (
            (Conv(padding=1), (2, 9, 11, 16), (24, 16, 3, 3)),
            (Conv(stride=2, padding=3), (1, 32, 30, 4), (64, 4, 7, 7)),
            (Conv(stride=2, padding=(3, 3, 3, 4)), (1, 32, 30, 4), (64, 4, 7, 8)),
            (Conv(), (2, 7, 5, 32), (64, 32, 1, 1)),
            (Conv(stride=2), (1, 8, 8, 64), (128, 64, 1, 1)),
            (Conv(group=32, padding=1), (2, 14, 13, 32), (32, 1, 3, 3)),
            (Conv(group=16, stride=2, padding=2), (1, 14, 13, 16), (16, 1, 5, 5)),
            (Conv(group=64, padding=3), (1, 14, 14, 64), (64, 1, 7, 7)),
            (Conv(stride=4), (1, 16, 16, 4), (96, 4, 4, 4)),
            (Conv(padding=1), (1, 7, 7, 512), (64, 512, 3, 3)),
        )
        for op, x, w in convolutions:
            for dtype in (float16, float32):
                yield ChannelsLast(op), [TensorSpec(dtype, x), TensorSpec(dtype, w), TensorSpec(dtype, (w[0],))]
        odd: tuple[tuple[Conv, tuple[int, ...], tuple[int, ...]], ...] = (
            (Conv(group=2, padding=1), (2, 6, 5, 14), (34, 7, 3, 3)),
            (Conv(group=17, stride=2, padding=1, dilation=2), (1, 19, 23, 17), (17, 1, 3, 3)),
            (Conv(padding=(2, 0, 1, 3)), (1, 6, 9, 3), (10, 3, 3, 4)),
            (Conv(padding=2), (2, 31, 5), (7, 5, 5)),
            (Conv(padding=1), (0, 9, 11, 3), (4, 3, 3, 3)),
            (Conv(padding=1), (2, 17, 19, 12), (20, 12, 3, 3)),
            (Conv(stride=2, padding=3), (1, 21, 26, 3), (24, 3, 7, 7)),
            (Conv(group=2, padding=2), (1, 11, 9, 20), (26, 10, 5, 5)),
            (Conv(padding=2), (2, 50, 10), (20, 10, 5)),
            (Conv(padding=6, dilation=3), (1, 80, 8), (17, 8, 3)),
        )
        for op, x, w in odd:
            yield ChannelsLast(op), [TensorSpec(float32, x), TensorSpec(float32, w), None]
        for shuffled, (image, *others) in Shuffled.examples():
            assert image is not None
            yield ChannelsLast(shuffled), [channels_last(image), *others]
        for x, w in (((2, 3, 5, 16), (16, 24, 2, 2)), ((1, 4, 7, 9), (9, 1, 3, 2)), ((1, 2, 9, 30), (30, 33, 1, 4))):
            specs = [TensorSpec(float32, x), TensorSpec(float32, w), TensorSpec(float32, (w[1],))]
            yield ChannelsLast(ConvTranspose(stride=w[2:])), [*specs]
        yield from _pools()
        for lrn in (LRN(5), LRN(4, alpha=0.1, beta=0.5, bias=2.0), LRN(90, alpha=0.5)):
            yield ChannelsLast(lrn), [TensorSpec(float32, (2, 3, 5, 35))]


def _pools() -> Iterator[tuple[ChannelsLast, list[TensorSpec | None]]]:
    """Of every kind; maxima of bytes as well."""
    pools: tuple[Any, ...] = (
        MaxPool(kernel_shape=(3, 3), stride=2, padding=1),
        AveragePool(kernel_shape=(2, 3), padding=1, count_include_pad=True),
        AveragePool(kernel_shape=(3, 3), stride=2, padding=1),
        GlobalAveragePool(),
    )
    for op in pools:
        for dtype in (float16, float32, bfloat16):
            yield ChannelsLast(op), [TensorSpec(dtype, (2, 11, 9, 16))]
    for op in (*pools, MaxPool(kernel_shape=(3, 3), stride=2, ceil_mode=True, dilation=2)):
        for dtype in (float32, bfloat16):
            yield ChannelsLast(op), [TensorSpec(dtype, (1, 12, 9, 21))]
    for op in (pools[0], MaxPool(kernel_shape=(3, 2), stride=2, padding=(0, 1, 1, 0), dilation=(1, 2))):
        yield ChannelsLast(op), [TensorSpec(uint8, (2, 12, 9, 77))]


@operator("ew::ImageToChannelsLast")
class ImageToChannelsLast:
    """An image [N, C, H, W] as [N, H, W, channels] of another type; channels behind the first C are 0."""

    INTERNAL = True  # made by passes, no method of Network

    channels: int
    to: DataType

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, H, W, channels]."""
        return TensorSpec(self.to, (x.shape[0], *x.shape[2:], self.channels))

    def reference(self, x: Array) -> Array:
        """Axes moved, zeros appended, rounded once."""
        moved = np.moveaxis(x, 1, -1)
        padded = np.pad(moved, [(0, 0)] * (x.ndim - 1) + [(0, self.channels - x.shape[1])])
        return cast_array(np.ascontiguousarray(padded), self.to)

    @staticmethod
    def examples() -> Iterator[tuple[ImageToChannelsLast, list[TensorSpec]]]:
        """Three channels as 4 and as 8, of both types; and an even number of them as pairs of bfloat16."""
        for channels in (4, 8):
            for dtype in (float32, float16):
                yield ImageToChannelsLast(channels, float16), [TensorSpec(dtype, (2, 3, 9, 11))]
        for given in (1, 3, 4):
            yield ImageToChannelsLast(given + given % 2, bfloat16), [TensorSpec(float32, (2, given, 9, 11))]
