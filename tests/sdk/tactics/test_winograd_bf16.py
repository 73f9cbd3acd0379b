"""Minimal filtering of images of bfloat16: what rounding turned numbers gives, and how far that is off."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.rounded import Rounded
from enginewright.registry.registry import Launch
from enginewright.tactics.rounded import conv_nhwc_bf16, winograd2_nhwc_bf16, winograd4_nhwc_bf16
from enginewright.tensors import TensorSpec, bfloat16, float32
from tests.sdk.tactics.test_matrix_kernels import ISAS, call, normal, packed

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]], np.float32)
FILTER = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, 1]])
CASES: list[tuple[Conv, Shape, Shape]] = [
    (Conv(padding=1), (2, 8, 5, 8), (8, 8, 3, 3)),
    (Conv(padding=1), (2, 34, 13, 14), (33, 34, 3, 3)),
    (Conv(), (1, 66, 20, 3), (17, 66, 3, 3)),
    (Conv(padding=(0, 1, 2, 0)), (1, 256, 12, 15), (70, 256, 3, 3)),
    (Conv(group=2, padding=1), (1, 36, 9, 7), (34, 18, 3, 3)),
]
OTHERS: list[tuple[Conv, Shape, Shape]] = [
    (Conv(padding=2), (1, 32, 9, 14), (20, 32, 5, 5)),
    (Conv(group=3, padding=2), (1, 48, 13, 8), (51, 16, 5, 5)),
    (Conv(stride=2, padding=3), (2, 4, 40, 45), (64, 4, 7, 7)),
    (Conv(stride=4, padding=(2, 9, 3, 0)), (2, 4, 29, 31), (17, 4, 11, 11)),
    (Conv(stride=2, padding=1), (1, 34, 12, 15), (33, 34, 3, 3)),
    (Conv(stride=2, padding=(0, 1, 1, 0)), (2, 4, 17, 12), (20, 4, 3, 3)),
    (Conv(padding=1), (1, 16, 8, 9), (16, 16, 2, 2)),
]


def rounded(array: Array) -> Array:
    return np.asarray(array.astype(np.float32).astype(ml_dtypes.bfloat16))


def outputs(tactic: Any, isa: str, op: Conv, arrays: list[Array]) -> Array | None:
    """What a kernel gives as float32, the same for one thread and two; None if the tactic can't."""
    image, weight, bias = arrays
    many = TensorSpec(bfloat16, (64, *image.shape[1:]))  # few tiles go to other tactics, but the kernel takes them
    launch = tactic(Rounded(ChannelsLast(op)), many, *(TensorSpec(float32, y.shape) for y in (weight, bias)))
    if not isinstance(launch, Launch):
        return None
    pack = launch.pack[1]
    params: Any = launch.params
    panels = packed(f"{pack.kernel}@{isa}", weight, pack.size, pack.params)  # type: ignore[arg-type]
    wanted = op.reference(np.moveaxis(image.astype(np.float32), -1, 1), weight, bias)
    shape = np.moveaxis(wanted, 1, -1).shape
    found = [call(f"cpu_{tactic.__name__}@{isa}", [image, panels, bias], shape, params, n) for n in (1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    return found[0]


def drawn(x: Shape, w: Shape) -> list[Array]:
    image = rounded(np.moveaxis(normal(*x), 1, -1))
    return [np.ascontiguousarray(image), normal(*w), normal(w[0])]


def turned_by_hand(op: Conv, image: Array, weight: Array, bias: Array) -> Array:
    """F(2, 3) with rounding where the kernel rounds, and exact sums."""
    window = op.window(TensorSpec(float32, np.moveaxis(image, -1, 1).shape), TensorSpec(float32, weight.shape))
    sizes = [
        image.shape[1 + i] + window.begins[i] + window.ends[i] - 2
        for i in range(2)  # type: ignore[operator]
    ]
    tiles = [-(-size // 2) for size in sizes]
    pads = [(window.begins[i], 2 * tiles[i] + 2 - image.shape[1 + i] - window.begins[i]) for i in range(2)]
    padded = np.pad(image.astype(np.float32), [(0, 0), *pads, (0, 0)])  # type: ignore[arg-type]
    u = rounded(np.einsum("ai,mcij,bj->mcab", FILTER, weight.astype(np.float64), FILTER)).astype(np.float64)
    per_group, channels = len(weight) // op.group, weight.shape[1]
    out = np.zeros((len(image), 2 * tiles[0], 2 * tiles[1], len(weight)))
    for y in range(tiles[0]):
        for x in range(tiles[1]):
            d = padded[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4]
            columns = np.einsum("ai,nijc->najc", INPUT, d)
            v = rounded(np.einsum("bj,najc->nabc", INPUT, columns)).astype(np.float64)
            for g in range(op.group):
                m, c = slice(g * per_group, (g + 1) * per_group), slice(g * channels, (g + 1) * channels)
                products = np.einsum("nabc,mcab->nabm", v[..., c], u[m])
                out[:, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2, m] = np.einsum(
                    "ia,nabm,jb->nijm", OUTPUT, products, OUTPUT
                )
    return out[:, : sizes[0], : sizes[1]] + bias


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), CASES)
def test_products_are_of_rounded_turned_numbers(isa: str, op: Conv, x: Shape, w: Shape) -> None:
    """Nothing but turned images and weights is rounded: 4e-6 of the largest element, as sums of float32 are."""
    arrays = drawn(x, w)
    found, wanted = outputs(winograd2_nhwc_bf16, isa, op, arrays), turned_by_hand(op, *arrays)
    assert found is not None
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), CASES + OTHERS)
def test_errors_beside_those_of_plain_products(isa: str, op: Conv, x: Shape, w: Shape) -> None:
    """2.6 times as large at most, as nothing rounds an image that is bfloat16, and 1e-2 of the largest element.

    With products of float32 there is next to no error.
    """
    arrays = drawn(x, w)
    image = np.moveaxis(arrays[0].astype(np.float64), -1, 1)
    wanted = np.moveaxis(op.reference(image, *(array.astype(np.float64) for array in arrays[1:])), 1, -1)
    plain = outputs(conv_nhwc_bf16, isa, op, arrays)
    assert plain is not None
    ran = 0
    for tactic, times, bound in ((winograd2_nhwc_bf16, 2.6, 1e-2), (winograd4_nhwc_bf16, 1e-2, 1e-5)):
        found = outputs(tactic, isa, op, arrays)
        if found is None:
            continue
        assert np.linalg.norm(found - wanted) < times * np.linalg.norm(plain - wanted)
        assert np.abs(found - wanted).max() < bound * np.abs(wanted).max()
        ran += 1
    assert ran


def test_infinity_and_nan_reach_their_tiles_only() -> None:
    op, (image, weight, bias) = Conv(padding=1), drawn((1, 32, 8, 8), (16, 32, 3, 3))
    clean = outputs(winograd2_nhwc_bf16, ISAS[0], op, [image, weight, bias])
    image[0, 0, 0, 3], image[0, 7, 7, 4] = np.inf, np.nan
    found = outputs(winograd2_nhwc_bf16, ISAS[0], op, [image, weight, bias])
    assert clean is not None
    assert found is not None
    touched = np.zeros((8, 8), bool)
    touched[:2, :2] = touched[6:, 6:] = True
    assert not np.isfinite(found[0][touched]).all(axis=-1).any()
    np.testing.assert_array_equal(found[0][~touched], clean[0][~touched])


def test_tactics_are_for_outputs_of_bfloat16() -> None:
    """A float32 output would show more digits than there are."""
    specs = [TensorSpec(bfloat16, (1, 16, 16, 32)), TensorSpec(float32, (32, 32, 3, 3))]
    for tactic in (winograd2_nhwc_bf16, winograd4_nhwc_bf16):
        launch = tactic(Rounded(ChannelsLast(Conv(padding=1))), *specs)
        assert isinstance(launch, Launch)
        assert launch.output is bfloat16
        wide = tactic(Rounded(ChannelsLast(Conv(padding=1))), specs[0].with_dtype(float32), specs[1])
        assert wide == "needs an image of bfloat16"
