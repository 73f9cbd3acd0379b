"""Fused attention on the CPU: no matrix of all scores."""

from __future__ import annotations

from enginewright.ops.attention import Attention
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, bool_, float32


@tactic(Attention, kernel="cpu_attention_f32")
def attention_f32(
    op: Attention,
    q: TensorSpec,
    k: TensorSpec,
    v: TensorSpec,
    mask: TensorSpec | None = None,
    lengths: TensorSpec | None = None,
) -> Launch | str:
    """Block by block of keys, with running maxima and sums."""
    if q.dtype is not float32:
        return "needs float32"
    if mask is not None and mask.dtype not in (float32, bool_):
        return "the mask is neither float32 nor bool"
    causal = (int(op.is_causal), int(op.bottom_right))
    return Launch((float(op.scale), *causal, float(op.softcap), op.left_window, op.right_window))
