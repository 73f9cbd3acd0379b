"""How far results may be from those of an operator's reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from enginewright.tensors import DataType

DEFAULT = {DataType.FLOAT32: 2e-5, DataType.FLOAT64: 1e-12, DataType.FLOAT16: 2e-3, DataType.BFLOAT16: 1.6e-2}
"""Relative to the largest element of the output; other types must be equal, or as the operator says."""


def tolerance_of(op: Any, dtype: DataType) -> float:
    """How far a tactic may be from the operator's reference in outputs of this type."""
    given = getattr(type(op), "TOLERANCE", None)
    if isinstance(given, Mapping):
        return float(given.get(dtype, DEFAULT.get(dtype, 0.0)))
    if given is not None and dtype.is_float:
        return float(given)
    return DEFAULT.get(dtype, 0.0)
