"""Fused attention on the CPU: no matrix of all scores."""

from __future__ import annotations

from enginewright.ops.attention import Attention
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, bfloat16, bool_, float32


@tactic(Attention, kernel="cpu_attention_f32")
def attention_f32(op: Attention, q: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """Block by block of keys, with running maxima and sums."""
    if q.dtype is not float32:
        return "needs float32"
    return _launch(op, *others)


@tactic(Attention, kernel="cpu_attention_bf16")
def attention_bf16(op: Attention, q: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """Products of words of two; scores and powers are float32, powers are rounded over their sum."""
    if q.dtype is not bfloat16 or not isinstance(q.shape[3], int) or q.shape[3] % 2:
        return "needs bfloat16, and an even number of elements in a query"
    return _launch(op, *others)


def _launch(
    op: Attention, k: TensorSpec | None, v: TensorSpec | None, mask: TensorSpec | None = None, *lengths: object
) -> Launch | str:
    if mask is not None and mask.dtype not in (float32, bool_):
        return "the mask is neither float32 nor bool"
    causal = (int(op.is_causal), int(op.bottom_right))
    return Launch((float(op.scale), *causal, float(op.softcap), op.left_window, op.right_window))
