"""EfficientNMS against ONNX Runtime's NonMaxSuppression, and by its TensorRT name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import enginewright as ew
from enginewright_plugins.efficient_nms import EfficientNMS
from tests.plugins.models import one_node
from tests.plugins.operators import QUIET, check_native, check_shapes, outputs_of, run_saved

Array = np.ndarray[Any, Any]
EXAMPLES = list(EfficientNMS.examples())


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: EfficientNMS, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: EfficientNMS, inputs: list[Any]) -> None:
    check_native(op, inputs)


def onnxruntime_rows(boxes: Array, scores: Array, op: EfficientNMS, limit: int) -> Array:
    """Rows (class, box) that ONNX Runtime keeps of one image, class by class."""
    tensors = [("boxes", 3), ("scores", 3)]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * r) for n, r in tensors]
    constants = [
        helper.make_tensor("most", TensorProto.INT64, [], [limit]),
        helper.make_tensor("iou", TensorProto.FLOAT, [], [op.iou_threshold]),
        helper.make_tensor("least", TensorProto.FLOAT, [], [op.score_threshold]),
    ]
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["rows"])
    output = helper.make_tensor_value_info("rows", TensorProto.INT64, [None, 3])
    graph = helper.make_graph([node], "nms", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (rows,) = session.run(None, {"boxes": boxes[None], "scores": scores.T[None]})
    return np.asarray(rows)[:, 1:]


@pytest.mark.parametrize("agnostic", [False, True])
def test_against_onnxruntime(agnostic: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    low = rng.random((2, 200, 2), np.float32) * 5
    boxes = np.concatenate([low, low + rng.random((2, 200, 2), np.float32) * 3 + 0.2], axis=2)
    scores = rng.random((2, 200, 4), np.float32)
    op = EfficientNMS(score_threshold=0.3, iou_threshold=0.4, max_output_boxes=60, class_agnostic=agnostic)
    for made in (outputs_of(op, [boxes, scores]), run_saved(op, [boxes, scores], tmp_path)):
        for image in range(2):
            found = expected_of(boxes[image], scores[image], op)
            count = int(made[0][image, 0])
            assert count == len(found) > 20
            np.testing.assert_array_equal(made[1][image, :count], boxes[image][[box for _, box in found]])
            np.testing.assert_array_equal(made[2][image, :count], [scores[image, box, label] for label, box in found])
            np.testing.assert_array_equal(made[3][image, :count], [label for label, _ in found])
            assert not any(output[image, count:].any() for output in made[1:])


def expected_of(boxes: Array, scores: Array, op: EfficientNMS) -> list[tuple[int, int]]:
    """(class, box) of what is kept of one image, best first."""
    if not op.class_agnostic:
        rows = onnxruntime_rows(boxes, scores, op, len(boxes))
        best = sorted((-scores[box, label], label, box) for label, box in rows)
        return [(label, box) for _, label, box in best[: op.max_output_boxes]]
    classes = scores.shape[1]
    rows = onnxruntime_rows(np.repeat(boxes, classes, axis=0), scores.reshape(-1, 1), op, op.max_output_boxes)
    return [(int(row) % classes, int(row) // classes) for _, row in rows]


def test_corrections_of_anchors() -> None:
    """One box: center and size grow as in the SSD paper; corners move by what is added."""
    anchor = np.array([[[2, 3, 4, 2]]], np.float32)
    change = np.array([[[0.5, -0.25, 0, np.log(2)]]], np.float32)
    score = np.ones((1, 1, 1), np.float32)
    _, found, _, _ = EfficientNMS(box_coding=1, max_output_boxes=1).reference(change, score, anchor)
    np.testing.assert_allclose(found[0, 0], [4 - 2, 2.5 - 2, 4 + 2, 2.5 + 2])
    corners = np.array([[[4, 1, 0, 0]]], np.float32)
    _, found, _, _ = EfficientNMS(max_output_boxes=1).reference(corners, score, anchor)
    np.testing.assert_allclose(found[0, 0], [2, 2, 8, 4])


def test_only_the_best_candidates_are_looked_at() -> None:
    """The box of candidate 4097 overlaps no other, and is not found."""
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (1, 5000, 1))
    boxes[0, 4095] = [5, 5, 6, 6]
    boxes[0, 4096] = [8, 8, 9, 9]
    scores = np.linspace(1, 0.5, 5000, dtype=np.float32).reshape(1, 5000, 1)
    op = EfficientNMS()
    count, found, _, _ = op.reference(boxes, scores)
    assert count[0, 0] == 2
    np.testing.assert_array_equal(found[0, 1], [5, 5, 6, 6])
    check_native(op, [boxes, scores])


def test_by_its_tensorrt_name() -> None:
    """A model as the exporters of detectors write it."""
    names = ["num_dets", "det_boxes", "det_scores", "det_classes"]
    boxes, scores = EXAMPLES[0][1]
    model = one_node(
        "TRT::EfficientNMS_TRT", {"boxes": boxes, "scores": scores}, names,
        background_class=-1, box_coding=0, iou_threshold=0.45, max_output_boxes=10, plugin_version="1",
        score_activation=0, score_threshold=0.25,
    )  # fmt: skip
    made = ew.load(ew.build(model, QUIET)).run({"boxes": boxes, "scores": scores})
    expected = EfficientNMS(iou_threshold=0.45, max_output_boxes=10).reference(boxes, scores)
    for name, wanted in zip(names, expected, strict=True):
        np.testing.assert_allclose(made[name], wanted, rtol=1e-6)


def test_mistakes_are_named() -> None:
    with pytest.raises(ew.NetworkError, match="box_coding is 2"):
        EfficientNMS(box_coding=2)
    with pytest.raises(ew.NetworkError, match="max_output_boxes is 0"):
        EfficientNMS(max_output_boxes=0)
    net = ew.Network()
    boxes, scores = net.input("boxes", ew.float32, (1, 8, 4)), net.input("scores", ew.float32, (1, 9, 2))
    with pytest.raises(ew.ShapeError):
        net.op("ew_plugins::EfficientNMS", boxes, scores)
    with pytest.raises(ew.DataTypeError, match="int32"):
        net.op("ew_plugins::EfficientNMS", net.input("i", ew.int32, (1, 8, 4)), scores)
