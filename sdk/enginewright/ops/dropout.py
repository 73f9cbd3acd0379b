"""Import rules of Dropout, which does nothing once a model is trained, and of the activations of com.microsoft."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enginewright.ops.activation import Gelu
from enginewright.ops.arithmetic import Add
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


@onnx_rule("ai.onnx::Dropout", since=1)
def dropout(net: Network, node: OnnxNode) -> tuple[Tensor, Tensor | None]:
    """The input itself; the mask, if it is asked for, is true everywhere."""
    x, training = node.input(0), node.optional(2)
    if training is not None and not (training.spec.value is not None and not training.spec.value[0]):
        raise NotSupported("training_mode is not a constant false")
    if not node.wants(1):
        return x, None
    return x, net.expand(net.constant(np.array(True)), net.shape(x))


@onnx_rule("com.microsoft::FastGelu", since=1)
def fast_gelu(net: Network, node: OnnxNode) -> Tensor:
    """The tanh approximation, of x + bias where there is one."""
    bias = node.optional(1)
    x = node.input(0) if bias is None else net.add(Add(), node.input(0), bias)[0]
    return net.add(Gelu(approximate="tanh"), x)[0]


@onnx_rule("com.microsoft::BiasGelu", since=1)
def bias_gelu(net: Network, node: OnnxNode) -> Tensor:
    """Gelu of x + bias."""
    return net.add(Gelu(), net.add(Add(), node.input(0), node.input(1))[0])[0]
