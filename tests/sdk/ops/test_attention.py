"""Tests of Attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from enginewright.dims import Dim
from enginewright.errors import DataTypeError, ShapeError
from enginewright.ops.attention import Attention
from enginewright.registry.registry import Operator
from enginewright.tensors import DataType, TensorSpec, bfloat16, bool_, float16, float32, int32
from tests.sdk.ops.examples import arrays_of, check_static, check_symbolic, examples_of

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Attention)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), [c for c in examples_of(Attention) if not c.values[0].bottom_right])
def test_reference(op: Attention, inputs: list[Any]) -> None:
    """Against ONNX's own reference."""
    arrays = arrays_of(inputs)
    # ONNX's reference rounds each of its steps to bfloat16, so it is given float32.
    given = [a.astype(np.float32) if a is not None and a.dtype == bfloat16.numpy else a for a in arrays]
    slots = [*given[:4], None, None, given[4]]
    names = ["" if array is None else f"x{i}" for i, array in enumerate(slots)]
    attributes: dict[str, Any] = {
        "is_causal": int(op.is_causal),
        "softcap": op.softcap,
        "left_window_size": op.left_window,
        "right_window_size": op.right_window,
    } | ({"scale": op.scale} if op.scale else {})
    node = onnx.helper.make_node("Attention", names, ["y"], **attributes)
    feeds = {name: array for name, array in zip(names, slots, strict=True) if array is not None}
    infos = [onnx.helper.make_tensor_value_info(k, int(DataType.of(v)), v.shape) for k, v in feeds.items()]
    graph = onnx.helper.make_graph([node], "g", infos, [onnx.helper.make_empty_tensor_value_info("y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 25)])
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    tolerance = {float16: 5e-3, bfloat16: 2**-8}.get(inputs[0].dtype, 1e-5)  # of bfloat16 the output alone is rounded
    found = op.reference(*arrays)
    np.testing.assert_allclose(found.astype(expected.dtype), expected, rtol=tolerance, atol=tolerance)


def random(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_decoding_step_by_step_equals_all_at_once() -> None:
    q, k, v = random(1, 2, 6, 4), random(1, 2, 6, 4) + 1, random(1, 2, 6, 4) - 1
    whole = Attention(is_causal=True).reference(q, k, v)
    op = Attention(is_causal=True, bottom_right=True)
    for step in range(6):
        part = op.reference(q[:, :, step : step + 1], k[:, :, : step + 1], v[:, :, : step + 1])
        np.testing.assert_allclose(part[:, :, 0], whole[:, :, step], rtol=1e-5)


def test_lengths_hide_the_rest() -> None:
    q, k, v = random(2, 1, 3, 4), random(2, 1, 5, 4), random(2, 1, 5, 4)
    lengths = np.array([2, 5])
    found = Attention().reference(q, k, v, None, lengths)
    np.testing.assert_allclose(found[0], Attention().reference(q[:1], k[:1, :, :2], v[:1, :, :2])[0], rtol=1e-6)


def test_a_query_that_sees_nothing_gives_zeros() -> None:
    q, k, v = random(1, 1, 3, 4), random(1, 1, 3, 4), random(1, 1, 3, 4)
    mask = np.array([[True, True, True], [False, False, False], [True, False, False]])
    found = Attention().reference(q, k, v, mask)
    assert not found[0, 0, 1].any()
    np.testing.assert_allclose(found[0, 0, 2], v[0, 0, 0], rtol=1e-6)


def test_symbolic_cache() -> None:
    q, k = TensorSpec(float32, (Dim("n"), 8, 1, 64)), TensorSpec(float32, (Dim("n"), 4, Dim("p") + 1, 64))
    assert Attention().infer(q, k, k).shape == (Dim("n"), 8, 1, 64)


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 4)),
        ((1, 3, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)),
        ((1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 4, 4)),
        ((2, 3, 4), (2, 3, 4), (2, 3, 4)),
    ],
)
def test_shapes_that_do_not_fit(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        Attention().infer(*(TensorSpec(float32, shape) for shape in (q, k, v)))


def test_masks_that_do_not_fit() -> None:
    x = TensorSpec(float32, (1, 2, 3, 4))
    with pytest.raises(DataTypeError):
        Attention().infer(x, x, x, TensorSpec(int32, (3, 3)))
    with pytest.raises(ShapeError):
        Attention().infer(x, x, x, TensorSpec(bool_, (3, 4)))
    with pytest.raises(DataTypeError):
        Attention().infer(x, x, x, None, TensorSpec(int32, (1,)))
