"""Slice, Expand, Tile and Pad on CUDA: told the same as on the CPU, with no memory for maps."""

from __future__ import annotations

from dataclasses import replace

from enginewright.ops.expand import Expand
from enginewright.ops.pad import Pad
from enginewright.ops.slice import Slice
from enginewright.ops.tile import Tile
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.expand import expand
from enginewright.tactics.pad import pad
from enginewright.tactics.slice import slice_strided
from enginewright.tactics.tile import tile
from enginewright.tensors import TensorSpec


@tactic(Slice, kernel="cuda_slice")
def slice_cuda(op: Slice, data: TensorSpec, *bounds: TensorSpec | None) -> Launch | str:
    """The place of the first element and the step of each axis."""
    return slice_strided(op, data, *bounds)


@tactic(Expand, kernel="cuda_expand")
def expand_cuda(op: Expand, x: TensorSpec, shape: TensorSpec) -> Launch | str:
    """Repeated axes are read again and again."""
    return expand(op, x, shape)


@tactic(Tile, kernel="cuda_tile")
def tile_cuda(op: Tile, x: TensorSpec, repeats: TensorSpec) -> Launch | str:
    """An axis is read again from its start."""
    return tile(op, x, repeats)


@tactic(Pad, kernel="cuda_pad")
def pad_cuda(op: Pad, *inputs: TensorSpec | None) -> Launch | str:
    """The mode, and what each axis gets at its ends."""
    found = pad(op, *inputs)
    return found if isinstance(found, str) else replace(found, workspace=0)
