"""Attention: softmax(q k' * scale + mask) v for many heads, with grouped heads, causal masks, windows and soft cap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, floor_div, require, same
from enginewright.errors import DataTypeError, ShapeError
from enginewright.ops.element_types import FLOATS, check_same_type, check_type, widen
from enginewright.ops.matmul import check_broadcast_to
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, bfloat16, bool_, float16, float32, float64, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Attention")
class Attention:
    """softmax(q k' * scale + mask) v: q [B, H, S, D], k [B, G, T, D], v [B, G, T, E] give [B, H, S, E].

    H is a multiple of G: consecutive heads of q share one of k and v. mask is added (or, if bool, False forbids) and
    broadcasts to [B, H, S, T]; beside bfloat16 it may be float32. `lengths` [B] (int64) forbids what lies beyond.
    `scale` 0 means 1 / sqrt(D). `softcap` c > 0 replaces a score s by c * tanh(s / c) before the mask. Query i stands
    at position i + offset; the offset is lengths - S with lengths, else T - S if `bottom_right`, else 0. With
    `is_causal` it sees keys up to its position, with `left_window` or `right_window` (-1: no limit) only so many
    before and after. Seeing nothing it gives 0.
    """

    scale: float = 0.0
    is_causal: bool = False
    bottom_right: bool = False
    softcap: float = 0.0
    left_window: int = -1
    right_window: int = -1

    def infer(
        self,
        q: TensorSpec,
        k: TensorSpec,
        v: TensorSpec,
        mask: TensorSpec | None = None,
        lengths: TensorSpec | None = None,
    ) -> TensorSpec:
        """[B, H, S, E] in the type of q."""
        dtype = check_same_type(q, k, v)
        check_type(q, FLOATS, "input q")
        if not q.rank == k.rank == v.rank == 4:
            raise ShapeError(f"q, k and v have {q.rank}, {k.rank}, {v.rank} axes", hint="Each has 4: see the operator.")
        for a, b in ((q, k), (q, v)):
            same(a.shape[0], b.shape[0])
        for axis in (1, 2):
            same(k.shape[axis], v.shape[axis])
        same(q.shape[3], k.shape[3])
        heads, groups = q.shape[1], k.shape[1]
        require("equal", heads, floor_div(heads, groups) * groups)
        if mask is not None:
            if mask.dtype not in (dtype, bool_) and (dtype, mask.dtype) != (bfloat16, float32):
                raise DataTypeError(f"the mask is {mask.dtype}", hint=f"Use bool or {dtype}.")
            check_broadcast_to(mask.shape, (q.shape[0], heads, q.shape[2], k.shape[2]))
        if lengths is not None:
            check_type(lengths, (int64,), "lengths")
            check_broadcast_to(lengths.shape, (q.shape[0],))
        return TensorSpec(dtype, (q.shape[0], heads, q.shape[2], v.shape[3]))

    def reference(self, q: Array, k: Array, v: Array, mask: Array | None = None, lengths: Array | None = None) -> Array:
        """Everything in float32 (float64 for float64); scores scaled by sqrt(scale) on both sides, as in ONNX."""
        wide = widen(q)
        factor = math.sqrt(self.scale or 1 / math.sqrt(max(q.shape[3], 1)))
        times = q.shape[1] // max(k.shape[1], 1)
        keys, values = (np.repeat(widen(array), times, axis=1) for array in (k, v))
        scores = (wide * wide.dtype.type(factor)) @ np.swapaxes(keys * wide.dtype.type(factor), 2, 3)
        if self.softcap > 0:
            scores = np.tanh(scores / self.softcap) * wide.dtype.type(self.softcap)
        bias = np.where(self._visible(q.shape[2], k.shape[2], lengths), 0.0, -np.inf).astype(wide.dtype)
        if mask is not None:
            bias = bias + (np.where(mask, 0.0, -np.inf) if mask.dtype == np.bool_ else widen(mask)).astype(wide.dtype)
        scores = scores + bias
        top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
        powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
        total = powers.sum(axis=-1, keepdims=True)
        return np.asarray(powers / np.where(total == 0, 1, total) @ values).astype(q.dtype)

    def _visible(self, queries: int, keys: int, lengths: Array | None) -> Array:
        """Which keys each query may see, without the mask: [B or 1, 1, S, T]."""
        offset: Array = np.array([[[[keys - queries if self.bottom_right else 0]]]])
        visible = np.ones((1, 1, queries, keys), bool)
        key = np.arange(keys)
        if lengths is not None:
            limit = lengths.reshape(-1, 1, 1, 1)
            offset = limit - queries
            visible = visible & (key < limit)
        position = np.arange(queries)[:, None] + offset
        if self.is_causal:
            visible = visible & (key <= position)
        if self.left_window >= 0:
            visible = visible & (position - key <= self.left_window)
        if self.right_window >= 0:
            visible = visible & (key - position <= self.right_window)
        return visible

    @staticmethod
    def examples() -> Iterator[tuple[Attention, list[TensorSpec | Array | None]]]:
        """Self and cross attention, grouped heads, masks, causal both ways, windows, soft cap, lengths, decoding."""
        for b, h, g, s, t, d, e in [
            (1, 1, 1, 1, 1, 1, 1),
            (2, 3, 3, 5, 5, 8, 8),
            (1, 4, 2, 7, 33, 16, 16),
            (2, 4, 1, 1, 65, 64, 64),
            (1, 2, 2, 70, 70, 32, 24),
        ]:
            q, k, v = (TensorSpec(float32, shape) for shape in ((b, h, s, d), (b, g, t, d), (b, g, t, e)))
            yield Attention(), [q, k, v, None, None]
            yield Attention(is_causal=True), [q, k, v, None, None]
            yield Attention(is_causal=True, bottom_right=True), [q, k, v, None, None]
            yield Attention(scale=0.3), [q, k, v, TensorSpec(float32, (b, 1, s, t)), None]
            yield Attention(), [q, k, v, TensorSpec(float32, (t,)), None]
            yield Attention(softcap=2.0), [q, k, v, TensorSpec(bool_, (b, h, s, t)), None]
            yield Attention(is_causal=True), [q, k, v, None, np.arange(1, b + 1) + s - 1]
            yield Attention(left_window=2, right_window=1), [q, k, v, None, None]
            q, k, v = (spec.with_dtype(bfloat16) for spec in (q, k, v))
            yield Attention(is_causal=True, bottom_right=True), [q, k, v, None, None]
            yield Attention(softcap=2.0), [q, k, v, TensorSpec(float32, (b, 1, s, t)), None]
            yield Attention(left_window=2), [q, k, v, TensorSpec(bool_, (t,)), None]
        small = TensorSpec(float16, (1, 2, 5, 8))
        yield Attention(is_causal=True), [small, small, small, None, None]


def split_heads(net: Network, x: Tensor, heads: int) -> Tensor:
    """[B, S, heads * D] as [B, heads, S, D]."""
    apart = net.reshape(x, net.constant(np.array([0, 0, heads, -1])))
    return net.transpose(apart, perm=(0, 2, 1, 3))


def join_heads(net: Network, x: Tensor) -> Tensor:
    """[B, heads, S, D] as [B, S, heads * D]."""
    return net.reshape(net.transpose(x, perm=(0, 2, 1, 3)), net.constant(np.array([0, 0, -1])))


def with_past(net: Network, past: Tensor | None, new: Tensor) -> Tensor:
    """Keys or values [B, G, T, D] behind those of earlier steps."""
    return new if past is None else net.concat(past, new, axis=2)


@onnx_rule("ai.onnx::Attention", since=23)
def attention(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """Heads apart and cache joined, then attention; forms beyond that are left to the operator's ONNX definition."""
    if node.wants(3):
        raise NotSupported("its scores are an output")
    q, k, v = (node.input(index) for index in range(3))
    if q.dtype is not v.dtype:
        return _of_two_types(net, node)
    flat = q.rank == 3
    if flat:
        q = split_heads(net, q, node.integer("q_num_heads"))
        k, v = (split_heads(net, x, node.integer("kv_num_heads")) for x in (k, v))
    positions = node.integer("is_causal", 0) or _windows(node) != (-1, -1)
    past = node.optional(4)
    if past is not None and positions and k.shape[2] != q.shape[2]:
        raise NotSupported("there are not as many new keys as queries")
    present_k, present_v = with_past(net, past, k), with_past(net, node.optional(5), v)
    y = net.attention(
        q,
        present_k,
        present_v,
        _mask(node.optional(3), present_k.shape[2]),
        node.optional(6),
        scale=node.number("scale", 0.0),
        is_causal=bool(node.integer("is_causal", 0)),
        bottom_right=past is not None,
        softcap=node.number("softcap", 0.0),
        left_window=_windows(node)[0],
        right_window=_windows(node)[1],
    )
    return (join_heads(net, y) if flat else y), present_k, present_v


def _of_two_types(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """Values of another type than queries and keys: all in the wider one, and back."""
    q, k, v = (node.input(index) for index in range(3))
    if node.optional(4) is not None:
        raise NotSupported(f"it has a cache, queries of {q.dtype} and values of {v.dtype}")
    wide = float64 if float64 in (q.dtype, v.dtype) else float32
    mask = node.optional(3)
    if mask is not None and mask.dtype.is_float:
        mask = net.cast(mask, to=wide)
    inputs = (*(net.cast(x, to=wide) for x in (q, k, v)), mask, *node.inputs[4:])
    y, present_k, present_v = attention(net, replace(node, inputs=inputs))
    return net.cast(y, to=q.dtype), net.cast(present_k, to=q.dtype), net.cast(present_v, to=v.dtype)


def _windows(node: OnnxNode) -> tuple[int, int]:
    return node.integer("left_window_size", -1), node.integer("right_window_size", -1)


def _mask(mask: Tensor | None, keys: Size) -> Tensor | None:
    if mask is None or mask.shape[-1] == keys:
        return mask
    if isinstance(mask.shape[-1], int) and isinstance(keys, int):
        raise NotSupported("the mask is shorter than the keys")
    return mask
