"""Tests of the operators of ai.onnx.ml that other operators stand for, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import enginewright as ew
from enginewright.errors import UnsupportedModel

CONFIG = ew.BuilderConfig(level=1, timing_cache="")
X = np.array([[0, 2, -3], [0, 0, 0], [1, np.nan, 7]], np.float32)
Y = np.array([[0, 2, -3], [4, 4, 1], [1, 5, 7]], np.float32)


def _model(kind: str, x: Any, outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    dtype = TensorProto.STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype)
    node = helper.make_node(kind, ["x"], ["y", "z"][:outputs], domain="ai.onnx.ml", **attributes)
    infos = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", dtype, x.shape)], infos)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def check_like_onnx_runtime(model: onnx.ModelProto, x: Any) -> None:
    """Not by ew.verify: ONNX Runtime 1.32 aborts where texts are copied from bound outputs."""
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    with ew.load(ew.build(model, CONFIG)) as engine:
        found = engine.run({"x": x})
    for array, other in zip(found.values(), expected, strict=True):
        if other.dtype == object:
            assert array.tolist() == other.tolist()
        else:
            assert array.dtype == other.dtype
            np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)


CASES: dict[str, tuple[Any, ...]] = {
    "scaler": ("Scaler", Y, {"offset": [1.0, 2.0, 3.0], "scale": [0.5, 2.0, -1.0]}),
    "scaler of integers": ("Scaler", Y.astype(np.int64), {"offset": [1.0], "scale": [0.5]}),
    "largest": ("Normalizer", np.abs(Y), {"norm": "MAX"}),
    "L1": ("Normalizer", Y, {"norm": "L1"}),
    "L2": ("Normalizer", Y, {"norm": "L2"}),
    "imputer": ("Imputer", X, {"imputed_value_floats": [1.0, 2.0, 3.0], "replaced_value_float": float("nan")}),
    "imputer of zeros": ("Imputer", X, {"imputed_value_floats": [9.0], "replaced_value_float": 0.0}),
    "imputer of integers": ("Imputer", Y.astype(np.int64), {"imputed_value_int64s": [9], "replaced_value_int64": 4}),
    "categories": ("OneHotEncoder", Y, {"cats_int64s": [4, 1, 0]}),
    "categories of texts": ("OneHotEncoder", np.array(["a", "c", "b"], object), {"cats_strings": ["b", "a"]}),
    "regressor": (
        "LinearRegressor",
        Y,
        {"coefficients": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "targets": 2, "intercepts": [1.0, -1.0]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_like_onnx_runtime(name: str) -> None:
    kind, x, attributes = CASES[name]
    check_like_onnx_runtime(_model(kind, x, **attributes), x)


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC"])
@pytest.mark.parametrize("labels", [{"classlabels_strings": ["a", "b", "c"]}, {"classlabels_ints": [5, 6, 7]}])
def test_linear_classifier(transform: str, labels: dict[str, Any]) -> None:
    weights = np.random.default_rng(0).normal(size=9).tolist()
    attributes = {"coefficients": weights, "intercepts": [0.1, 0.2, -0.3], "post_transform": transform, **labels}
    model = _model("LinearClassifier", Y, 2, **attributes)
    check_like_onnx_runtime(model, Y)


@pytest.mark.parametrize(
    ("kind", "attributes", "said"),
    [
        ("Normalizer", {"norm": "L3"}, "the norm"),
        ("OneHotEncoder", {"cats_int64s": [1], "zeros": 0}, "none of its categories"),
        ("LinearRegressor", {"coefficients": [1.0, 2.0, 3.0], "post_transform": "PROBIT"}, "PROBIT"),
        ("LinearClassifier", {"coefficients": [1.0, 2.0, 3.0], "classlabels_ints": [1, 2]}, "one row of coefficients"),
    ],
)
def test_what_is_not_supported(kind: str, attributes: dict[str, Any], said: str) -> None:
    outputs = 2 if kind.endswith("Classifier") else 1
    with pytest.raises(UnsupportedModel) as caught:
        ew.parse(_model(kind, Y, outputs, **attributes))
    assert said in str(caught.value)
