"""Import rules for the operators of classical machine learning (ai.onnx.ml) that other operators can stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import float32, int64, string

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


@onnx_rule("ai.onnx.ml::ArrayFeatureExtractor", since=1)
def array_feature_extractor(net: Network, node: OnnxNode) -> Tensor:
    """Columns picked by index; a list becomes a row first."""
    x, columns = node.input(0), node.input(1)
    if x.rank == 1:
        x = net.unsqueeze(x, net.constant(np.array([0], np.int64)))
    return net.gather(x, net.reshape(columns, net.constant(np.array([-1], np.int64))), axis=-1)


@onnx_rule("ai.onnx.ml::Binarizer", since=1)
def binarizer(net: Network, node: OnnxNode) -> Tensor:
    """1 where an element is above the threshold, else 0."""
    x = node.input(0)
    threshold = net.constant(np.array(node.number("threshold", 0.0), np.float64).astype(x.dtype.numpy))
    return net.cast(net.greater(x, threshold), to=x.dtype)


@onnx_rule("ai.onnx.ml::Scaler", since=1)
def scaler(net: Network, node: OnnxNode) -> Tensor:
    """(x - offset) * scale."""
    x = _as_floats(net, node.input(0))
    if node.has("offset"):
        x = net.sub(x, _constant(net, node.numbers("offset")))
    return net.mul(x, _constant(net, node.numbers("scale"))) if node.has("scale") else x


@onnx_rule("ai.onnx.ml::Normalizer", since=1)
def normalizer(net: Network, node: OnnxNode) -> Tensor:
    """Each row divided by its largest element, the sum of its absolute values, or its length."""
    x, axes = _as_floats(net, node.input(0)), net.constant(np.array([-1], np.int64))
    norm = node.text("norm", "MAX")
    if norm not in ("MAX", "L1", "L2"):
        raise NotSupported(f'the norm "{norm}"')
    size = {"L1": net.reduce_l1, "L2": net.reduce_l2}[norm](x, axes) if norm != "MAX" else net.reduce_max(x, axes)
    zero = net.equal(size, _constant(net, 0.0))
    return net.div(x, net.where(zero, _constant(net, 1.0), size))


@onnx_rule("ai.onnx.ml::Imputer", since=1)
def imputer(net: Network, node: OnnxNode) -> Tensor:
    """Another number, one for all columns or one for each, where x is the one to be replaced."""
    x = node.input(0)
    if x.dtype.is_float:
        replaced, values = node.number("replaced_value_float", 0.0), node.numbers("imputed_value_floats")
    else:
        replaced, values = node.integer("replaced_value_int64", 0), node.integers("imputed_value_int64s")
    found = net.isnan(x) if replaced != replaced else net.equal(x, _like(net, x, replaced))
    return net.where(found, _like(net, x, values), x)


@onnx_rule("ai.onnx.ml::OneHotEncoder", since=1)
def one_hot_encoder(net: Network, node: OnnxNode) -> Tensor:
    """1 at the place of each element among the categories, else 0."""
    x = node.input(0)
    if not node.integer("zeros", 1):
        raise NotSupported("it refuses what is none of its categories")
    given: Sequence[Any] = node.texts("cats_strings") if x.dtype is string else node.integers("cats_int64s")
    if x.dtype.is_float:
        x = net.cast(x, to=int64)
    categories = net.constant(np.array(given, x.dtype.numpy))
    return net.cast(net.equal(net.unsqueeze(x, net.constant(np.array([-1], np.int64))), categories), to=float32)


@onnx_rule("ai.onnx.ml::LinearRegressor", since=1)
def linear_regressor(net: Network, node: OnnxNode) -> Tensor:
    """x times the coefficients, plus the intercepts."""
    return post_transform(_linear(net, node, node.integer("targets", 1)), node.text("post_transform", "NONE"), net)


@onnx_rule("ai.onnx.ml::LinearClassifier", since=1)
def linear_classifier(net: Network, node: OnnxNode) -> tuple[Tensor, Tensor]:
    """The label of the highest score, and the scores of all classes."""
    labels = node.attributes.get("classlabels_strings") or node.attributes.get("classlabels_ints") or []
    columns = node.input(0).shape[-1]
    if not labels or not isinstance(columns, int) or len(node.numbers("coefficients")) != columns * len(labels):
        raise NotSupported("it has not one row of coefficients for each class")
    scores = _linear(net, node, len(labels))
    return column_of_labels(net, scores, labels), post_transform(scores, node.text("post_transform", "NONE"), net)


def _linear(net: Network, node: OnnxNode, targets: int) -> Tensor:
    weights = np.array(node.numbers("coefficients"), np.float32).reshape(targets, -1).T
    found = net.matmul(_as_floats(net, node.input(0)), net.constant(np.ascontiguousarray(weights)))
    return net.add(found, _constant(net, node.numbers("intercepts"))) if node.has("intercepts") else found


def column_of_labels(net: Network, scores: Tensor, labels: Sequence[Any]) -> Tensor:
    """The label of the highest score of each row."""
    kind = object if labels and isinstance(labels[0], str) else np.int64
    return net.gather(net.constant(np.array(labels, kind)), net.argmax(scores, axis=-1, keepdims=False), axis=0)


def post_transform(scores: Tensor, name: str, net: Network) -> Tensor:
    """Scores as a model gives them."""
    if name == "NONE":
        return scores
    if name == "SOFTMAX":
        return net.softmax(scores, axis=-1)
    if name == "LOGISTIC":
        return net.sigmoid(scores)
    raise NotSupported(f"scores are transformed by {name}")


def _as_floats(net: Network, x: Tensor) -> Tensor:
    return x if x.dtype is float32 else net.cast(x, to=float32)


def _constant(net: Network, values: Any) -> Tensor:
    return net.constant(np.array(values, np.float32))


def _like(net: Network, x: Tensor, values: Any) -> Tensor:
    return net.constant(np.array(values, x.dtype.numpy))
