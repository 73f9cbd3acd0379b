"""Imports ONNX Runtime's transformer operators (com.microsoft): attention, embeddings, rotary positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enginewright.ops.attention import join_heads, split_heads, with_past
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import bool_, int32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


def _integers(net: Network, *numbers: int) -> Tensor:
    return net.constant(np.array(numbers, np.int64))


def _padding(net: Network, mask: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """A mask input as (bool mask that broadcasts to [B, H, S, T], number of keys of each sequence)."""
    if mask is None:
        return None, None
    if mask.rank == 1:
        return None, net.cast(mask, to=int64)
    if mask.rank not in (2, 3):
        raise NotSupported(f"a mask with {mask.rank} axes")
    return net.unsqueeze(net.cast(mask, to=bool_), _integers(net, *((1, 2) if mask.rank == 2 else (1,)))), None


def _masks(net: Network, mask: Tensor | None, bias: Tensor | None, like: Tensor) -> Tensor | None:
    """One mask for both: the bool one as numbers where there is a bias too."""
    if mask is None or bias is None:
        return bias if mask is None else mask
    kind = like.dtype.numpy
    closed = net.where(mask, net.constant(np.array(0).astype(kind)), net.constant(np.array(-np.inf).astype(kind)))
    return net.add(closed, bias)


@onnx_rule("com.microsoft::Attention", since=1)
def attention(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """One projection gives q, k and v."""
    if node.integer("do_rotary", 0) or node.integer("past_present_share_buffer", 0):
        raise NotSupported("do_rotary and past_present_share_buffer are not supported")
    projected = net.matmul(node.input(0), node.input(1))
    bias = node.optional(2)
    if bias is not None:
        projected = net.add(projected, bias)
    return attend(net, node, projected, (3, 4, 5))


def attend(net: Network, node: OnnxNode, projected: Tensor, places: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """Attention of q, k and v side by side; `places` are the inputs that hold mask, past and bias.

    The past and the present hold k and v in one tensor [2, B, H, T, D].
    """
    heads, (mask, past, bias) = node.integer("num_heads"), (node.optional(index) for index in places)
    sizes = node.integers("qkv_hidden_sizes", ())
    parts = net.split(projected, _integers(net, *sizes) if sizes else None, axis=2, num_outputs=0 if sizes else 3)
    q, k, v = (split_heads(net, part, heads) for part in parts)
    causal = bool(node.integer("unidirectional", 0))
    if past is not None:
        k, v = (
            with_past(net, net.gather(past, net.constant(np.array(index)), axis=0), new)
            for index, new in enumerate((k, v))
        )
    seen, lengths = _padding(net, mask)
    if lengths is not None and causal:
        raise NotSupported("lengths together with unidirectional")
    y = net.attention(
        q,
        k,
        v,
        _masks(net, seen, bias, q),
        lengths,
        scale=node.number("scale", 0.0),
        is_causal=causal,
        bottom_right=past is not None,
    )
    outputs = [join_heads(net, y)]
    if node.wants(1):
        outputs.append(net.concat(*(net.unsqueeze(part, _integers(net, 0)) for part in (k, v)), axis=0))
    return tuple(outputs)


@onnx_rule("com.microsoft::MultiHeadAttention", since=1)
def multi_head_attention(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """q, k, v as [B, S, H * D], k and v with heads apart already, or as [B, T, H, 2, D], or all as [B, S, H, 3, D]."""
    heads, bias = node.integer("num_heads"), node.optional(3)
    q, k, v = _query_key_value(net, node, heads)
    if bias is not None:
        q, k, v = _biased(net, (q, k, v), bias, heads)
    causal = bool(node.integer("unidirectional", 0))
    mask, lengths = _padding(net, node.optional(4))
    if lengths is not None and causal:
        raise NotSupported("lengths together with unidirectional")
    past = node.optional(6)
    k, v = with_past(net, past, k), with_past(net, node.optional(7), v)
    y = net.attention(
        q,
        k,
        v,
        _masks(net, mask, node.optional(5), q),
        lengths,
        scale=node.number("scale", 0.0),
        is_causal=causal,
        bottom_right=past is not None,
    )
    return join_heads(net, y), k, v


def _query_key_value(net: Network, node: OnnxNode, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """All as [B, heads, S, D]."""
    q, k, v = node.input(0), node.optional(1), node.optional(2)
    if q.rank == 5:
        parts = net.split(q, None, axis=3, num_outputs=3)
        flat = [net.transpose(net.squeeze(part, _integers(net, 3)), perm=(0, 2, 1, 3)) for part in parts]
        return flat[0], flat[1], flat[2]
    if k is not None and k.rank == 5:
        k, v = (
            net.transpose(net.squeeze(part, _integers(net, 3)), perm=(0, 2, 1, 3))
            for part in net.split(k, None, axis=3, num_outputs=2)
        )
    if k is None or v is None:
        raise NotSupported("the keys or the values are left out")
    apart = [part if part.rank == 4 else split_heads(net, part, heads) for part in (k, v)]
    return split_heads(net, q, heads), apart[0], apart[1]


def _biased(
    net: Network, parts: tuple[Tensor, Tensor, Tensor], bias: Tensor, heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Each with its part of the bias [H * D + H * D + H * E], one number for each head and column."""
    widths = [part.shape[3] for part in parts]
    known = [width * heads for width in widths if isinstance(width, int)]
    if len(known) != 3:
        raise NotSupported("the head size is not known")
    pieces = net.split(bias, _integers(net, *known), axis=0)
    shaped = [net.reshape(piece, _integers(net, 1, heads, 1, -1)) for piece in pieces]
    q, k, v = (net.add(part, piece) for part, piece in zip(parts, shaped, strict=True))
    return q, k, v


@onnx_rule("com.microsoft::EmbedLayerNormalization", since=1)
def embed_layer_normalization(net: Network, node: OnnxNode) -> tuple[Tensor | None, ...]:
    """The sum of word, position and segment embeddings, normalized; and the number of words in the mask."""
    words, segments, positions = node.input(0), node.optional(1), node.optional(8)
    total = net.gather(node.input(2), words, axis=0)
    if positions is None:
        length = net.gather(net.shape(words), net.constant(np.array(1)), axis=0)
        positions = net.range(net.constant(np.array(0)), length, net.constant(np.array(1)))
    total = net.add(total, net.gather(node.input(3), positions, axis=0))
    table = node.optional(4)
    if table is not None and segments is not None:
        total = net.add(total, net.gather(table, segments, axis=0))
    y = net.layer_normalization(total, node.input(5), node.input(6), axis=-1, epsilon=node.number("epsilon", 1e-12))[0]
    return y, _words(net, node, words), total


def _words(net: Network, node: OnnxNode, words: Tensor) -> Tensor | None:
    mask = node.optional(7)
    if not node.wants(1):
        return None
    if mask is not None:
        return net.reduce_sum(mask, _integers(net, 1), keepdims=0)
    batch = net.shape(words, start=0, end=1)
    return net.constant_of_shape(batch, value=0, dtype=int32)


@onnx_rule("com.microsoft::RotaryEmbedding", since=1)
def rotary_embedding(net: Network, node: OnnxNode) -> Tensor:
    """Pairs of columns of each head turned by an angle that grows with the position; cosines and sines are inputs."""
    x, positions = node.input(0), node.input(1)
    heads, width = node.integer("num_heads", 0), node.integer("rotary_embedding_dim", 0)
    if node.integer("is_packed_batching", 0) or node.number("scale", 1.0) != 1:
        raise NotSupported("packed batches and a scale are not supported")
    if x.rank == 3 and not heads:
        size = node.input(2).shape[1]
        if width or not isinstance(size, int) or not isinstance(x.shape[2], int):
            raise NotSupported("num_heads is not given")
        heads = x.shape[2] // (2 * size)
    apart = split_heads(net, x, heads) if x.rank == 3 else x
    if positions.rank == 1:
        length = net.gather(net.shape(apart), net.constant(np.array(2)), axis=0)
        steps = net.range(net.constant(np.array(0)), length, net.constant(np.array(1)))
        positions = net.unsqueeze(net.add(steps, positions), _integers(net, 0))
    angles = [
        net.unsqueeze(net.gather(table, positions, axis=0), _integers(net, 1)) for table in node.inputs[2:4] if table
    ]
    turned = rotated(net, apart, (angles[0], angles[1]), width, interleaved=bool(node.integer("interleaved", 0)))
    return join_heads(net, turned) if x.rank == 3 else turned


def rotated(net: Network, x: Tensor, angles: tuple[Tensor, Tensor], width: int, *, interleaved: bool) -> Tensor:
    """x [B, H, S, D] with its first `width` columns (0: all) turned by cosines and sines [B, 1, S, width / 2]."""
    cos, sin = angles
    rest = None
    if width and x.shape[3] != width:
        kept = [net.slice(x, *(_integers(net, n) for n in pair)) for pair in ((0, width, 3), (width, 2**62, 3))]
        x, rest = kept
    if interleaved:
        pairs = net.reshape(x, net.constant(np.array([0, 0, 0, -1, 2])))
        parts = net.split(pairs, None, axis=4, num_outputs=2)
        a, b = (net.squeeze(part, _integers(net, 4)) for part in parts)
    else:
        a, b = net.split(x, None, axis=3, num_outputs=2)
    left = net.sub(net.mul(a, cos), net.mul(b, sin))
    right = net.add(net.mul(a, sin), net.mul(b, cos))
    if interleaved:
        stacked = net.concat(*(net.unsqueeze(part, _integers(net, 4)) for part in (left, right)), axis=4)
        turned = net.reshape(stacked, net.constant(np.array([0, 0, 0, -1])))
    else:
        turned = net.concat(left, right, axis=3)
    return turned if rest is None else net.concat(turned, rest, axis=3)
