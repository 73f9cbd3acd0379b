"""EfficientNMS: the best ones of the boxes that a detector proposes, in outputs of fixed size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, check_rank, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]
MAX_CANDIDATES = 4096
"""Of each image only so many of the best scores are looked at, as TensorRT does."""
CORNERS, CENTER_SIZE = 0, 1


@ew.operator("ew_plugins::EfficientNMS", version=1, onnx=["TRT::EfficientNMS_TRT"])
class EfficientNMS:
    """Outputs num_detections int32 [B, 1], boxes [B, M, 4], scores [B, M], classes int32 [B, M]; M = max_output_boxes.

    boxes [B, N, 4] or, one for each class, [B, N, C, 4]; scores [B, N, C]; with anchors [B or 1, N, 4] the boxes are
    corrections of these. `box_coding` 0: two corners, 1: center and size; outputs are corners. A score below
    `score_threshold` and the class `background_class` are left out; a box falls to a better one of its class (of any
    class where `class_agnostic`) if their intersection over union reaches `iou_threshold`. Best score first, of equal
    ones the first box, then the first class. With `score_activation` scores go through a sigmoid. Rows behind
    num_detections are 0. After TensorRT's plugin EfficientNMS_TRT.
    """

    score_threshold: float = 0.25
    iou_threshold: float = 0.5
    max_output_boxes: int = 100
    background_class: int = -1
    score_activation: bool = False
    class_agnostic: bool = False
    box_coding: int = CORNERS

    def __post_init__(self) -> None:
        """Check the fields."""
        limits = {
            f"box_coding is {self.box_coding}, neither 0 nor 1": self.box_coding not in (CORNERS, CENTER_SIZE),
            f"max_output_boxes is {self.max_output_boxes}, not positive": self.max_output_boxes <= 0,
        }
        check_fields("EfficientNMS", limits)

    def infer(
        self, boxes: ew.TensorSpec, scores: ew.TensorSpec, anchors: ew.TensorSpec | None = None
    ) -> tuple[ew.TensorSpec, ew.TensorSpec, ew.TensorSpec, ew.TensorSpec]:
        """Sizes do not depend on what is found."""
        check_float("boxes", boxes)
        check_float("scores", scores, boxes)
        check_rank("boxes", boxes, 3, 4)
        check_rank("scores", scores, 3)
        batch = ew.same(boxes.shape[0], scores.shape[0])
        ew.same(boxes.shape[1], scores.shape[1])
        ew.same(boxes.shape[-1], 4)
        if boxes.rank == 4:
            ew.same(boxes.shape[2], scores.shape[2])
        if anchors is not None:
            check_float("anchors", anchors, boxes)
            check_rank("anchors", anchors, 3)
            ew.same(ew.dim_broadcast(batch, anchors.shape[0]), batch)
            ew.same(anchors.shape[1], boxes.shape[1])
            ew.same(anchors.shape[2], 4)
        most = self.max_output_boxes
        return (
            ew.TensorSpec(ew.int32, (batch, 1)),
            ew.TensorSpec(boxes.dtype, (batch, most, 4)),
            ew.TensorSpec(boxes.dtype, (batch, most)),
            ew.TensorSpec(ew.int32, (batch, most)),
        )

    def reference(self, boxes: Array, scores: Array, anchors: Array | None = None) -> tuple[Array, ...]:
        """Image by image: sort, then each candidate against those that are kept."""
        batch, most = scores.shape[0], self.max_output_boxes
        count = np.zeros((batch, 1), np.int32)
        kept_boxes, kept_scores = np.zeros((batch, most, 4), boxes.dtype), np.zeros((batch, most), boxes.dtype)
        kept_classes = np.zeros((batch, most), np.int32)
        for image in range(batch):
            own = None if anchors is None else anchors[image % anchors.shape[0]].astype(np.float32)
            found = self._detect(boxes[image].astype(np.float32), scores[image].astype(np.float32), own)
            count[image] = len(found)
            for row, (corners, score, label) in enumerate(found):
                kept_boxes[image, row], kept_scores[image, row], kept_classes[image, row] = corners, score, label
        return count, kept_boxes, kept_scores, kept_classes

    def _detect(self, boxes: Array, scores: Array, anchors: Array | None) -> list[tuple[Array, float, int]]:
        classes = scores.shape[1]
        flat = scores.reshape(-1)
        order = np.argsort(-flat, kind="stable")
        order = order[(flat[order] >= self.raw_threshold) & (order % max(classes, 1) != self.background_class)]
        kept: list[tuple[Array, float, int]] = []
        for index in order[:MAX_CANDIDATES]:
            box, label = divmod(int(index), classes)
            own = boxes[box] if boxes.ndim == 2 else boxes[box, label]
            corners = self._corners(own, None if anchors is None else anchors[box])
            rivals = (other for other, _, known in kept if self.class_agnostic or known == label)
            if all(overlap(corners, other) < np.float32(self.iou_threshold) for other in rivals):
                score = flat[index]
                kept.append((corners, 1 / (1 + np.exp(-score)) if self.score_activation else score, label))
            if len(kept) == self.max_output_boxes:
                break
        return kept

    @property
    def raw_threshold(self) -> np.float32:
        """The threshold for scores as they are given: before the sigmoid, if there is one."""
        if not self.score_activation:
            return np.float32(self.score_threshold)
        if not 0 < self.score_threshold < 1:
            return np.float32(-math.inf if self.score_threshold <= 0 else math.inf)
        return np.float32(math.log(self.score_threshold / (1 - self.score_threshold)))

    def _corners(self, box: Array, anchor: Array | None) -> Array:
        if self.box_coding == CORNERS:
            return box if anchor is None else _ordered(box) + _ordered(anchor)
        center, size = box[:2], box[2:]
        if anchor is not None:
            center, size = center * anchor[2:] + anchor[:2], anchor[2:] * np.exp(size)
        return np.concatenate([center - size / 2, center + size / 2])

    @staticmethod
    def examples() -> Iterator[tuple[EfficientNMS, list[Any]]]:
        """Both codings, boxes for all classes and for each, anchors, raw scores, nothing found, no box."""
        rng = np.random.default_rng(5)
        corners = rng.random((2, 18, 2)).astype(np.float32) * 4
        boxes = np.concatenate([corners, corners + rng.random((2, 18, 2), np.float32) * 3 + 0.5], axis=2)
        centers = np.concatenate([corners, rng.random((2, 18, 2), np.float32) * 3 + 0.5], axis=2)
        scores = rng.random((2, 18, 3), np.float32)
        raw = rng.standard_normal((2, 18, 3)).astype(np.float32)
        small = rng.standard_normal((2, 18, 4)).astype(np.float32) / 4
        yield EfficientNMS(max_output_boxes=20), [boxes, scores]
        yield EfficientNMS(class_agnostic=True, background_class=0), [boxes, scores]
        yield EfficientNMS(box_coding=1, score_activation=True, iou_threshold=0.3), [centers, raw]
        yield EfficientNMS(), [np.stack([boxes, boxes + 1, boxes[:, ::-1]], axis=2), scores]
        yield EfficientNMS(score_activation=True), [small, raw, boxes[:1]]
        yield EfficientNMS(box_coding=1, score_threshold=0), [small, scores, centers]
        yield EfficientNMS(score_threshold=2), [boxes, scores]
        yield EfficientNMS(max_output_boxes=3), [boxes[:, :0], scores[:, :0]]


def _ordered(box: Array) -> Array:
    """Smaller corner first."""
    return np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])])


def overlap(a: Array, b: Array) -> float:
    """Intersection over union of two boxes given by corners in any order; 0 where one is empty."""
    a, b = _ordered(a.astype(np.float64)), _ordered(b.astype(np.float64))
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if sides.min() <= 0:
        return 0.0
    shared = float(sides[0] * sides[1])
    return shared / (float(np.prod(a[2:] - a[:2])) + float(np.prod(b[2:] - b[:2])) - shared)


@ew.tactic(EfficientNMS, kernel=KERNELS["efficient_nms_f32"])
def efficient_nms(
    op: EfficientNMS, boxes: ew.TensorSpec, scores: ew.TensorSpec, anchors: ew.TensorSpec | None = None
) -> ew.Launch | str:
    """Images side by side; of the candidates only the best are sorted."""
    if reason := needs_float32(boxes):
        return reason
    return ew.Launch(_params(op), workspace=scores.size * 8)


def _params(op: EfficientNMS) -> tuple[float, ...]:
    flags = int(op.score_activation), int(op.class_agnostic), op.box_coding
    return float(op.raw_threshold), float(np.float32(op.iou_threshold)), MAX_CANDIDATES, op.background_class, *flags


@ew.tactic(EfficientNMS, kernel=CUDA_KERNELS["efficient_nms"])
def efficient_nms_cuda(
    op: EfficientNMS, boxes: ew.TensorSpec, scores: ew.TensorSpec, anchors: ew.TensorSpec | None = None
) -> ew.Launch | str:
    """Scores are gathered by all; a block for each image sorts the best and strikes out."""
    if reason := needs_cuda_float(boxes):
        return reason
    return ew.Launch(_params(op), workspace=scores.size * 8 + scores.shape[0] * 4)
