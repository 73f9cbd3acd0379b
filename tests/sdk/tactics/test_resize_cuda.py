"""Resize on a GPU takes the elements that the reference takes, at sizes that no unit divides; or says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.resize import COORDINATES, NEAREST, Resize
from enginewright.registry.registry import Launch
from enginewright.tactics.resize_cuda import resize_cuda
from enginewright.tensors import DataType, TensorSpec, bfloat16, float16, float32, int64, uint8
from tests.sdk.tactics.one_step import OneLayer, arrays_of
from tests.sdk.tactics.test_conformance_cuda import check

CROP = "tf_crop_and_resize"


def spec(*shape: int, dtype: DataType = float32) -> TensorSpec:
    return TensorSpec(dtype, shape)


def sizes(*numbers: int) -> TensorSpec:
    return TensorSpec(int64, (len(numbers),), numbers)


@pytest.mark.parametrize(
    ("op", "dtype", "reason"),
    [
        (Resize(mode="cubic"), float32, "cubic"),
        (Resize(mode="linear", antialias=True), float32, "more than two neighbours"),
        (Resize(mode="linear", exclude_outside=True), float32, "more than two neighbours"),
        (Resize(mode="linear"), uint8, "interpolated on the host"),
        (Resize(coordinate_transformation_mode=CROP), uint8, "interpolated on the host"),
        (Resize(), DataType.BOOL, "not for bool"),
    ],
)
def test_what_the_host_does(op: Resize, dtype: DataType, reason: str) -> None:
    roi = TensorSpec(float32, (4,), (0.0, 0.0, 1.0, 1.0))
    found = resize_cuda(op, spec(4, 5, dtype=dtype), roi, None, sizes(8, 9))
    assert isinstance(found, str)
    assert reason in found


def test_nothing_to_resize() -> None:
    assert isinstance(resize_cuda(Resize(), spec(), None, None, sizes()), str)


@pytest.mark.parametrize("dtype", [float32, float16, bfloat16, uint8, int64])
def test_nearest_takes_elements_of_any_type(dtype: DataType) -> None:
    assert isinstance(resize_cuda(Resize(), spec(4, 5, dtype=dtype), None, None, sizes(8, 9)), Launch)


def on_gpu(op: Resize, shape: tuple[int, ...], wanted: tuple[int, ...], dtype: DataType = float32) -> None:
    (x,) = arrays_of([spec(*shape, dtype=dtype)])
    crop = np.array([0.1] * len(shape) + [1.2] * len(shape), np.float32)
    roi = crop if op.coordinate_transformation_mode == CROP else None
    arrays: list[Any] = [x, roi, None, np.array(wanted)]
    assert check(OneLayer(op, arrays, {1, 3})) == 1


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rule", NEAREST)
def test_nearest_takes_the_same_elements(coordinates: str, rule: str) -> None:
    op = Resize(coordinate_transformation_mode=coordinates, nearest_mode=rule, extrapolation_value=-3.0)
    on_gpu(op, (2, 3, 37, 41), (2, 3, 74, 123))
    on_gpu(op, (1, 29, 31, 7), (1, 13, 11, 7))


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("dtype", [float32, float16, bfloat16, uint8])
@pytest.mark.parametrize("channels", [1, 3, 6, 8, 40])
def test_rows_of_channels_move_in_wide_units(dtype: DataType, channels: int) -> None:
    on_gpu(Resize(), (2, 5, 7, channels), (2, 10, 21, channels), dtype)
    on_gpu(Resize(), (2, channels, 5, 8), (2, channels, 5, 8), dtype)


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("dtype", [float32, float16, bfloat16])
def test_linear_along_all_axes(coordinates: str, dtype: DataType) -> None:
    op = Resize(mode="linear", coordinate_transformation_mode=coordinates, extrapolation_value=2.0)
    on_gpu(op, (2, 3, 19, 23), (2, 3, 40, 11), dtype)
    on_gpu(op, (3, 4, 5), (6, 7, 9), dtype)
    on_gpu(op, (1, 9, 1, 1), (1, 9, 6, 1), dtype)
