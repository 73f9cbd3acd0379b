"""Runs DepthToSpace, SpaceToDepth, Trilu, ReverseSequence and CenterCropPad natively."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.contents import sizes_of
from enginewright.ops.rearrange import CenterCropPad, DepthToSpace, ReverseSequence, SpaceToDepth, Trilu
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(DepthToSpace, kernel="cpu_transpose_reshaped")
@tactic(SpaceToDepth, kernel="cpu_transpose_reshaped")
def transpose_blocks(op: DepthToSpace | SpaceToDepth, x: TensorSpec) -> Launch | str:
    """Both are a transposition of x seen with six axes."""
    seen, order = op.steps(x.shape)
    return why_not_movable(x) or Launch(params=(*seen, *order))


@tactic(Trilu, kernel="cpu_trilu")
def trilu(op: Trilu, x: TensorSpec, k: TensorSpec | None = None) -> Launch | str:
    """Row by row, the diagonal as a number."""
    diagonal: Size = 0 if k is None else sizes_of(k, "k")[0]
    return why_not_movable(x) or Launch(params=(int(op.upper), diagonal), inputs=(0,), inplace=(0,))


@tactic(ReverseSequence, kernel="cpu_reverse_sequence")
def reverse_sequence(op: ReverseSequence, x: TensorSpec, sequence_lens: TensorSpec) -> Launch | str:
    """Run by run; every length is checked."""
    return why_not_movable(x) or Launch(params=(op.batch_axis,))


@tactic(CenterCropPad, kernel="cpu_pad")
def crop_and_pad(op: CenterCropPad, x: TensorSpec, shape: TensorSpec) -> Launch | str:
    """A pad with zeros, negative where something is cut."""
    begins, ends = op.amounts(x, shape)
    places: Size = 0
    for size, begin, end in zip(x.shape, begins, ends, strict=True):
        places = places + (size + begin + end)
    return why_not_movable(x) or Launch(params=(0, *begins, *ends), inputs=(0,), workspace=places * 8)
