"""What stays in float32 where a build allows fewer bits, layer by layer, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WideLayer:
    """A layer that stays in float32, by its name when precision was chosen: later passes may fuse it with others."""

    layer: str
    operator: str
    reason: str
    sources: tuple[str, ...] = ()
