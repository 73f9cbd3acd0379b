"""RoIAlignRotated: features under rotated boxes, each sampled onto a grid of one size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, check_rank, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]
MAX_SAMPLES = 4096
"""Adaptive sampling takes at most so many along a side of a cell; larger boxes are refused, as they would not end."""


@ew.operator(
    "ew_plugins::RoIAlignRotated",
    version=1,
    onnx=["mmcv::MMCVRoIAlignRotated", "mmdeploy::MMCVRoIAlignRotated"],
)
class RoIAlignRotated:
    """Output [R, C, output_height, output_width]: each cell is the mean of bilinear samples at regular points in it.

    x [N, C, H, W]; rois [R, 6]: image, center x, center y, width, height in input pixels divided by `spatial_scale`,
    angle in radians, counterclockwise unless `clockwise`. `sampling_ratio` samples along each side of a cell; 0: as
    many as the cell has pixels, rounded up. `aligned`: pixel centers are at half coordinates; without it boxes have at
    least one pixel. Samples more than a pixel outside the image are 0. After MMCV's operator of this name.
    """

    output_height: int = 7
    output_width: int = 7
    spatial_scale: float = 1.0
    sampling_ratio: int = 0
    aligned: bool = True
    clockwise: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        cells = self.output_height, self.output_width
        limits = {
            f"the output has {self.output_height} x {self.output_width} cells": min(cells) <= 0,
            f"sampling_ratio is {self.sampling_ratio}": self.sampling_ratio < 0,
            f"spatial_scale is {self.spatial_scale}": not self.spatial_scale > 0,
        }
        check_fields("RoIAlignRotated", limits)

    def infer(self, x: ew.TensorSpec, rois: ew.TensorSpec) -> ew.TensorSpec:
        """One grid for each box and channel."""
        check_float("x", x)
        check_float("rois", rois, x)
        check_rank("x", x, 4)
        check_rank("rois", rois, 2)
        ew.same(rois.shape[1], 6)
        return x.with_shape(rois.shape[0], x.shape[1], self.output_height, self.output_width)

    def reference(self, x: Array, rois: Array) -> Array:
        """Box by box, all samples of a box at once."""
        made = np.zeros((len(rois), x.shape[1], self.output_height, self.output_width), np.float32)
        for index, roi in enumerate(rois.astype(np.float32)):
            if not -1 < roi[0] < x.shape[0]:
                raise ew.InputError(
                    f"box {index} is on image {roi[0]:g} of {x.shape[0]}", hint="Correct column 0 of rois."
                )
            made[index] = self._cells(x[int(roi[0])].astype(np.float32), *self._points(roi[1:]))
        return made.astype(x.dtype)

    def _points(self, roi: Array) -> tuple[Array, Array]:
        """Rows and columns of the samples, [cells down, samples down, cells across, samples across]."""
        center = roi[:2] * np.float32(self.spatial_scale) - np.float32(0.5 if self.aligned else 0)
        size = roi[2:4] * np.float32(self.spatial_scale)
        if not self.aligned:
            size = np.maximum(size, np.float32(1))
        down = _offsets(size[1], self.output_height, self.sampling_ratio)[:, :, None, None]
        across = _offsets(size[0], self.output_width, self.sampling_ratio)[None, None]
        sine, cosine = np.sin(roi[4]), np.cos(roi[4])
        if self.clockwise:
            sine = -sine
        return down * cosine - across * sine + center[1], down * sine + across * cosine + center[0]

    def _cells(self, x: Array, rows: Array, columns: Array) -> Array:
        samples = _bilinear(x, rows, columns)
        count = max(rows.shape[1] * rows.shape[3], 1)
        return samples.sum(axis=(2, 4), dtype=np.float32) / np.float32(count)

    @staticmethod
    def examples() -> Iterator[tuple[RoIAlignRotated, list[Any]]]:
        """Fixed and adaptive sampling, both ways of turning, boxes outside the image and of no size, none at all."""
        rng = np.random.default_rng(7)
        x = rng.standard_normal((2, 5, 12, 17)).astype(np.float32)
        rois = np.stack([
            rng.integers(0, 2, 9), rng.random(9) * 34, rng.random(9) * 24, rng.random(9) * 20, rng.random(9) * 20,
            rng.random(9) * 7 - 3,
        ], axis=1).astype(np.float32)  # fmt: skip
        rois[7, 1:5], rois[8, 3:5] = [-90, -90, 4, 4], 0
        yield RoIAlignRotated(3, 4, 0.5, 2), [x, rois]
        yield RoIAlignRotated(3, 4, 0.5, 2, aligned=False, clockwise=True), [x, rois]
        yield RoIAlignRotated(2, 5, 0.5), [x, rois]
        yield RoIAlignRotated(2, 2), [x, rois[:0]]


def _offsets(size: Any, cells: int, samples: int) -> Array:
    """Where the samples of each cell lie along a side of a box, from its middle: [cells, samples]."""
    cell = size / np.float32(cells)
    if not samples and not cell <= MAX_SAMPLES:
        raise ew.InputError(f"a box has a side of {size:g} pixels", hint="Clip the boxes, or give a sampling_ratio.")
    each = samples or max(math.ceil(cell), 0)
    inside = (np.arange(each, dtype=np.float32) + np.float32(0.5)) * (cell / np.float32(max(each, 1)))
    return np.asarray(-size / 2 + np.arange(cells, dtype=np.float32)[:, None] * cell + inside, np.float32)


def _bilinear(x: Array, rows: Array, columns: Array) -> Array:
    """Samples [C, *points]: 0 beyond a pixel outside, else from the nearest place inside."""
    height, width = x.shape[1:]
    inside = (rows >= -1) & (rows <= height) & (columns >= -1) & (columns <= width)
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = rows - top, columns - left
    above = x[:, top, left] * (1 - across) + x[:, top, right] * across
    below = x[:, bottom, left] * (1 - across) + x[:, bottom, right] * across
    return np.asarray(np.where(inside, above * (1 - down) + below * down, np.float32(0)), np.float32)


@ew.tactic(RoIAlignRotated, kernel=KERNELS["roi_align_rotated_f32"])
def roi_align_rotated(op: RoIAlignRotated, x: ew.TensorSpec, rois: ew.TensorSpec) -> ew.Launch | str:
    """Boxes side by side; the places of the samples are found once for all channels."""
    if reason := needs_float32(x):
        return reason
    return ew.Launch(params=(float(op.spatial_scale), op.sampling_ratio, int(op.aligned), int(op.clockwise)))


@ew.tactic(RoIAlignRotated, kernel=CUDA_KERNELS["roi_align_rotated"])
def roi_align_rotated_cuda(op: RoIAlignRotated, x: ew.TensorSpec, rois: ew.TensorSpec) -> ew.Launch | str:
    """A thread for each cell of a channel."""
    if reason := needs_cuda_float(x):
        return reason
    return ew.Launch(params=(float(op.spatial_scale), op.sampling_ratio, int(op.aligned), int(op.clockwise)))
