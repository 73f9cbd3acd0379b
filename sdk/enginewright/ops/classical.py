"""Import rules for the operators of classical machine learning (ai.onnx.ml) that other operators can stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule

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
