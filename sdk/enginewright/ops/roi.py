"""Regions of interest: RoiAlign and MaxRoiPool cut boxes out of a feature map, each to the same size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import FLOATS, check_same_type, check_type, widen
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::RoiAlign")
class RoiAlign:
    """Each box of rois [R, 4] (x, y, x, y) of image batch_indices [R] of x [N, C, H, W] sampled to one size.

    That is output_height x output_width bins; in each, `sampling_ratio` points an axis (0: as many as it has pixels)
    are interpolated, and `mode` takes their avg or max. Boxes are multiplied by spatial_scale.
    `coordinate_transformation_mode`: half_pixel or output_half_pixel.
    """

    coordinate_transformation_mode: str = "half_pixel"
    mode: str = "avg"
    output_height: int = 1
    output_width: int = 1
    sampling_ratio: int = 0
    spatial_scale: float = 1.0

    def infer(self, x: TensorSpec, rois: TensorSpec, batch_indices: TensorSpec) -> TensorSpec:
        """[R, C, output_height, output_width]."""
        dtype = check_same_type(x, rois)
        check_type(x, FLOATS, "input x")
        check_type(batch_indices, (int64,), "batch_indices")
        if self.mode not in ("avg", "max"):
            raise NetworkError(f'mode is "{self.mode}"', hint="Use avg or max.")
        if x.rank != 4 or rois.rank != 2 or batch_indices.rank != 1:
            raise ShapeError("x, rois and batch_indices need 4, 2 and 1 axes", hint="See the operator's description.")
        same(rois.shape[1], 4)
        same(rois.shape[0], batch_indices.shape[0])
        return TensorSpec(dtype, (rois.shape[0], x.shape[1], self.output_height, self.output_width))

    def reference(self, x: Array, rois: Array, batch_indices: Array) -> Array:
        """Box by box; 16-bit floats in float32. For max each corner's weighted value counts, as ONNX defines it."""
        data = widen(x)
        y = np.zeros((rois.shape[0], x.shape[1], self.output_height, self.output_width), data.dtype)
        for number, (box, image) in enumerate(zip(widen(rois), batch_indices, strict=True)):
            if not 0 <= image < x.shape[0]:
                raise ShapeError(f"batch index {image} is outside {x.shape[0]} images", hint="Correct batch_indices.")
            y[number] = self._sampled(data[int(image)], box)
        return y.astype(x.dtype)

    def _sampled(self, image: Array, box: Array) -> Array:
        half = self.coordinate_transformation_mode == "half_pixel"
        left, top, right, bottom = (box * np.float32(self.spatial_scale) - (0.5 if half else 0.0)).tolist()
        rows = self._points(top, bottom, self.output_height, half=half)
        columns = self._points(left, right, self.output_width, half=half)
        weighted = [
            image[:, low_y[:, :, None, None], low_x] * (weight_y[:, :, None, None] * weight_x)
            for low_y, weight_y in _corners(rows, image.shape[1])
            for low_x, weight_x in _corners(columns, image.shape[2])
        ]  # each [C, bins, points, bins, points]
        if self.mode == "max":
            best: Array = np.maximum.reduce(weighted)
            return best.max(axis=(2, 4), initial=-np.inf) if best.shape[2] * best.shape[4] else best.sum(axis=(2, 4))
        total: Array = np.add.reduce(weighted)
        return total.sum(axis=(2, 4)) / max(total.shape[2] * total.shape[4], 1)

    def _points(self, start: float, end: float, bins: int, *, half: bool) -> Array:
        """The sampling points of each bin on one axis: [bins, points]."""
        size = end - start if half else max(end - start, 1.0)
        count = self.sampling_ratio if self.sampling_ratio > 0 else max(math.ceil(size / bins), 0)
        steps = (np.arange(count) + 0.5) / max(count, 1)
        return np.asarray(start + (np.arange(bins)[:, None] + steps) * (size / bins))

    @staticmethod
    def examples() -> Iterator[tuple[RoiAlign, list[TensorSpec | Array]]]:
        """Both modes and alignments, fixed and free number of points, boxes beyond the border."""
        x = TensorSpec(float32, (2, 3, 10, 12))
        rois = np.array([[0, 0, 9, 9], [2.5, 3, 7, 8.2], [-3, 5, 4, 14], [6, 6, 6, 6]], np.float32)
        where = np.array([0, 1, 1, 0])
        for mode in ("avg", "max"):
            for rule in ("half_pixel", "output_half_pixel"):
                for points in (0, 2):
                    yield RoiAlign(rule, mode, 5, 4, points, 0.8), [x, rois, where]


def _corners(points: Array, size: int) -> list[tuple[Array, Array]]:
    """Both pixels beside each point with their weights; 0 more than one pixel outside."""
    outside = (points < -1) | (points > size)
    at = np.maximum(points, 0)
    low = np.minimum(np.floor(at), size - 1).astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    part = np.where(low >= size - 1, 0.0, at - low)
    return [(low, np.where(outside, 0, 1 - part)), (high, np.where(outside, 0, part))]


@operator("ew::MaxRoiPool")
class MaxRoiPool:
    """The largest elements of a grid of pooled_shape bins over each box of rois [R, 5] (image, x, y, x, y)."""

    pooled_shape: tuple[int, int]
    spatial_scale: float = 1.0

    def infer(self, x: TensorSpec, rois: TensorSpec) -> TensorSpec:
        """[R, C, pooled height, pooled width] of x [N, C, H, W]."""
        dtype = check_same_type(x, rois)
        check_type(x, FLOATS, "input x")
        if x.rank != 4 or rois.rank != 2:
            raise ShapeError("x and rois need 4 and 2 axes", hint="See the operator's description.")
        same(rois.shape[1], 5)
        return TensorSpec(dtype, (rois.shape[0], x.shape[1], *self.pooled_shape))

    def reference(self, x: Array, rois: Array) -> Array:
        """Box by box, with borders rounded as in Fast R-CNN (https://arxiv.org/abs/1504.08083)."""
        y = np.zeros((rois.shape[0], x.shape[1], *self.pooled_shape), x.dtype)
        for number, roi in enumerate(widen(rois)):
            if not 0 <= roi[0] < x.shape[0]:
                raise ShapeError(f"image {roi[0]} is outside {x.shape[0]} images", hint="Correct rois.")
            left, top, right, bottom = (_round(float(v) * self.spatial_scale) for v in roi[1:])
            rows = _bins(top, bottom, self.pooled_shape[0], x.shape[2])
            columns = _bins(left, right, self.pooled_shape[1], x.shape[3])
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    seen = x[int(roi[0]), :, row, column]
                    y[number, :, i, j] = seen.max(axis=(1, 2)) if seen.size else 0
        return y

    @staticmethod
    def examples() -> Iterator[tuple[MaxRoiPool, list[TensorSpec | Array]]]:
        """Boxes inside, small and beyond the border."""
        rois = np.array([[0, 0, 0, 9, 9], [1, 2, 3, 3, 4], [1, -3, 5, 4, 14]], np.float32)
        yield MaxRoiPool((3, 2)), [TensorSpec(float32, (2, 3, 10, 12)), rois]
        yield MaxRoiPool((2, 2), 0.5), [TensorSpec(float32, (2, 3, 10, 12)), rois]


def _round(value: float) -> int:
    """To the nearest integer, halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _bins(start: int, end: int, count: int, size: int) -> list[slice]:
    step = max(end - start + 1, 1) / count
    edges = [(math.floor(i * step) + start, math.ceil((i + 1) * step) + start) for i in range(count)]
    return [slice(min(max(a, 0), size), min(max(b, 0), size)) for a, b in edges]


@onnx_rule("ai.onnx::RoiAlign", since=16)
def roi_align(net: Network, node: OnnxNode) -> Tensor:
    """Half a pixel is taken off by default."""
    return _roi_align(net, node, "half_pixel")


@onnx_rule("ai.onnx::RoiAlign", since=10)
def roi_align_before_16(net: Network, node: OnnxNode) -> Tensor:
    """Boxes are used as they are."""
    return _roi_align(net, node, "output_half_pixel")


def _roi_align(net: Network, node: OnnxNode, default: str) -> Tensor:
    return net.roi_align(
        node.input(0),
        node.input(1),
        node.input(2),
        coordinate_transformation_mode=node.text("coordinate_transformation_mode", default),
        mode=node.text("mode", "avg"),
        output_height=node.integer("output_height", 1),
        output_width=node.integer("output_width", 1),
        sampling_ratio=node.integer("sampling_ratio", 0),
        spatial_scale=node.number("spatial_scale", 1.0),
    )


@onnx_rule("ai.onnx::MaxRoiPool", since=1)
def max_roi_pool(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    height, width = node.integers("pooled_shape")
    scale = node.number("spatial_scale", 1.0)
    return net.max_roi_pool(node.input(0), node.input(1), pooled_shape=(height, width), spatial_scale=scale)
