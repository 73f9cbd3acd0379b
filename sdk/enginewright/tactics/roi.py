"""Runs RoiAlign natively."""

from __future__ import annotations

from enginewright.ops.roi import RoiAlign
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, float32


@tactic(RoiAlign, kernel="cpu_roi_align_f32")
def roi_align_f32(op: RoiAlign, x: TensorSpec, rois: TensorSpec, batch_indices: TensorSpec) -> Launch | str:
    """Box by box."""
    if x.dtype != float32:
        return f"not for {x.dtype}"
    half = op.coordinate_transformation_mode == "half_pixel"
    return Launch(params=(int(half), int(op.mode == "max"), op.sampling_ratio, float(op.spatial_scale)))
