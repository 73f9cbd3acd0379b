"""Joins the matrix products in front of attention to one, and lets attention read and write tokens where they lie.

Queries, keys and values come from one tensor by three products, or by one that is split, and are seen as heads by
reshapes and transposes; the result is turned back by others. Only the joint product and attention stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enginewright.dims import Size
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.strided import Strided, Strides, alike, dense, reshaped, strided
from enginewright.ops.packed_attention import PackedAttention

MOVING = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten")


@dataclass(frozen=True)
class Part:
    """Queries, keys or values before they are seen as heads: a product of `source` with its bias."""

    source: Tensor
    weight: Tensor
    bias: Tensor | None


def pack_attention(network: Network) -> int:
    """Pack every attention layer where this is possible; the number packed."""
    return sum(_pack(network, layer) for layer in list(network.layers) if layer.kind == "Attention")


def _pack(network: Network, layer: Layer) -> bool:
    heads = [tensor for tensor in layer.inputs[:3] if tensor is not None]
    shape = heads[0].shape
    if any(tensor.shape != shape for tensor in heads) or not isinstance(shape[1], int):
        return False
    output = _joined_heads(network, layer)
    if output is None:
        return False
    views = [strided(tensor) for tensor in heads]
    with network.at(layer):
        qkv = _packed(network, views, shape) or _joint(network, views, shape)
        if qkv is None:
            return False
        made = network.add(PackedAttention(layer.op, shape[1]), qkv, *layer.inputs[3:])[0]
    with network.at(output.tensor.producer):  # where all its sizes are known
        result = _as_read(network, made, output)
    result.name = output.tensor.name
    network.replace(output.tensor, result)
    return True


def _token_strides(shape: tuple[Size, ...], width: Size) -> Strides:
    """Strides of heads [B, H, S, D] that lie side by side in rows [B, S, width]."""
    _, _, rows, size = shape
    return rows * width, size, width, 1


def _packed(network: Network, views: list[Strided], shape: tuple[Size, ...]) -> Tensor | None:
    """The one tensor that holds all three as [B, S, 3 * H * D]."""
    batch, heads, rows, size = shape
    width = heads * size
    base = views[0].base
    for number, view in enumerate(views):
        if view.base is not base or view.offset != number * width:
            return None
        if not alike(shape, view.strides, _token_strides(shape, 3 * width)):
            return None
    return reshaped(network, base, (batch, rows, 3 * width)) if base.spec.size == batch * rows * 3 * width else None


def _joint(network: Network, views: list[Strided], shape: tuple[Size, ...]) -> Tensor | None:
    """What one product gives instead of three of the same tensor; None where they are others."""
    width = shape[1] * shape[3]
    fits = [view.offset == 0 and alike(shape, view.strides, _token_strides(shape, width)) for view in views]
    parts = [_product(view.base) for view in views]
    found = [part for part in parts if part is not None]
    if not all(fits) or len(found) != 3 or len({part.source for part in found}) != 1:
        return None
    biases = [part.bias.const for part in found if part.bias is not None and part.bias.const is not None]
    weights = [part.weight.const for part in found if part.weight.const is not None]
    if len(biases) not in (0, 3) or any(weight.shape[1] != width for weight in weights):
        return None
    made = network.matmul(found[0].source, network.constant(np.concatenate(weights, axis=1)))
    if biases:
        made = network.add(made, network.constant(np.concatenate(biases)))
    return reshaped(network, made, (shape[0], shape[2], 3 * width))


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
    return Part(matmul.inputs[0], weight, bias) if weight.const is not None and weight.rank == 2 else None


def _producer(tensor: Tensor | None, kind: str) -> Layer | None:
    producer = None if tensor is None else tensor.producer
    return producer if producer is not None and producer.kind == kind else None


# ---- the result ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Joined:
    """A tensor that shows the tokens [B, S, H * D] as they lie, in some shape, or with the first two axes exchanged."""

    tensor: Tensor
    exchanged: bool


def _joined_heads(network: Network, layer: Layer) -> Joined | None:
    """The last of the reshapes and transposes behind attention that turns rows of heads into rows of tokens."""
    made = layer.outputs[0]
    batch, heads, rows, size = made.shape
    width = heads * size
    tensor, found = made, None
    while (reader := network.sole_reader(tensor)) is not None and reader.kind in MOVING:
        tensor = reader.outputs[0]
        seen = strided(tensor, {made: _token_strides(made.shape, width)})
        if seen.base is not made:
            break
        exchanged = tensor.shape == (rows, batch, width) != (batch, rows, width)
        wanted = (width, rows * width, 1) if exchanged else dense(tensor.shape)
        if alike(tensor.shape, seen.strides, wanted):
            found = Joined(tensor, exchanged)
    return found


def _as_read(network: Network, tokens: Tensor, output: Joined) -> Tensor:
    """The tokens in the shape in which they are read."""
    if output.exchanged:
        return network.transpose(tokens, perm=(1, 0, 2))
    return reshaped(network, tokens, output.tensor.shape)
