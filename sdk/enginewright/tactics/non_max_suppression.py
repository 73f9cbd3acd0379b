"""Runs NonMaxSuppression natively."""

from __future__ import annotations

from enginewright.ops.non_max_suppression import NonMaxSuppression
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec


@tactic(NonMaxSuppression, kernel="cpu_non_max_suppression")
def non_max_suppression(
    op: NonMaxSuppression,
    boxes: TensorSpec,
    scores: TensorSpec,
    max_output_boxes_per_class: TensorSpec | None = None,
    iou_threshold: TensorSpec | None = None,
    score_threshold: TensorSpec | None = None,
) -> Launch | str:
    """Class by class: sorted by score, each box against those that are kept."""
    batches, classes, count = scores.shape
    workspace = batches * count * 16 + batches * classes * (count + 1) * 8
    return Launch(params=(int(op.center_point_box),), workspace=workspace)
