"""MultiscaleDeformableAttention against PyTorch's grid_sample, and by its TensorRT name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright_plugins.multiscale_deformable_attention import MultiscaleDeformableAttention
from tests.plugins.models import one_node
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
OP = MultiscaleDeformableAttention()
EXAMPLES = [inputs for _, inputs in MultiscaleDeformableAttention.examples()]
NAMES = ["value", "spatial_shapes", "level_start_index", "sampling_locations", "attention_weights"]


@pytest.mark.parametrize("inputs", EXAMPLES)
def test_shape_rule(inputs: list[Any]) -> None:
    check_shapes(OP, inputs)


@pytest.mark.parametrize("inputs", EXAMPLES)
def test_native(inputs: list[Any]) -> None:
    check_native(OP, inputs)


def by_grid_sample(value: Array, shapes: Array, starts: Array, points: Array, weights: Array) -> Array:
    """Each head's map of each level sampled with zeros around it, then the sum over points and levels."""
    batch, _, heads, depth = value.shape
    made = torch.zeros(batch, points.shape[1], heads, depth)
    for level, (height, width) in enumerate(shapes.tolist()):
        own = torch.from_numpy(value[:, starts[level] : starts[level] + height * width])
        for head in range(heads):
            plane = own[:, :, head].transpose(1, 2).reshape(batch, depth, height, width)
            grid = torch.from_numpy(2 * points[:, :, head, level] - 1)
            found = torch.nn.functional.grid_sample(plane, grid, padding_mode="zeros", align_corners=False)
            made[:, :, head] += torch.einsum("bdqp,bqp->bqd", found, torch.from_numpy(weights[:, :, head, level]))
    return np.asarray(made)


@pytest.mark.parametrize("inputs", EXAMPLES[:2])
def test_against_grid_sample(inputs: list[Any], tmp_path: Path) -> None:
    wanted = by_grid_sample(*inputs)
    np.testing.assert_allclose(OP.reference(*inputs), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run_saved(OP, inputs, tmp_path)[0], wanted, rtol=1e-4, atol=1e-4)


def test_by_its_tensorrt_name() -> None:
    arrays = dict(zip(NAMES, EXAMPLES[1], strict=True))
    model = one_node("TRT::MultiscaleDeformableAttnPlugin_TRT", arrays, ["y"], plugin_version="1")
    found = ew.load(ew.build(model, QUIET)).run(arrays)["y"]
    np.testing.assert_allclose(found, by_grid_sample(*EXAMPLES[1]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("index", "place", "value"), [(1, (0, 0), 100), (1, (0, 1), -1), (2, 0, -1), (2, 0, 29)])
def test_levels_outside_the_value_are_refused(index: int, place: Any, value: int) -> None:
    arrays = [array.copy() for array in EXAMPLES[0]]
    net = ew.Network()
    inputs = [net.input(name, ew.DataType.of(array), array.shape) for name, array in zip(NAMES, arrays, strict=True)]
    net.output("y", *net.add(OP, *inputs))
    engine = ew.load(ew.build(net, QUIET))
    engine.run(dict(zip(NAMES, arrays, strict=True)))
    arrays[index][place] = value
    with pytest.raises(ew.InputError, match="level 0"):
        OP.reference(*arrays)
    with pytest.raises(ew.RunError, match="level 0"):
        engine.run(dict(zip(NAMES, arrays, strict=True)))


def test_mistakes_are_named() -> None:
    specs = [ew.TensorSpec(ew.DataType.of(array), array.shape) for array in EXAMPLES[0]]
    with pytest.raises(ew.DataTypeError, match="spatial_shapes is float32"):
        OP.infer(specs[0], specs[1].with_dtype(ew.float32), *specs[2:])
    with pytest.raises(ew.ShapeError, match="value has 3 axes"):
        OP.infer(specs[0].with_shape(1, 2, 3), *specs[1:])
    with pytest.raises(ew.ShapeError):
        OP.infer(*specs[:4], specs[4].with_shape(2, 7, 3, 1, 5))
