"""Regions of interest: RoiAlign and MaxRoiPool cut boxes out of a feature map, each to the same size.

Methods of `Network`, written by ``make methods`` from ops/roi.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import roi as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Roi(_Adder):
    """One method an operator of ops/roi.py."""

    def max_roi_pool(
        self, x: Tensor, rois: Tensor, *, pooled_shape: tuple[int, int], spatial_scale: float = 1.0, name: str = ""
    ) -> Tensor:
        """The largest elements of a grid of pooled_shape bins over each box of rois [R, 5] (image, x, y, x, y)."""
        return self.add(ops.MaxRoiPool(pooled_shape=pooled_shape, spatial_scale=spatial_scale), x, rois, name=name)[0]

    def roi_align(
        self,
        x: Tensor,
        rois: Tensor,
        batch_indices: Tensor,
        *,
        coordinate_transformation_mode: str = "half_pixel",
        mode: str = "avg",
        output_height: int = 1,
        output_width: int = 1,
        sampling_ratio: int = 0,
        spatial_scale: float = 1.0,
        name: str = "",
    ) -> Tensor:
        """Each box of rois [R, 4] (x, y, x, y) of image batch_indices [R] of x [N, C, H, W] sampled to one size.

        That is output_height x output_width bins; in each, `sampling_ratio` points an axis (0: as many as it has
        pixels) are interpolated, and `mode` takes their avg or max. Boxes are multiplied by spatial_scale.
        `coordinate_transformation_mode`: half_pixel or output_half_pixel.
        """
        return self.add(
            ops.RoiAlign(
                coordinate_transformation_mode=coordinate_transformation_mode,
                mode=mode,
                output_height=output_height,
                output_width=output_width,
                sampling_ratio=sampling_ratio,
                spatial_scale=spatial_scale,
            ),
            x,
            rois,
            batch_indices,
            name=name,
        )[0]
