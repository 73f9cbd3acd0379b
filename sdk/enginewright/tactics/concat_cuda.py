"""Concat and Split on CUDA: one launch for all parts."""

from __future__ import annotations

from dataclasses import replace

from enginewright.dims import Size, product
from enginewright.ops.concat import Concat
from enginewright.ops.split import Split
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec, normalize_axis

MAX_PARTS = 16


@tactic(Concat, kernel="cuda_concat")
def concat_cuda(op: Concat, *inputs: TensorSpec) -> Launch | str:
    """One run an input for each place before the axis."""
    return why_not_movable(*inputs) or _parts(inputs, normalize_axis(op.axis, inputs[0].rank))


@tactic(Split, kernel="cuda_split")
def split_cuda(op: Split, x: TensorSpec, split: TensorSpec | None = None) -> Launch | str:
    """One run an output for each place before the axis."""
    outputs = op.infer(x, split)
    found = _parts(outputs, normalize_axis(op.axis, x.rank))
    return why_not_movable(x) or (found if isinstance(found, str) else replace(found, inputs=(0,)))


def _parts(parts: tuple[TensorSpec, ...], axis: int) -> Launch | str:
    if len(parts) > MAX_PARTS:
        return f"more than {MAX_PARTS} parts"
    widths: tuple[Size, ...] = tuple(product(part.shape[axis:]) for part in parts)
    return Launch((product(parts[0].shape[:axis]), *widths))
