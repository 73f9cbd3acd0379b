"""Resize: images and other tensors made larger or smaller by nearest, linear or cubic interpolation, axis by axis.

Methods of `Network`, written by ``make methods`` from ops/resize.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import resize as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Resize(_Adder):
    """One method an operator of ops/resize.py."""

    def resize(
        self,
        x: Tensor,
        roi: Tensor | None = None,
        scales: Tensor | None = None,
        sizes: Tensor | None = None,
        *,
        mode: str = "nearest",
        coordinate_transformation_mode: str = "half_pixel",
        nearest_mode: str = "round_prefer_floor",
        cubic_coeff_a: float = -0.75,
        exclude_outside: bool = False,
        extrapolation_value: float = 0.0,
        antialias: bool = False,
        axes: tuple[int, ...] = (),
        keep_aspect_ratio_policy: str = "stretch",
        name: str = "",
    ) -> Tensor:
        """x resized by `scales` (floats) or to `sizes` (int64), one for each of `axes` (all where there are none).

        `mode`: nearest, linear or cubic. `coordinate_transformation_mode` maps output to input coordinates as in ONNX;
        for tf_crop_and_resize `roi` holds the starts and then the ends of the crop in units of the axes, and what lies
        outside is `extrapolation_value`. `nearest_mode` simple rounds down when enlarging and up when shrinking.
        """
        return self.add(
            ops.Resize(
                mode=mode,
                coordinate_transformation_mode=coordinate_transformation_mode,
                nearest_mode=nearest_mode,
                cubic_coeff_a=cubic_coeff_a,
                exclude_outside=exclude_outside,
                extrapolation_value=extrapolation_value,
                antialias=antialias,
                axes=axes,
                keep_aspect_ratio_policy=keep_aspect_ratio_policy,
            ),
            x,
            roi,
            scales,
            sizes,
            name=name,
        )[0]
