"""GroupNorm against PyTorch, and by the name that ONNX Runtime gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright_plugins.group_norm import GroupNorm
from tests.plugins.models import one_node
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
EXAMPLES = list(GroupNorm.examples())
RNG = np.random.default_rng(3)
GAMMA, BETA = RNG.standard_normal((2, 24)).astype(np.float32)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: GroupNorm, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: GroupNorm, inputs: list[Any]) -> None:
    check_native(op, inputs)


def by_torch(x: Array, op: GroupNorm) -> Array:
    made = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if op.channels_last else x)
    made = torch.nn.functional.group_norm(made, op.groups, torch.from_numpy(GAMMA), torch.from_numpy(BETA), op.epsilon)
    found = np.asarray(torch.nn.functional.silu(made) if op.activation else made)
    return np.moveaxis(found, 1, -1) if op.channels_last else found


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("activation", [0, 1])
def test_against_torch(last: bool, activation: int, tmp_path: Path) -> None:
    x = (RNG.standard_normal((2, 11, 13, 24) if last else (2, 24, 11, 13)) * 3 + 5).astype(np.float32)
    op = GroupNorm(8, activation=activation, channels_last=last)
    np.testing.assert_allclose(op.reference(x, GAMMA, BETA), by_torch(x, op), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run_saved(op, [x, GAMMA, BETA], tmp_path)[0], by_torch(x, op), rtol=1e-4, atol=2e-5)


def test_many_numbers_far_from_zero() -> None:
    """Sums of a million numbers around 1000 keep the variance of 1."""
    x = (RNG.standard_normal((1, 24, 200, 220)) + 1000).astype(np.float32)
    op = GroupNorm(1, activation=0, channels_last=False)
    check_native(op, [x, GAMMA, BETA])


def test_large_values_and_no_numbers() -> None:
    """SiLU neither overflows nor hides what is no number."""
    x = np.array([[-3e38, 0, 3e38, 1], [np.nan, 1, 2, 3], [-1e4, 200, 300, -300]], np.float32)
    given = [x, np.full(4, 300, np.float32), np.zeros(4, np.float32)]
    op = GroupNorm(4, channels_last=False)
    wide = GroupNorm(1, channels_last=False)
    check_native(op, [x[:, :], *given[1:]])
    check_native(wide, [x[2:], *given[1:]])
    assert np.isnan(wide.reference(x[1:2], *given[1:])).all()


def test_by_its_onnx_runtime_name() -> None:
    x = RNG.standard_normal((1, 6, 5, 24)).astype(np.float32)
    arrays = {"x": x, "gamma": GAMMA, "beta": BETA}
    fields = {"groups": 6, "activation": 1, "epsilon": 1e-5, "channels_last": 1}
    model = one_node("com.microsoft::GroupNorm", arrays, ["y"], **fields)
    found = ew.load(ew.build(model, QUIET)).run(arrays)["y"]
    np.testing.assert_allclose(found, by_torch(x, GroupNorm(6)), rtol=1e-4, atol=1e-5)


def test_mistakes_are_named() -> None:
    spec, channels = ew.TensorSpec(ew.float32, (1, 6, 24)), ew.TensorSpec(ew.float32, (24,))
    with pytest.raises(ew.NetworkError, match="groups is 0"):
        GroupNorm(0)
    with pytest.raises(ew.NetworkError, match="activation is 2"):
        GroupNorm(2, activation=2)
    with pytest.raises(ew.ShapeError):
        GroupNorm(7).infer(spec, channels, channels)
    with pytest.raises(ew.ShapeError, match="1, 1 and 1 axes"):
        GroupNorm(2).infer(channels, channels, channels)
    with pytest.raises(ew.DataTypeError, match="x is int32"):
        GroupNorm(2).infer(spec.with_dtype(ew.int32), channels, channels)
