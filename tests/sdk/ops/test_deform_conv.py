"""Tests of deformable convolution as it is imported: what the windows see, times the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import enginewright as ew
from enginewright.errors import ModelInvalid
from enginewright.ops.deform_conv import DeformColumns, DeformConv
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of

CASES: list[tuple[dict[str, Any], dict[str, tuple[int, ...]]]] = [
    ({}, {"x": (2, 4, 6, 7), "w": (6, 4, 2, 3), "offset": (2, 12, 5, 5)}),
    (
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "dilations": [2, 2], "group": 2, "offset_group": 2},
        {"x": (1, 4, 6, 7), "w": (6, 2, 2, 2), "offset": (1, 16, 3, 4), "b": (6,), "mask": (1, 8, 3, 4)},
    ),
]


def _model(attributes: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> Any:
    names = [name if name in shapes else "" for name in ("x", "w", "offset", "b", "mask")]
    while not names[-1]:
        names.pop()
    node = helper.make_node("DeformConv", names, ["y"], **attributes)
    infos = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["N", *shape[1:2], None, None] if name in ("x", "offset", "mask") else shape
        )
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info("y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(DeformColumns)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("attributes", "shapes"), CASES)
@pytest.mark.parametrize("level", [0, 3])
def test_sizes_known_at_run_time(attributes: dict[str, Any], shapes: dict[str, tuple[int, ...]], level: int) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["offset"] *= 3
    names = {"strides": "stride", "pads": "padding", "dilations": "dilation"}
    op = DeformConv(
        **{names.get(key, key): tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}
    )
    expected = op.reference(*(arrays.get(name) for name in ("x", "w", "offset", "b", "mask")))  # type: ignore[arg-type]
    plan = ew.build(_model(attributes, shapes), ew.BuilderConfig(level=level, timing_cache=""))
    assert not plan.meta.operators
    with ew.load(plan) as engine:
        np.testing.assert_allclose(engine.run(arrays)["y"], expected, rtol=1e-4, atol=1e-5)


def test_places_beyond_all_measure() -> None:
    attributes, shapes = CASES[0]
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    arrays["offset"][0, 0], arrays["offset"][0, 1], arrays["offset"][0, 2] = np.nan, np.inf, -1e30
    with ew.load(ew.build(_model(attributes, shapes), ew.BuilderConfig(level=0, timing_cache=""))) as engine:
        assert np.isfinite(engine.run(arrays)["y"]).all()


def test_pixels_that_no_window_sees_do_not_count() -> None:
    attributes, shapes = CASES[0]
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    arrays["x"][:, :, 0, 0] = np.inf
    arrays["offset"][:] = 100
    arrays["offset"][0] = 1.5  # some windows see the lower right edge, and what is outside of it
    with ew.load(ew.build(_model(attributes, shapes), ew.BuilderConfig(level=1, timing_cache=""))) as engine:
        y = engine.run(arrays)["y"]
    assert np.isfinite(y).all()
    assert y[0].any()
    assert not y[1].any()


def test_what_does_not_fit() -> None:
    _, shapes = CASES[0]
    with pytest.raises(ModelInvalid):
        ew.parse(_model({}, shapes | {"offset": (2, 10, 5, 5)}))
