"""MultiscaleDeformableAttention: each query looks at a few points of several feature maps, as in Deformable DETR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_float, check_integer, check_rank, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]


@ew.operator("ew_plugins::MultiscaleDeformableAttention", version=1, onnx=["TRT::MultiscaleDeformableAttnPlugin_TRT"])
class MultiscaleDeformableAttention:
    """Output [N, Q, M, D]: for each query and head the sum of its points' values times their weights.

    value [N, S, M, D]: the maps of all levels flattened one after another; spatial_shapes [L, 2]: height and width of
    each; level_start_index [L]: where each begins in S; sampling_locations [N, Q, M, L, P, 2]: points (x, y), 0 to 1
    across a map; attention_weights [N, Q, M, L, P]. Values between pixels are bilinear, 0 outside. Zhu et al.,
    "Deformable DETR", equation 3; inputs and output as of TensorRT's plugin.
    """

    def infer(
        self,
        value: ew.TensorSpec,
        spatial_shapes: ew.TensorSpec,
        level_start_index: ew.TensorSpec,
        sampling_locations: ew.TensorSpec,
        attention_weights: ew.TensorSpec,
    ) -> ew.TensorSpec:
        """Batch, heads and channels of the value, queries of the locations."""
        check_rank("value", value, 4)
        check_rank("spatial_shapes", spatial_shapes, 2)
        check_rank("level_start_index", level_start_index, 1)
        check_rank("sampling_locations", sampling_locations, 6)
        check_rank("attention_weights", attention_weights, 5)
        check_float("value", value)
        check_float("sampling_locations", sampling_locations, value)
        check_float("attention_weights", attention_weights, value)
        check_integer("spatial_shapes", spatial_shapes)
        check_integer("level_start_index", level_start_index)
        for a, b in zip(sampling_locations.shape[:-1], attention_weights.shape, strict=True):
            ew.same(a, b)
        ew.same(sampling_locations.shape[0], value.shape[0])
        ew.same(sampling_locations.shape[2], value.shape[2])
        ew.same(sampling_locations.shape[3], spatial_shapes.shape[0])
        ew.same(spatial_shapes.shape[0], level_start_index.shape[0])
        ew.same(spatial_shapes.shape[1], 2)
        ew.same(sampling_locations.shape[5], 2)
        return value.with_shape(value.shape[0], sampling_locations.shape[1], *value.shape[2:])

    def reference(
        self,
        value: Array,
        spatial_shapes: Array,
        level_start_index: Array,
        sampling_locations: Array,
        attention_weights: Array,
    ) -> Array:
        """Level by level, the four pixels around each point in turn."""
        batch, size, heads, depth = value.shape
        made = np.zeros((batch, sampling_locations.shape[1], heads, depth), np.float32)
        for level, (height, width) in enumerate(spatial_shapes.tolist()):
            start = int(level_start_index[level])
            if min(start, height, width) < 0 or start + height * width > size:
                raise ew.InputError(
                    f"level {level} has {height} x {width} values from {start} on, there are {size}",
                    hint="Correct spatial_shapes and level_start_index.",
                )
            own = value[:, start : start + height * width].astype(np.float32)
            points = sampling_locations[:, :, :, level].astype(np.float32) * np.array([width, height], np.float32)
            made += _level(own, (height, width), points - np.float32(0.5), attention_weights[:, :, :, level])
        return made.astype(value.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[MultiscaleDeformableAttention, list[Any]]]:
        """One level and several, points outside, int32 shapes, no query."""
        rng = np.random.default_rng(9)

        def given(shapes: list[list[int]], queries: int, kind: type, scale: float) -> list[Any]:
            sizes = [height * width for height, width in shapes]
            starts = np.cumsum([0, *sizes[:-1]])
            value = rng.standard_normal((2, sum(sizes), 3, 20)).astype(np.float32)
            points = rng.random((2, queries, 3, len(shapes), 4, 2)) * scale - (scale - 1) / 2
            weights = rng.random((2, queries, 3, len(shapes), 4)).astype(np.float32)
            return [value, np.array(shapes, kind), starts.astype(kind), points.astype(np.float32), weights]

        yield MultiscaleDeformableAttention(), given([[6, 5]], 7, np.int64, 1)
        yield MultiscaleDeformableAttention(), given([[8, 7], [4, 3], [1, 2]], 9, np.int32, 1.6)
        yield MultiscaleDeformableAttention(), given([[2, 2]], 0, np.int64, 1)


def _level(value: Array, size: tuple[int, int], points: Array, weights: Array) -> Array:
    """What one level adds: value [N, H * W, M, D], points [N, Q, M, P, 2] in pixels, weights [N, Q, M, P]."""
    batch = np.arange(value.shape[0])[:, None, None, None]
    heads = np.arange(value.shape[2])[:, None]
    low = np.floor(points)
    part = points - low
    made = np.zeros((*points.shape[:3], value.shape[3]), np.float32)
    for down in (0, 1):
        for across in (0, 1):
            column, row = low[..., 0] + across, low[..., 1] + down
            inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
            place = np.where(inside, row * size[1] + column, 0).astype(np.int64)
            share = np.abs(1 - across - part[..., 0]) * np.abs(1 - down - part[..., 1]) * weights * inside
            if value.shape[1]:
                made += np.einsum("nqmp,nqmpd->nqmd", share.astype(np.float32), value[batch, place, heads])
    return made


@ew.tactic(MultiscaleDeformableAttention, kernel=KERNELS["multiscale_deformable_attention_f32"])
def multiscale_deformable_attention(
    op: MultiscaleDeformableAttention,
    value: ew.TensorSpec,
    spatial_shapes: ew.TensorSpec,
    level_start_index: ew.TensorSpec,
    sampling_locations: ew.TensorSpec,
    attention_weights: ew.TensorSpec,
) -> ew.Launch | str:
    """Queries side by side; the channels of a pixel are added at once."""
    return needs_float32(value) or ew.Launch()


@ew.tactic(MultiscaleDeformableAttention, kernel=CUDA_KERNELS["multiscale_deformable_attention"])
def multiscale_deformable_attention_cuda(
    op: MultiscaleDeformableAttention,
    value: ew.TensorSpec,
    spatial_shapes: ew.TensorSpec,
    level_start_index: ew.TensorSpec,
    sampling_locations: ew.TensorSpec,
    attention_weights: ew.TensorSpec,
) -> ew.Launch | str:
    """A thread for each channel of a query's head."""
    return needs_cuda_float(value) or ew.Launch()
