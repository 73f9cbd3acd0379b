"""RoIAlignRotated against PyTorch's grid_sample and ONNX Runtime's RoiAlign, and by its MMCV name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

import enginewright as ew
from enginewright_plugins.roi_align_rotated import RoIAlignRotated
from tests.plugins.models import one_node
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
EXAMPLES = list(RoIAlignRotated.examples())
RNG = np.random.default_rng(11)
X = RNG.standard_normal((2, 3, 16, 20)).astype(np.float32)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: RoIAlignRotated, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: RoIAlignRotated, inputs: list[Any]) -> None:
    check_native(op, inputs)


@pytest.mark.parametrize("aligned", [False, True])
def test_without_rotation_as_onnxruntime(aligned: bool) -> None:
    corners = RNG.random((8, 2)) * 14 - 2
    sizes = RNG.random((8, 2)) * 14 + 1.4  # unaligned smaller ones grow from the center here, from a corner there
    boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
    images = RNG.integers(0, 2, 8)
    rois = np.column_stack([images, corners + sizes / 2, sizes, np.zeros(8)]).astype(np.float32)
    for samples in (0, 2):
        found = RoIAlignRotated(4, 3, 0.75, samples, aligned=aligned).reference(X, rois)
        wanted = onnxruntime_roi_align(X, boxes, images, aligned, samples)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def onnxruntime_roi_align(x: Array, boxes: Array, images: Array, aligned: bool, samples: int) -> Array:
    mode = "half_pixel" if aligned else "output_half_pixel"
    node = helper.make_node(
        "RoiAlign", ["x", "boxes", "images"], ["y"], coordinate_transformation_mode=mode, mode="avg",
        output_height=4, output_width=3, sampling_ratio=samples, spatial_scale=0.75,
    )  # fmt: skip
    inputs = [
        helper.make_tensor_value_info(name, kind, [None] * rank)
        for name, kind, rank in (("x", 1, 4), ("boxes", 1, 2), ("images", 7, 1))
    ]
    graph = helper.make_graph([node], "roi", inputs, [helper.make_tensor_value_info("y", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": x, "boxes": boxes, "images": images})
    return np.asarray(made)


@pytest.mark.parametrize("clockwise", [False, True])
def test_rotated_as_grid_sample(clockwise: bool, tmp_path: Path) -> None:
    """Boxes inside the image: the points of a turned grid, sampled by PyTorch."""
    rois = np.array([[0, 9, 8, 6, 4, 0.5], [1, 11, 7, 3, 7, -2.2], [1, 8, 8, 5, 5, math.pi / 2]], np.float32)
    op = RoIAlignRotated(4, 3, 1, 2, clockwise=clockwise)
    wanted = np.stack([turned(X[int(roi[0])], roi[1:], clockwise) for roi in rois])
    np.testing.assert_allclose(op.reference(X, rois), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run_saved(op, [X, rois], tmp_path)[0], wanted, rtol=1e-4, atol=1e-4)


def turned(x: Array, roi: Array, clockwise: bool) -> Array:
    """Means of 2 × 2 samples in 4 × 3 cells; a counterclockwise angle turns x towards smaller rows."""
    angle = roi[4] if clockwise else -roi[4]
    columns, rows = np.meshgrid((np.arange(6) + 0.5) / 6 - 0.5, (np.arange(8) + 0.5) / 8 - 0.5)
    across, down = columns * roi[2], rows * roi[3]
    place = complex(roi[0], roi[1]) + (across + 1j * down) * np.exp(1j * angle)
    grid = np.stack([place.real / x.shape[2] * 2 - 1, place.imag / x.shape[1] * 2 - 1], axis=-1)
    sampled = torch.nn.functional.grid_sample(
        torch.from_numpy(x[None]), torch.from_numpy(grid[None].astype(np.float32)), align_corners=False
    )
    return np.asarray(sampled[0].reshape(-1, 4, 2, 3, 2).mean(dim=(2, 4)))


def test_by_its_mmcv_name() -> None:
    x, rois = EXAMPLES[0][1]
    model = one_node(
        "mmcv::MMCVRoIAlignRotated", {"x": x, "rois": rois}, ["y"],
        output_height=3, output_width=4, spatial_scale=0.5, sampling_ratio=2, aligned=1, clockwise=0,
    )  # fmt: skip
    found = ew.load(ew.build(model, QUIET)).run({"x": x, "rois": rois})["y"]
    np.testing.assert_allclose(found, EXAMPLES[0][0].reference(x, rois), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("column", "value", "message"), [(0, 2, "box 1 is on image 2"), (0, np.nan, "image nan"), (3, 1e9, "pixels")]
)
def test_bad_boxes_are_refused(column: int, value: float, message: str) -> None:
    rois = np.array([[0, 5, 5, 4, 4, 0], [1, 5, 5, 4, 4, 0]], np.float32)
    op, net = RoIAlignRotated(2, 2), ew.Network()
    net.output("y", *net.add(op, net.input("x", ew.float32, X.shape), net.input("rois", ew.float32, rois.shape)))
    engine = ew.load(ew.build(net, QUIET))
    engine.run({"x": X, "rois": rois})
    rois[1, column] = value
    with pytest.raises(ew.InputError, match=message):
        op.reference(X, rois)
    with pytest.raises(ew.RunError, match=message):
        engine.run({"x": X, "rois": rois})


def test_wrong_fields_are_named() -> None:
    with pytest.raises(ew.NetworkError, match="0 x 7 cells"):
        RoIAlignRotated(output_height=0)
    with pytest.raises(ew.NetworkError, match="spatial_scale"):
        RoIAlignRotated(spatial_scale=0.0)
