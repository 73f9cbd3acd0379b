"""Imports ONNX Runtime's quantized transformer layers (com.microsoft): attention and embeddings of 8-bit weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from enginewright.ops.microsoft_attention import attend, embed_layer_normalization
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


NONE = 9
"""The place of an input that this operator does not have: the bias of the scores."""


@onnx_rule("com.microsoft::QAttention", since=1)
def q_attention(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """The projection as a product of integers, scaled; then as Attention."""
    if node.integer("do_rotary", 0) or node.integer("past_present_share_buffer", 0):
        raise NotSupported("do_rotary and past_present_share_buffer are not supported")
    product = net.mat_mul_integer(node.input(0), node.input(1), node.optional(6), node.optional(7))
    scale = net.mul(node.input(3), node.input(4))
    projected = net.add(net.mul(net.cast(product, to=scale.dtype), scale), node.input(2))
    return attend(net, node, projected, (5, 8, NONE))


@onnx_rule("com.microsoft::QEmbedLayerNormalization", since=1)
def q_embed_layer_normalization(net: Network, node: OnnxNode) -> tuple[Tensor | None, ...]:
    """Every table with its scale and zero point, then as EmbedLayerNormalization; constant tables fold."""
    tables: dict[int, Tensor | None] = {}
    for place, index in enumerate((2, 3, 4, 5, 6)):
        table = node.optional(index)
        scale, zero = node.optional(8 + place), node.optional(13 + place)
        tables[index] = table if table is None or scale is None else net.dequantize_linear(table, scale, zero)
    inputs = tuple(tables.get(index, node.optional(index)) for index in range(8))
    return embed_layer_normalization(net, replace(node, inputs=inputs))[: len(node.outputs)]
