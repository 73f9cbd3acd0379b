"""Attention: softmax(q k' * scale + mask) v for many heads, with grouped heads, causal masks, windows and soft cap.

Methods of `Network`, written by ``make methods`` from ops/attention.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import attention as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Attention(_Adder):
    """One method an operator of ops/attention.py."""

    def attention(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        scale: float = 0.0,
        is_causal: bool = False,
        bottom_right: bool = False,
        softcap: float = 0.0,
        left_window: int = -1,
        right_window: int = -1,
        name: str = "",
    ) -> Tensor:
        """softmax(q k' * scale + mask) v: q [B, H, S, D], k [B, G, T, D], v [B, G, T, E] give [B, H, S, E].

        H is a multiple of G: consecutive heads of q share one of k and v. mask is added (or, if bool, False forbids)
        and broadcasts to [B, H, S, T]; beside bfloat16 it may be float32. `lengths` [B] (int64) forbids what lies
        beyond. `scale` 0 means 1 / sqrt(D). `softcap` c > 0 replaces a score s by c * tanh(s / c) before the mask.
        Query i stands at position i + offset; the offset is lengths - S with lengths, else T - S if `bottom_right`,
        else 0. With `is_causal` it sees keys up to its position, with `left_window` or `right_window` (-1: no limit)
        only so many before and after. Seeing nothing it gives 0.
        """
        return self.add(
            ops.Attention(
                scale=scale,
                is_causal=is_causal,
                bottom_right=bottom_right,
                softcap=softcap,
                left_window=left_window,
                right_window=right_window,
            ),
            q,
            k,
            v,
            mask,
            lengths,
            name=name,
        )[0]
