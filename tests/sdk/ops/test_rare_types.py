"""Tests of nodes of rare types: what they give is what their definition says."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import helper

import enginewright as ew
from enginewright.errors import UnsupportedModel
from enginewright.tensors import DataType

FLOAT8S = [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz]


def run(kind: str, *arrays: Any, opset: int = 23, **attributes: Any) -> Any:
    """Import, build and run one node."""
    names = [f"x{index}" for index in range(len(arrays))]
    infos = [
        helper.make_tensor_value_info(name, int(DataType.of(array)), array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    node = helper.make_node(kind, names, ["y"], **attributes)
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    with ew.load(ew.build(model, ew.BuilderConfig(level=1, timing_cache=""))) as engine:
        return engine.run(dict(zip(names, arrays, strict=True)))["y"]


@pytest.mark.parametrize("dtype", FLOAT8S)
def test_float8_that_is_no_number(dtype: Any) -> None:
    x = np.array([1, np.nan, -2, np.inf, -np.inf], np.float32).astype(dtype)
    np.testing.assert_array_equal(run("IsNaN", x), np.isnan(x.astype(np.float32)))
    np.testing.assert_array_equal(run("IsInf", x), np.isinf(x.astype(np.float32)))
    np.testing.assert_array_equal(run("IsInf", x, detect_negative=0), x.astype(np.float32) == np.inf)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64])
def test_shrink_of_integers(dtype: Any) -> None:
    x = np.array([0, 1, 2, 3, 100], dtype)
    assert run("Shrink", x, lambd=1.5, bias=1.5).tolist() == [0, 0, 0, 1, 98]


def test_norm_of_two_types() -> None:
    x, scale = np.array([[3, 4]], np.float16), np.array([1, 2], np.float32)
    found = run("RMSNormalization", x, scale)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array([[3, 8]]) / np.sqrt(12.5), rtol=1e-3)


def test_attention_of_two_types() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(1, 2, 3, 4)).astype(dtype) for dtype in (np.float32, np.float32, np.float16))
    found = run("Attention", q, k, v)
    expected = run("Attention", q, k, v.astype(np.float32))
    np.testing.assert_allclose(found.astype(np.float32), expected, rtol=2e-3, atol=2e-3)


def test_product_of_float8() -> None:
    kind = ml_dtypes.float8_e4m3fn
    a, b = np.array([[1, 2], [3, 4]]).astype(kind), np.array([[0.5, 1], [1, 2]]).astype(kind)
    one, zero = np.array(2, np.float32), np.array(0).astype(kind)
    found = run("QLinearMatMul", a, one, zero, b, one, zero, one, zero)
    assert found.dtype == kind
    assert found.astype(np.float32).tolist() == [[5, 10], [11, 22]]
    scales = np.array([2, 2], np.float32)
    with pytest.raises(UnsupportedModel) as caught:
        run("QLinearMatMul", a, scales, np.zeros(2).astype(kind), b, one, zero, one, zero)
    assert "a scale for each row" in str(caught.value)
