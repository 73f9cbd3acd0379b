"""Attention on one tensor that holds queries, keys and values side by side, as one matrix product gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import same
from enginewright.ops.attention import Attention
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, float16, float32

Array = np.ndarray[Any, Any]


@operator("ew::PackedAttention")
class PackedAttention:
    """`anchor` on qkv [B, S, 3 * heads * D]: queries, keys and values one behind the other, each head by head.

    The other inputs are those of attention: mask, lengths. Gives [B, S, heads * D].
    """

    INTERNAL = True  # made by passes, no method of Network

    anchor: Attention
    heads: int

    def infer(self, qkv: TensorSpec, mask: TensorSpec | None = None, lengths: TensorSpec | None = None) -> TensorSpec:
        """A third as wide."""
        batch, rows, width = qkv.shape
        size = width // (3 * self.heads)
        same(width, size * (3 * self.heads))
        one = TensorSpec(qkv.dtype, (batch, self.heads, rows, size))
        self.anchor.infer(one, one, one, mask, lengths)
        return TensorSpec(qkv.dtype, (batch, rows, size * self.heads))

    def reference(self, qkv: Array, mask: Array | None = None, lengths: Array | None = None) -> Array:
        """Taken apart, then attention."""
        batch, rows, width = qkv.shape
        parts = qkv.reshape(batch, rows, 3, self.heads, width // (3 * self.heads)).transpose(2, 0, 3, 1, 4)
        found = self.anchor.reference(parts[0], parts[1], parts[2], mask, lengths)
        return np.ascontiguousarray(found.transpose(0, 2, 1, 3)).reshape(batch, rows, width // 3)

    @staticmethod
    def examples() -> Iterator[tuple[PackedAttention, list[TensorSpec | None]]]:
        """Heads of 64 and others, masks, causal."""
        for dtype in (float32, float16):
            yield PackedAttention(Attention(), 2), [TensorSpec(dtype, (2, 17, 3 * 2 * 64))]
            yield PackedAttention(Attention(is_causal=True), 3), [TensorSpec(dtype, (1, 70, 3 * 3 * 64))]
            yield (
                PackedAttention(Attention(), 2),
                [TensorSpec(dtype, (2, 9, 3 * 2 * 8)), TensorSpec(dtype, (2, 1, 1, 9))],
            )
