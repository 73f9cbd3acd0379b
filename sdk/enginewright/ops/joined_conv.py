"""1x1 convolutions of several images side by side: neither is a joined image made first, nor a normalized one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.pointwise_table import cast_array
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec, bfloat16, float32

Array = np.ndarray[Any, Any]


@operator("ew::JoinedConv")
class JoinedConv:
    """A 1x1 convolution in steps of 1 of images [N, spatial, C_i], joined along their channels.

    Inputs: the first image, weight [M, C, 1, 1], bias [M], scale [C], shift [C] (the last three may be missing, scale
    and shift together), then the other images. Their numbers are scaled and shifted first, and with `cut` negative ones
    become zero. What is multiplied are numbers of `dtype`, rounded to it then; images may be of that type already. The
    output is float32.
    """

    INTERNAL = True  # made by passes, no method of Network

    cut: bool = False
    dtype: DataType = float32

    def infer(self, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None) -> TensorSpec:
        """The shape of the images, with M channels."""
        images = [x, *(image for image in others[3:] if image is not None)]
        first, *more = images
        channels = sum(image.shape[-1] for image in images)
        if any(image.rank != first.rank for image in more) or channels != w.shape[1]:
            raise ShapeError(f"images of {channels} channels for weights of {w.shape[1]}", hint="Report this as a bug.")
        places = list(first.shape[:-1])
        for image in more:
            places = [same(a, b) for a, b in zip(places, image.shape[:-1], strict=True)]
        return TensorSpec(float32, (*places, w.shape[0]))

    def reference(self, x: Array, w: Array, *others: Array | None) -> Array:
        """Joined, normalized, multiplied."""
        bias, scale, shift, *images = others
        parts = [cast_array(image, float32) for image in (x, *images) if image is not None]
        x = np.concatenate(parts, axis=-1)
        if scale is not None and shift is not None:
            x = x * scale + shift
            x = np.maximum(x, 0) if self.cut else x
        x, w = (cast_array(cast_array(array, self.dtype), float32) for array in (x, w))
        y: Array = x @ w.reshape(w.shape[:2]).T
        return y if bias is None else y + bias

    @staticmethod
    def examples() -> Iterator[tuple[JoinedConv, list[Any]]]:
        """One image and several, of odd channels, plain and normalized, more channels than a product takes at once.

        Before rounding scales are powers of two: a product that is rounded by itself, or not, would tip the scale.
        """
        cases = (
            (False, (2, 3, 5), (8, 13), 20, False),
            (True, (1, 7, 9), (16, 32, 32), 48, True),
            (False, (1, 5, 6), (17,), 16, True),
            (True, (2, 4, 4), (1100, 3), 70, True),
            (False, (1, 3, 3), (5, 1030), 7, False),
            (True, (1, 27, 30), (64, 64), 128, True),
        )
        for cut, places, channels, m, affine in cases:
            total = sum(channels)
            numbers = TensorSpec(float32, (total,)) if affine else None
            images = [(*places, c) for c in channels]
            bias = TensorSpec(float32, (m,)) if m % 2 == 0 else None
            weight = TensorSpec(float32, (m, total, 1, 1))
            for dtype, first, others in (
                (float32, float32, float32),
                (bfloat16, bfloat16, bfloat16),
                (bfloat16, float32, bfloat16),
            ):
                more = [TensorSpec(others, shape) for shape in images[1:]]
                exact = np.resize(np.array([1, 0.5, -2, 4], np.float32), total) if affine else None
                scale = numbers if dtype is float32 else exact
                yield JoinedConv(cut, dtype), [TensorSpec(first, images[0]), weight, bias, scale, numbers, *more]
