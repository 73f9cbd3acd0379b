"""Shapes: where another module has moved to."""

from __future__ import annotations

MAX_SIZE = 512


def area(side: int) -> int:
    """Of a square."""
    return side * side
