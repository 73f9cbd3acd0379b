"""NonMaxSuppression: of boxes that overlap only the one with the highest score stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim, Size, dim_max, dim_min, same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::NonMaxSuppression")
class NonMaxSuppression:
    """The chosen boxes as rows (batch, class, box) of int64, batch by batch, class by class, highest score first.

    boxes [B, N, 4] are two corners (y, x, y, x) in any order, or with `center_point_box` (x, y, width, height); scores
    [B, C, N]. A box is dropped if its score is not above score_threshold, or if its intersection over union with a
    chosen one of the class is above iou_threshold (0 if left out). Without max_output_boxes_per_class there is none.
    """

    center_point_box: bool = False

    def infer(
        self,
        boxes: TensorSpec,
        scores: TensorSpec,
        max_output_boxes_per_class: TensorSpec | None = None,
        iou_threshold: TensorSpec | None = None,
        score_threshold: TensorSpec | None = None,
    ) -> TensorSpec:
        """[as many as chosen, 3]."""
        check_type(boxes, (float32,), "boxes")
        check_type(scores, (float32,), "scores")
        if boxes.rank != 3 or scores.rank != 3:
            raise ShapeError("boxes and scores need 3 axes", hint="Give boxes [B, N, 4] and scores [B, C, N].")
        same(boxes.shape[0], scores.shape[0])
        same(boxes.shape[1], scores.shape[2])
        same(boxes.shape[2], 4)
        for spec in (iou_threshold, score_threshold):
            if spec is not None:
                check_type(spec, (float32,), "a threshold")
        most: Size = 0
        if max_output_boxes_per_class is not None:
            check_type(max_output_boxes_per_class, (int64,), "max_output_boxes_per_class")
            limit = max_output_boxes_per_class.constants()
            most = dim_min(dim_max(limit[0], 0), boxes.shape[1]) if limit else boxes.shape[1]
        return TensorSpec(int64, (Dim.data(most * scores.shape[0] * scores.shape[1]), 3))

    def reference(
        self,
        boxes: Array,
        scores: Array,
        max_output_boxes_per_class: Array | None = None,
        iou_threshold: Array | None = None,
        score_threshold: Array | None = None,
    ) -> Array:
        """Greedy; of equal scores the box with the lower index comes first."""
        most = 0 if max_output_boxes_per_class is None else int(max_output_boxes_per_class.reshape(()))
        overlap = np.float32(0) if iou_threshold is None else np.float32(iou_threshold.reshape(()))
        rows: list[tuple[int, int, int]] = []
        for batch in range(scores.shape[0]):
            corners = self._corners(boxes[batch])
            for group in range(scores.shape[1]):
                found = scores[batch, group]
                order = np.argsort(-found, kind="stable")
                if score_threshold is not None:
                    order = order[found[order] > score_threshold.reshape(())]
                rows.extend((batch, group, box) for box in _chosen(corners, order, overlap, most))
        return np.array(rows, np.int64).reshape(-1, 3)

    def _corners(self, boxes: Array) -> Array:
        """Boxes as the smaller and the larger corner."""
        if self.center_point_box:
            half = boxes[:, 2:] / np.float32(2)
            return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
        a, b = boxes[:, :2], boxes[:, 2:]
        return np.concatenate([np.minimum(a, b), np.maximum(a, b)], axis=1)

    @staticmethod
    def examples() -> Iterator[tuple[NonMaxSuppression, list[TensorSpec | Array | None]]]:
        """Both box forms, batches and classes, thresholds, no limit."""
        rng = np.random.default_rng(3)
        corners = (rng.random((2, 30, 2)) * 10).astype(np.float32)
        boxes = np.concatenate([corners, corners + rng.random((2, 30, 2)).astype(np.float32) * 5], axis=2)
        scores = rng.random((2, 3, 30)).astype(np.float32)
        most, overlap, least = np.array([4]), np.array([0.3], np.float32), np.array([0.4], np.float32)
        yield NonMaxSuppression(), [boxes, scores, most, overlap, least]
        yield NonMaxSuppression(), [boxes[..., [2, 1, 0, 3]], scores, np.array(100), overlap, None]
        yield NonMaxSuppression(center_point_box=True), [boxes, scores, most, overlap, least]
        yield NonMaxSuppression(), [boxes, scores, most, None, None]
        yield NonMaxSuppression(), [boxes, scores, None, None, None]


def _chosen(corners: Array, order: Array, overlap: np.float32, most: int) -> list[int]:
    kept: list[int] = []
    for box in order:
        if len(kept) >= most:
            break
        if all(intersection_over_union(corners[box], corners[other]) <= overlap for other in kept):
            kept.append(int(box))
    return kept


def intersection_over_union(a: Array, b: Array) -> float:
    """Of two boxes given by smaller and larger corner; 0 where they don't overlap or one is empty."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    areas = [float(np.prod(box[2:] - box[:2])) for box in (a, b)]
    if min(sides) <= 0 or min(areas) <= 0:
        return 0.0
    shared = float(np.prod(sides))
    return shared / (sum(areas) - shared)


@onnx_rule("ai.onnx::NonMaxSuppression", since=10)
def non_max_suppression(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    optional = [node.optional(index) for index in range(2, 5)]
    center = bool(node.integer("center_point_box", 0))
    return net.non_max_suppression(node.input(0), node.input(1), *optional, center_point_box=center)
