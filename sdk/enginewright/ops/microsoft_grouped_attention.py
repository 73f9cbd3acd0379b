"""Imports GroupQueryAttention (com.microsoft): rotary positions, a KV cache that grows, heads that share keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from enginewright.ops.attention import join_heads, split_heads
from enginewright.ops.microsoft_attention import rotated
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

COS, SIN, POSITIONS, BIAS, SINK = 7, 8, 9, 10, 11
REFUSED = {12: "a quantized cache", 14: "normalized queries", 15: "normalized keys", 16: "padded queries"}
"""Inputs of forms that have no rule."""


@onnx_rule("com.microsoft::GroupQueryAttention", since=1)
def group_query_attention(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """Each sequence has its own length; new keys and values are rotated, then appended to its part of the cache."""
    _refuse(node)
    q, k, v = _heads(net, node)
    steps = _Steps(net, node, q)
    if node.integer("do_rotary", 0):
        q, k = (steps.rotate(x) for x in (q, k))
    present = [steps.append(node.optional(index), x) for index, x in ((3, k), (4, v))]
    bias, sink = node.optional(BIAS), _sink(net, node, q)
    window = node.integer("local_window_size", -1)
    keys, values, mask = *present, bias
    if bias is not None:  # it has a column for each key so far, the cache may have room for more
        zero, axis = (net.constant(np.array([number])) for number in (0, 2))
        keys, values = (net.slice(x, zero, steps.total, axis) for x in present)
    if sink is not None:
        keys, values, mask = steps.with_sink((keys, values), bias, sink, window)
    y = net.attention(
        q,
        keys,
        values,
        mask,
        None if sink is not None else steps.after,
        scale=node.number("scale", 0.0),
        is_causal=sink is None,
        softcap=node.number("softcap", 0.0),
        left_window=window - 1 if window > 0 and sink is None else -1,
    )
    return join_heads(net, y), *present


def _refuse(node: OnnxNode) -> None:
    for index, what in REFUSED.items():
        if node.optional(index) is not None:
            raise NotSupported(f"{what} (input {index}) is not supported")
    if node.integer("sliding_window_cache", 0) or not node.integer("causal", 1) or node.wants(3):
        raise NotSupported("a cache of the size of the window, causal = 0, and the scores as output are not supported")


def _heads(net: Network, node: OnnxNode) -> tuple[Tensor, Tensor, Tensor]:
    """q [B, H, S, D], k and v [B, G, S, D], from three inputs or one that holds all."""
    heads, groups = node.integer("num_heads"), node.integer("kv_num_heads")
    x, k, v = node.input(0), node.optional(1), node.optional(2)
    if k is None or v is None:
        apart = split_heads(net, x, heads + 2 * groups)
        q, k, v = net.split(apart, net.constant(np.array([heads, groups, groups])), axis=1)
        return q, k, v
    return split_heads(net, x, heads), split_heads(net, k, groups), split_heads(net, v, groups)


def _sink(net: Network, node: OnnxNode, like: Tensor) -> Tensor | None:
    """The score of a key that is not there, for each head: [1, H or 1, 1, 1]."""
    sink = node.optional(SINK)
    if sink is not None:
        return net.reshape(sink, net.constant(np.array([1, -1, 1, 1])))
    if node.integer("smooth_softmax", 0) > 0:
        return net.constant(np.zeros((1, 1, 1, 1)).astype(like.dtype.numpy))
    return None


@dataclass
class _Steps:
    """Where the new tokens stand: `total` [1] tokens in the longest sequence, `before` and `after` [B] in each."""

    net: Network
    node: OnnxNode
    q: Tensor

    def __post_init__(self) -> None:
        net, one = self.net, self.net.constant(np.array(1))
        flat = net.constant(np.array([-1]))
        self.total = net.reshape(net.cast(self.node.input(6), to=int64), net.constant(np.array([1])))
        self.count = net.shape(self.q, start=2, end=3)
        lengths = net.add(net.reshape(net.cast(self.node.input(5), to=int64), flat), one)
        zero = net.constant(np.array(0))
        self.before = net.where(net.equal(self.count, self.total), zero, net.sub(lengths, self.count))
        self.after = net.add(self.before, self.count)

    def positions(self) -> Tensor:
        """[B, S]: of each new token in its sequence."""
        net, first = self.net, self.net.constant(np.array([1]))
        return net.add(net.unsqueeze(self.before, first), self._range(self.count))

    def _range(self, count: Tensor) -> Tensor:
        net = self.net
        end = net.reshape(count, net.constant(np.zeros(0, np.int64)))
        return net.range(net.constant(np.array(0)), end, net.constant(np.array(1)))

    def rotate(self, x: Tensor) -> Tensor:
        """x [B, heads, S, D] turned by the angles of its positions."""
        net, node = self.net, self.node
        positions, axis = node.optional(POSITIONS) or self.positions(), net.constant(np.array([1]))
        cos, sin = (net.unsqueeze(net.gather(node.input(i), positions, axis=0), axis) for i in (COS, SIN))
        half = node.input(COS).shape[1]
        if not isinstance(half, int):
            raise NotSupported("the width of cos_cache is not known")
        return rotated(net, x, (cos, sin), 2 * half, interleaved=bool(node.integer("rotary_interleaved", 0)))

    def append(self, past: Tensor | None, new: Tensor) -> Tensor:
        """The cache with the new rows; it has room for the longest sequence, and never shrinks."""
        net = self.net
        if past is None:
            none = net.constant(np.array([0]))
            shape = net.concat(net.shape(new, start=0, end=2), none, net.shape(new, start=3, end=4), axis=0)
            past = net.constant_of_shape(shape, value=0, dtype=new.dtype)
        rows = net.max(self.total, net.shape(past, start=2, end=3))
        return net.append_rows(past, new, self.before, rows)

    def with_sink(
        self, cache: tuple[Tensor, Tensor], bias: Tensor | None, sink: Tensor, window: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Keys, values and mask with one more key, of zeros, whose score is the sink, and whose value is 0."""
        net, like = self.net, sink.dtype.numpy
        keys, values = (net.pad(x, net.constant(np.array([0, 0, 0, 0, 0, 0, 1, 0]))) for x in cache)
        place = net.unsqueeze(self.positions(), net.constant(np.array([1, 3])))
        key = self._range(net.shape(cache[0], start=2, end=3))
        seen = net.less_or_equal(key, place)
        if window > 0:
            seen = net.and_(seen, net.less(net.sub(place, key), net.constant(np.array(window))))
        open_, closed = (net.constant(np.array(number).astype(like)) for number in (0, -np.inf))
        scores = net.where(seen, open_, closed)
        scores = scores if bias is None else net.add(scores, bias)
        ones = net.constant(np.array([1]))
        heads = net.shape(self.q, start=1, end=2)
        rows = net.concat(net.shape(self.q, start=0, end=1), heads, self.count, ones, axis=0)
        wide = net.concat(ones, heads, ones, ones, axis=0)
        return keys, values, net.concat(net.expand(scores, wide), net.expand(sink, rows), axis=3)
