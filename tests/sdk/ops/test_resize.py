"""Tests of Resize and its older forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from enginewright.dims import Dim, evaluate
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.resize import Resize
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import arrays_of, check_against_onnx, check_read, check_static, examples_of, run_node


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Resize)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)


def reads_sizes(op: Resize, inputs: list[Any]) -> bool:
    return inputs[3] is not None


@pytest.mark.parametrize(("op", "inputs"), [c for c in examples_of(Resize) if reads_sizes(c.values[0], c.values[1])])
def test_sizes_read_at_run_time(op: Operator, inputs: list[Any]) -> None:
    check_read(op, inputs)


def taken_by_onnx(op: Resize, inputs: list[Any]) -> bool:
    """Not the modes of old versions; nor a place exactly between two pixels, which rounding decides."""
    tie = op.mode == "nearest" and op.coordinate_transformation_mode == "half_pixel_symmetric"
    old = op.nearest_mode == "simple" or op.coordinate_transformation_mode == "tf_half_pixel_for_nn"
    return not old and not (tie and inputs[2] is not None and inputs[2].min() < 1)


@pytest.mark.parametrize(("op", "inputs"), [c for c in examples_of(Resize) if taken_by_onnx(c.values[0], c.values[1])])
def test_reference(op: Resize, inputs: list[Any]) -> None:
    half = str(inputs[0].dtype) == "float16"
    names = {"exclude_outside": int(op.exclude_outside), "antialias": int(op.antialias)}
    check_against_onnx(op, inputs, rtol=2e-3 if half else 1e-4, atol=2e-3 if half else 1e-5, opset=19, **names)


@pytest.mark.parametrize("scale", [0.6, 1.7, 3.0])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_first_version(mode: str, scale: float) -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 7)).astype(np.float32)
    scales = np.array([1, 1, scale, scale], np.float32)
    node = onnx.helper.make_node("Resize", ["x", "s"], ["y"], mode=mode)
    expected = run_node(node, {"x": x, "s": scales}, opset=10)[0]
    op = Resize(mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="simple")
    np.testing.assert_allclose(op.reference(x, None, scales), expected, rtol=1e-5, atol=1e-6)


def test_half_pixel_for_nearest() -> None:
    op = Resize(coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor", axes=(0,))
    found = op.reference(np.arange(4, dtype=np.float32), None, None, np.array([8]))
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize(("policy", "expected"), [("not_larger", (1, 1, 10, 14)), ("not_smaller", (1, 1, 20, 28))])
def test_aspect_ratio_is_kept(policy: str, expected: tuple[int, ...]) -> None:
    op = Resize(axes=(2, 3), keep_aspect_ratio_policy=policy)
    sizes = TensorSpec(int64, (2,), (10, 28))
    assert op.infer(TensorSpec(float32, (1, 1, 5, 7)), None, None, sizes).shape == expected
    symbolic = op.infer(TensorSpec(float32, (1, 1, Dim("h"), Dim("w"))), None, None, sizes).shape
    assert tuple(evaluate(size, {"h": 5, "w": 7}) for size in symbolic) == expected


def test_sizes_follow_scales() -> None:
    scales = TensorSpec(float32, (4,), (1.0, 1.0, 2.0, 0.5))
    shape = Resize().infer(TensorSpec(float32, (Dim("n"), 3, Dim("h"), 9)), None, scales).shape
    assert shape == (Dim("n"), 3, Dim("h") * 2, 4)
    free = Resize().infer(TensorSpec(float32, (2, 3, 4, 9)), None, TensorSpec(float32, (4,))).shape
    assert all(isinstance(size, Dim) and size.atoms[0].kind == "data" for size in free)


@pytest.mark.parametrize(
    "op", [Resize(mode="area"), Resize(nearest_mode="up"), Resize(coordinate_transformation_mode="tf_crop_and_resize")]
)
def test_words_that_are_not_allowed(op: Resize) -> None:
    with pytest.raises(NetworkError):
        op.infer(TensorSpec(float32, (2, 3)), None, None, TensorSpec(int64, (2,), (4, 5)))


def test_either_scales_or_sizes() -> None:
    x, scales, sizes = TensorSpec(float32, (2,)), TensorSpec(float32, (1,), (2.0,)), TensorSpec(int64, (1,), (4,))
    with pytest.raises(NetworkError):
        Resize().infer(x)
    with pytest.raises(NetworkError):
        Resize().infer(x, None, scales, sizes)
    with pytest.raises(ShapeError):
        Resize().infer(x, None, TensorSpec(float32, (2,), (2.0, 2.0)))


def test_arrays_keep_their_type() -> None:
    for op, inputs in Resize.examples():
        arrays = arrays_of(inputs)
        assert arrays[0] is not None
        assert op.reference(*arrays).dtype == arrays[0].dtype
