"""Runs Tile natively."""

from __future__ import annotations

from enginewright.ops.tile import Tile
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(Tile, kernel="cpu_tile")
def tile(op: Tile, x: TensorSpec, repeats: TensorSpec) -> Launch | str:
    """Repeated axes are read again and again."""
    return why_not_movable(x) or Launch(inputs=(0,))
