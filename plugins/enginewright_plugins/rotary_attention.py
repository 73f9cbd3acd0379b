"""RotaryAttention: a decoder's attention with rotary positions and its cache of keys and values, in one step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import (
    check_fields,
    check_float,
    check_integer,
    check_rank,
    needs_cuda_float,
    needs_float32,
)
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]
TOKENS = 8
"""So many tokens of a prompt the kernel takes at once."""


@ew.operator("ew_plugins::RotaryAttention", version=1, alias={0: "cache"})
class RotaryAttention:
    """Outputs (cache, y [B, H, T, D]): causal attention of T new tokens to themselves and those in the cache.

    cache [2, B, G, S, D]: keys, then values, of up to S tokens; the new ones are written into its own memory. query
    [B, H, T, D]; key and value [B, G, T, D]: each of the G heads serves H / G of the query's. cosine, sine [P, R / 2]
    for each position; past [B] int32 or int64: tokens that the cache holds already. Query and key are rotated in their
    first R numbers by the angles of their positions, number i with i + R / 2, or 2 i with 2 i + 1 if `interleaved`.
    Scores are multiplied by `scale`, 1 / sqrt(D) if left out. Su et al., "RoFormer"; Ainslie et al., "GQA".
    """

    interleaved: bool = False
    scale: float | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        is_wrong = self.scale is not None and not math.isfinite(self.scale)
        check_fields("RotaryAttention", {f"scale is {self.scale}, not finite": is_wrong})

    def infer(
        self,
        cache: ew.TensorSpec,
        query: ew.TensorSpec,
        key: ew.TensorSpec,
        value: ew.TensorSpec,
        cosine: ew.TensorSpec,
        sine: ew.TensorSpec,
        past: ew.TensorSpec,
    ) -> tuple[ew.TensorSpec, ew.TensorSpec]:
        """The cache keeps its size."""
        check_float("cache", cache)
        check_rank("cache", cache, 5)
        ranks = {"query": (query, 4), "key": (key, 4), "value": (value, 4), "cosine": (cosine, 2), "sine": (sine, 2)}
        for name, (spec, rank) in ranks.items():
            check_float(name, spec, cache)
            check_rank(name, spec, rank)
        check_integer("past", past)
        check_rank("past", past, 1)
        _, batch, groups, _, depth = cache.shape
        ew.same(cache.shape[0], 2)
        ew.same(past.shape[0], batch)
        for spec in (query, key, value):
            ew.same(spec.shape[0], batch)
            ew.same(spec.shape[2], query.shape[2])
            ew.same(spec.shape[3], depth)
        ew.same(key.shape[1], groups)
        ew.same(value.shape[1], groups)
        ew.same(query.shape[1] % groups, 0)
        for a, b in zip(cosine.shape, sine.shape, strict=True):
            ew.same(a, b)
        ew.same(ew.dim_min(cosine.shape[1] * 2, depth), cosine.shape[1] * 2)
        return cache.with_shape(*cache.shape), query.with_shape(*query.shape)

    def reference(
        self, cache: Array, query: Array, key: Array, value: Array, cosine: Array, sine: Array, past: Array
    ) -> tuple[Array, Array]:
        """Sequence by sequence, in float32; the cache that is given stays as it is."""
        made, y, new = cache.copy(), np.zeros(query.shape, np.float32), query.shape[2]
        for index, start in enumerate(past.tolist()):
            if not 0 <= start <= min(cache.shape[3], len(cosine)) - new:
                raise ew.InputError(
                    f"sequence {index} has {start} tokens and {new} new ones; the cache has room for {cache.shape[3]}, "
                    f"there are angles for {len(cosine)}",
                    hint="Give a larger cache or longer tables.",
                )
            angles = cosine[start : start + new].astype(np.float32), sine[start : start + new].astype(np.float32)
            made[0, index, :, start : start + new] = self._rotated(key[index], *angles)
            made[1, index, :, start : start + new] = value[index]
            rotated = self._rotated(query[index], *angles)
            y[index] = self._attention(rotated, made[:, index, :, : start + new].astype(np.float32))
        return made, y.astype(query.dtype)

    def _rotated(self, x: Array, cosine: Array, sine: Array) -> Array:
        """x [heads, T, D] turned by angles [T, R / 2]."""
        half = cosine.shape[1]
        first, second = slice(0, half), slice(half, 2 * half)
        if self.interleaved:
            first, second = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
        made = x.astype(np.float32)
        a, b = made[..., first].copy(), made[..., second].copy()
        made[..., first], made[..., second] = a * cosine - b * sine, b * cosine + a * sine
        return made

    def _attention(self, query: Array, cache: Array) -> Array:
        """query [H, T, D] and cache [2, G, tokens, D], of which the last T are the query's own."""
        heads, new, depth = query.shape
        keys, values = (part.repeat(heads // max(part.shape[0], 1), axis=0) for part in cache)
        scale = 1 / math.sqrt(max(depth, 1)) if self.scale is None else self.scale
        scores = query @ keys.transpose(0, 2, 1) * np.float32(scale)
        tokens = keys.shape[1]
        hidden = np.arange(tokens) > np.arange(tokens - new, tokens)[:, None]
        scores = np.where(hidden, np.float32(-np.inf), scores)
        if scores.size == 0:
            return np.zeros_like(query)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(weights @ values / weights.sum(axis=-1, keepdims=True))

    @staticmethod
    def examples() -> Iterator[tuple[RotaryAttention, list[Any]]]:
        """A prompt, a token after others, shared heads, a part rotated, both pairings, unequal sequences."""
        rng = np.random.default_rng(31)

        def given(heads: int, new: int, past: list[int], rotated: int, kind: type = np.int64) -> list[Any]:
            batch, depth = len(past), 24
            shapes = [(2, batch, 2, 20, depth), (batch, heads, new, depth), *[(batch, 2, new, depth)] * 2]
            angles = np.arange(25)[:, None] / 10.0 ** np.arange(rotated // 2)
            tables = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
            return [*(rng.standard_normal(s).astype(np.float32) for s in shapes), *tables, np.array(past, kind)]

        yield RotaryAttention(), given(2, 7, [0], 24)
        yield RotaryAttention(), given(4, 13, [3], 24)
        yield RotaryAttention(), given(6, 1, [4, 19, 0], 24)
        yield RotaryAttention(interleaved=True, scale=0.3), given(4, 3, [2, 17], 16, np.int32)
        yield RotaryAttention(), given(2, 0, [20], 24)


@ew.tactic(RotaryAttention, kernel=KERNELS["rotary_attention_f32"])
def rotary_attention(
    op: RotaryAttention,
    cache: ew.TensorSpec,
    query: ew.TensorSpec,
    key: ew.TensorSpec,
    value: ew.TensorSpec,
    cosine: ew.TensorSpec,
    sine: ew.TensorSpec,
    past: ew.TensorSpec,
) -> ew.Launch | str:
    """Heads side by side; tokens of a prompt eight at a time, against 16 keys at a time."""
    if reason := needs_float32(cache):
        return reason
    batch, heads, _, depth = query.shape
    tokens = 16 * ew.ceil_div(cache.shape[3], 16)
    workspace = batch * heads * 4 * ((TOKENS + 16) * depth + TOKENS * tokens)
    scale = 0.0 if op.scale is None else float(op.scale)
    return ew.Launch((int(op.interleaved), scale, int(op.scale is None)), workspace)


CUDA_DEPTH = 256
"""Numbers of a token, at most, that the kernel for GPUs holds."""


@ew.tactic(RotaryAttention, kernel=CUDA_KERNELS["rotary_attention"])
def rotary_attention_cuda(
    op: RotaryAttention,
    cache: ew.TensorSpec,
    query: ew.TensorSpec,
    key: ew.TensorSpec,
    value: ew.TensorSpec,
    cosine: ew.TensorSpec,
    sine: ew.TensorSpec,
    past: ew.TensorSpec,
) -> ew.Launch | str:
    """A block for each new token of a head, whose warps share the keys."""
    if reason := needs_cuda_float(cache):
        return reason
    depth = query.shape[3]
    if not isinstance(depth, int) or depth > CUDA_DEPTH:
        return f"needs tokens of at most {CUDA_DEPTH} numbers, known when building"
    scale = 0.0 if op.scale is None else float(op.scale)
    return ew.Launch((int(op.interleaved), scale, int(op.scale is None)))
