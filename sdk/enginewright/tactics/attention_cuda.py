"""Attention on CUDA: 64 elements a head on tensor cores, anything else a warp for each query."""

from __future__ import annotations

import functools
from dataclasses import replace

from enginewright.dims import Size
from enginewright.ops.attention import Attention
from enginewright.ops.packed_attention import PackedAttention
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.rows import HALVES, is_narrow
from enginewright.tensors import TensorSpec, bool_

HEAD = 64


def _strides(spec: TensorSpec) -> tuple[Size, ...]:
    """Offset, and elements from one batch, head and row to the next, of a dense [B, H, S, D]."""
    _, heads, rows, size = spec.shape
    return 0, heads * rows * size, rows * size, size


def _mask_strides(mask: TensorSpec, scores: tuple[Size, ...]) -> tuple[Size, ...]:
    """Elements between batches, heads, rows and columns of a mask repeated to the scores; 0: the same for all."""
    shape: tuple[Size, ...] = (*(1,) * (4 - mask.rank), *mask.shape)
    strides: list[Size] = []
    step: Size = 1
    for size, wanted in zip(shape[::-1], scores[::-1], strict=True):
        strides.append(0 if size == 1 and wanted != 1 else step)
        step = step * size
    return tuple(strides[::-1])


def attention_cuda(
    way: int | None, op: Attention, q: TensorSpec, k: TensorSpec, *others: TensorSpec | None
) -> Launch | str:
    """One pass over the keys; `way` 0: 64 queries a block, 1: 16, None: the kernel for every size and type."""
    v, mask, lengths = (*others, None, None)[:3]
    assert v is not None
    reason = _refuse(way, op, q, v) or _refuse_masks(q, mask, lengths)
    if reason:
        return reason
    batch, heads, queries, size = q.shape
    scale = op.scale or (float(size) ** -0.5 if isinstance(size, int) else 0.0)
    if scale == 0.0:
        return "the scale depends on a size that is not known when building"
    out = TensorSpec(q.dtype, (batch, heads, queries, v.shape[3]))
    kind = 0 if mask is None else 2 if mask.dtype is bool_ else 1
    masked = (0, 0, 0, 0) if mask is None else _mask_strides(mask, (batch, heads, queries, k.shape[2]))
    numbers = (scale, int(op.is_causal), int(op.bottom_right), float(op.softcap), op.left_window, op.right_window)
    strides = (*_strides(q), *_strides(k), *_strides(v), *_strides(out))
    sizes = (batch, heads, k.shape[1], queries, k.shape[2], size, v.shape[3])
    inputs = (0, 1, 2, *((3,) if mask is not None else ()), *((4,) if lengths is not None else ()))
    return Launch((*sizes, *numbers, *strides, kind, *masked, int(lengths is not None), way or 0), inputs=inputs)


def _refuse(way: int | None, op: Attention, q: TensorSpec, v: TensorSpec) -> str:
    if way is not None and (q.dtype not in HALVES or (q.shape[3], v.shape[3]) != (HEAD, HEAD)):
        return f"needs heads of {HEAD} halves"
    return (
        "" if is_narrow(q) and not (way is not None and op.softcap) else f"no kernel for {q.dtype}, or with a soft cap"
    )


def _refuse_masks(q: TensorSpec, mask: TensorSpec | None, lengths: TensorSpec | None) -> str:
    if mask is not None and mask.dtype not in (q.dtype, bool_):
        return "the mask has another type"
    if lengths is not None and lengths.shape != (q.shape[0],):
        return "lengths are not one for each batch"
    return ""


for _way, _kernel in ((0, "cuda_attention"), (1, "cuda_attention"), (None, "cuda_attention_plain")):
    _tactic = functools.partial(attention_cuda, _way)
    _tactic.__name__ = "attention_any" if _way is None else f"attention_way{_way}"  # type: ignore[attr-defined]
    _tactic.__module__ = __name__
    tactic(Attention, kernel=_kernel)(_tactic)


def packed_attention_cuda(
    way: int | None,
    op: PackedAttention,
    qkv: TensorSpec,
    mask: TensorSpec | None = None,
    lengths: TensorSpec | None = None,
) -> Launch | str:
    """The same kernels on heads that lie side by side in one tensor, and so do the results."""
    batch, rows, width = qkv.shape
    size = width // (3 * op.heads)
    one = TensorSpec(qkv.dtype, (batch, op.heads, rows, size))
    launch = attention_cuda(way, op.anchor, one, one, one, mask, lengths)
    if isinstance(launch, str):
        return launch
    heads: Size = op.heads * size
    strides = [number for part in range(3) for number in (part * heads, rows * width, size, width)]
    out = (0, rows * heads, size, heads)
    inputs = (0, 0, 0, *(index - 2 for index in (launch.inputs or ())[3:]))
    return replace(launch, params=(*launch.params[:13], *strides, *out, *launch.params[29:]), inputs=inputs)


for _way, _kernel in ((0, "cuda_attention"), (1, "cuda_attention"), (None, "cuda_attention_plain")):
    _tactic = functools.partial(packed_attention_cuda, _way)
    _tactic.__name__ = "packed_any" if _way is None else f"packed_way{_way}"  # type: ignore[attr-defined]
    _tactic.__module__ = __name__
    tactic(PackedAttention, kernel=_kernel)(_tactic)
