"""ModulatedDeformConv against ONNX's own DeformConv, and by its MMCV name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import enginewright as ew
from enginewright_plugins.modulated_deform_conv import ModulatedDeformConv
from tests.plugins.models import one_node
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved

Array = np.ndarray[Any, Any]
EXAMPLES = list(ModulatedDeformConv.examples())


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: ModulatedDeformConv, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: ModulatedDeformConv, inputs: list[Any]) -> None:
    check_native(op, inputs)


def by_onnx(op: ModulatedDeformConv, arrays: list[Any]) -> Array:
    x, offset, mask, weight, bias = arrays
    given = {"x": x, "w": weight, "offset": offset, "b": bias, "mask": mask}
    node = helper.make_node(
        "DeformConv", [name if value is not None else "" for name, value in given.items()], ["y"],
        strides=op.stride, pads=[*op.padding, *op.padding], dilations=op.dilation, group=op.groups,
        offset_group=op.deform_groups,
    )  # fmt: skip
    inputs = [helper.make_tensor_value_info(name, 1, None) for name, value in given.items() if value is not None]
    graph = helper.make_graph([node], "deform", inputs, [helper.make_tensor_value_info("y", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    (made,) = ReferenceEvaluator(model).run(None, {name: value for name, value in given.items() if value is not None})
    return np.asarray(made)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES[:3])
def test_as_onnx(op: ModulatedDeformConv, inputs: list[Any], tmp_path: Path) -> None:
    wanted = by_onnx(op, inputs)
    np.testing.assert_allclose(op.reference(*inputs), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run_saved(op, inputs, tmp_path)[0], wanted, rtol=1e-4, atol=1e-4)


def test_without_shifts_it_is_a_convolution() -> None:
    rng = np.random.default_rng(3)
    x, weight = rng.random((1, 4, 10, 12), np.float32), rng.random((8, 2, 3, 3), np.float32)
    op = ModulatedDeformConv((2, 2), (1, 1), groups=2)
    offset, mask = np.zeros((1, 18, 5, 6), np.float32), np.ones((1, 9, 5, 6), np.float32)
    net = ew.Network()
    net.output("y", net.conv(net.input("x", ew.float32, x.shape), net.constant(weight), stride=2, padding=1, group=2))
    wanted = ew.load(ew.build(net, QUIET)).run({"x": x})["y"]
    np.testing.assert_allclose(op.reference(x, offset, mask, weight), wanted, rtol=1e-4, atol=1e-4)


def test_by_its_mmcv_name() -> None:
    op, inputs = EXAMPLES[3]
    arrays = dict(zip(("x", "offset", "mask", "weight", "bias"), inputs, strict=True))
    model = one_node(
        "mmcv::MMCVModulatedDeformConv2d", arrays, ["y"],
        stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=2, deform_groups=4,
    )  # fmt: skip
    found = ew.load(ew.build(model, QUIET)).run(arrays)["y"]
    np.testing.assert_allclose(found, op.reference(*inputs), rtol=1e-4, atol=1e-4)


def test_sizes_that_do_not_fit_are_refused() -> None:
    op, inputs = EXAMPLES[0]
    specs = [ew.TensorSpec(ew.DataType.of(a), a.shape) for a in inputs]
    op.infer(*specs)
    for index, shape in ((1, (1, 18, 5, 6)), (2, (1, 8, 5, 7)), (3, (4, 2, 3, 3)), (4, (5,))):
        changed = [*specs]
        changed[index] = ew.TensorSpec(ew.float32, shape)
        with pytest.raises(ew.ShapeError):
            op.infer(*changed)


def test_wrong_fields_are_named() -> None:
    for fields, said in (({"stride": (0, 1)}, "stride"), ({"padding": (0, -1)}, "padding"), ({"groups": 0}, "groups")):
        with pytest.raises(ew.NetworkError, match=said):
            ModulatedDeformConv(**fields)
