"""GridSampler against PyTorch and against ONNX's own GridSample, and by its MMCV name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.ops.grid_sample import GridSample
from enginewright_plugins.grid_sampler import GridSampler
from tests.plugins.models import one_node
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
EXAMPLES = list(GridSampler.examples())
MODES, PADDINGS = ("bilinear", "nearest"), ("zeros", "border", "reflection")


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: GridSampler, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: GridSampler, inputs: list[Any]) -> None:
    check_native(op, inputs)


def by_torch(op: GridSampler, x: Array, grid: Array) -> Array:
    made = torch.nn.functional.grid_sample(
        torch.from_numpy(x), torch.from_numpy(grid), MODES[op.interpolation_mode], PADDINGS[op.padding_mode],
        op.align_corners,
    )  # fmt: skip
    return np.asarray(made)


@pytest.mark.parametrize("rank", [4, 5])
@pytest.mark.parametrize(("op", "_"), EXAMPLES[:-1])
def test_as_torch(op: GridSampler, _: Any, rank: int) -> None:
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((2, 3, 5, 4, 6)[:rank]).astype(np.float32)
    grid = ((rng.random((2, 4, 5, 6)[: rank - 1]) - 0.5) * 9)[..., None].repeat(rank - 2, -1).astype(np.float32)
    grid += rng.standard_normal(grid.shape).astype(np.float32)
    np.testing.assert_allclose(op.reference(x, grid), by_torch(op, x, grid), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("op", "inputs"), [e for e in EXAMPLES[:-1] if e[0].interpolation_mode == 0])
def test_as_onnx(op: GridSampler, inputs: list[Any], tmp_path: Path) -> None:
    wanted = GridSample("linear", PADDINGS[op.padding_mode], op.align_corners).reference(*inputs)
    np.testing.assert_allclose(op.reference(*inputs), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run_saved(op, inputs, tmp_path)[0], wanted, rtol=1e-4, atol=1e-5)


def test_by_its_mmcv_name() -> None:
    op, (x, grid) = EXAMPLES[2]
    model = one_node(
        "mmcv::grid_sampler", {"x": x, "grid": grid}, ["y"], interpolation_mode=op.interpolation_mode,
        padding_mode=op.padding_mode, align_corners=int(op.align_corners),
    )  # fmt: skip
    found = ew.load(ew.build(model, QUIET)).run({"x": x, "grid": grid})["y"]
    np.testing.assert_allclose(found, op.reference(x, grid), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_no_number_is_nowhere(padding: int, tmp_path: Path) -> None:
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)
    grid = np.full((1, 1, 1, 2), np.nan, np.float32)
    op = GridSampler(padding_mode=padding)
    assert op.reference(x, grid).item() == (1 if padding else 0)
    assert run_saved(op, [x, grid], tmp_path)[0].item() == (1 if padding else 0)


def test_what_does_not_fit_is_refused() -> None:
    x, grid = ew.TensorSpec(ew.float32, (1, 2, 3, 4)), ew.TensorSpec(ew.float32, (1, 5, 5, 2))
    assert GridSampler().infer(x, grid).shape == (1, 2, 5, 5)
    for wrong in ((1, 5, 5, 3), (2, 5, 5, 2), (1, 5, 5, 5, 2)):
        with pytest.raises(ew.ShapeError):
            GridSampler().infer(x, ew.TensorSpec(ew.float32, wrong))
    with pytest.raises(ew.NetworkError, match="interpolation_mode is 2"):
        GridSampler(interpolation_mode=2)
    with pytest.raises(ew.NetworkError, match="padding_mode is 3"):
        GridSampler(padding_mode=3)
