"""Imports what ONNX Runtime's optimizer writes for diffusion models (com.microsoft): group norms, gated gelu, sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


@onnx_rule("com.microsoft::GroupNorm", since=1)
def group_norm(net: Network, node: OnnxNode) -> Tensor:
    """Group normalization, channels last unless it says otherwise, then SiLU if asked for."""
    return _normalized(net, node, node.input(0))


@onnx_rule("com.microsoft::SkipGroupNorm", since=1)
def skip_group_norm(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """The same of x + skip + bias, which is output 1."""
    if not node.integer("channels_last", 1):
        raise NotSupported("channels first is not supported")
    x, skip, bias = node.input(0), node.input(3), node.optional(4)
    if skip.rank == 2:
        skip = net.unsqueeze(skip, net.constant(np.array([1, 2])))
    total = net.add(x, skip) if bias is None else net.add(net.add(x, skip), bias)
    return (_normalized(net, node, total), total)[: len(node.outputs)]


def _normalized(net: Network, node: OnnxNode, x: Tensor) -> Tensor:
    activation, last = node.integer("activation"), bool(node.integer("channels_last", 1))
    if activation not in (0, 1):
        raise NotSupported(f"activation {activation}")
    inner = net.transpose(x, perm=(0, x.rank - 1, *range(1, x.rank - 1))) if last else x
    scale, shift = (net.cast(node.input(index), to=x.dtype) for index in (1, 2))
    epsilon = node.number("epsilon", 1e-5)
    y = net.group_normalization(inner, scale, shift, num_groups=node.integer("groups"), epsilon=epsilon)
    y = net.mul(y, net.sigmoid(y)) if activation else y
    return net.transpose(y, perm=(0, *range(2, x.rank), 1)) if last else y


@onnx_rule("com.microsoft::BiasSplitGelu", since=1)
def bias_split_gelu(net: Network, node: OnnxNode) -> Tensor:
    """The left half of x + bias, times gelu of the right half."""
    left, right = net.split(net.add(node.input(0), node.input(1)), None, axis=-1, num_outputs=2)
    return net.mul(left, net.gelu(right))


@onnx_rule("com.microsoft::BiasAdd", since=1)
def bias_add(net: Network, node: OnnxNode) -> Tensor:
    """x + bias + skip."""
    return net.add(net.add(node.input(0), node.input(1)), node.input(2))
