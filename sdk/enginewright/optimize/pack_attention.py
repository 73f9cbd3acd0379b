"""Joins the matrix products in front of attention to one, and lets attention read and write tokens where they lie.

Queries, keys and values come from one tensor by three products (or one that is split), seen as heads and transposed;
the result is transposed back. Only the joint product and attention stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.packed_attention import PackedAttention

HEADS_FIRST = (0, 2, 1, 3)


@dataclass(frozen=True)
class Part:
    """Queries, keys or values before they are seen as heads: output `index` of a split, or a product with its bias."""

    source: Tensor
    index: int = 0
    weight: Tensor | None = None
    bias: Tensor | None = None


def pack_attention(network: Network) -> int:
    """Pack every attention layer where this is possible; the number packed."""
    packed = 0
    for layer in list(network.layers):
        if layer.kind == "Attention" and _pack(network, layer):
            packed += 1
    return packed


def _pack(network: Network, layer: Layer) -> bool:
    parts = [_part(tensor) for tensor in layer.inputs[:3]]
    output = _joined_heads(network, layer)
    q = layer.inputs[0]
    if output is None or q is None or any(part is None for part in parts) or not isinstance(q.shape[1], int):
        return False
    with network.at(layer):
        qkv = _joint(network, [part for part in parts if part is not None])
        if qkv is None:
            return False
        made = network.add(PackedAttention(layer.op, q.shape[1]), qkv, *layer.inputs[3:])[0]
    made.name = output.name
    network.replace(output, made)
    return True


def _part(tensor: Tensor | None) -> Part | None:
    """What a transposed view as heads [B, H, S, D] is made of."""
    transpose = _producer(tensor, "Transpose")
    if transpose is None or tuple(transpose.op.perm or ()) != HEADS_FIRST:
        return None
    reshape = _producer(transpose.inputs[0], "Reshape")
    rows = None if reshape is None else reshape.inputs[0]
    if reshape is None or rows is None or rows.rank != 3 or reshape.outputs[0].shape[:2] != rows.shape[:2]:
        return None
    split = _producer(rows, "Split")
    if split is not None:
        source = split.inputs[0]
        is_last = split.op.axis in (-1, 2) and len(split.outputs) == 3
        return Part(source, split.outputs.index(rows)) if is_last and source is not None else None
    return _product(rows)


def _product(rows: Tensor) -> Part | None:
    """A product with constant weights, and the constant bias added to it."""
    add, bias = _producer(rows, "Add"), None
    if add is not None:
        bias = next((tensor for tensor in add.inputs if tensor is not None and tensor.const is not None), None)
        rest = next((tensor for tensor in add.inputs if tensor is not bias), None)
        if bias is None or rest is None or bias.rank != 1:
            return None
        rows = rest
    matmul = _producer(rows, "MatMul")
    if matmul is None or matmul.inputs[0] is None or matmul.inputs[1] is None:
        return None
    weight = matmul.inputs[1]
    if weight.const is None or weight.rank != 2:
        return None
    return Part(matmul.inputs[0], weight=weight, bias=bias)


def _joint(network: Network, parts: list[Part]) -> Tensor | None:
    """The tensor that holds all three; None where they come from different ones."""
    sources = {part.source for part in parts}
    if len(sources) != 1:
        return None
    source = parts[0].source
    weights = [part.weight for part in parts if part.weight is not None]
    if not weights:
        return source if [part.index for part in parts] == [0, 1, 2] else None
    biases = [part.bias for part in parts if part.bias is not None]
    widths = {weight.shape[1] for weight in weights}
    if len(weights) != 3 or len(biases) not in (0, 3) or len(widths) != 1:
        return None
    joint = network.constant(np.concatenate([w.const for w in weights if w.const is not None], axis=1))
    made = network.matmul(source, joint)
    if not biases:
        return made
    return network.add(made, network.constant(np.concatenate([b.const for b in biases if b.const is not None])))


def _joined_heads(network: Network, layer: Layer) -> Tensor | None:
    """The result seen as [B, S, heads * D] again, if that is all that is made of it."""
    transpose = network.sole_reader(layer.outputs[0])
    if transpose is None or transpose.kind != "Transpose" or tuple(transpose.op.perm or ()) != HEADS_FIRST:
        return None
    reshape = network.sole_reader(transpose.outputs[0])
    if reshape is None or reshape.kind != "Reshape":
        return None
    output = reshape.outputs[0]
    before = transpose.outputs[0].shape
    whole = output.rank == 3 and output.shape[:2] == before[:2]
    return output if whole else None


def _producer(tensor: Tensor | None, kind: str) -> Layer | None:
    producer = None if tensor is None else tensor.producer
    return producer if producer is not None and producer.kind == kind else None
