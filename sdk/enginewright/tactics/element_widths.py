"""Which elements the movement kernels take: all that have bytes of their own, whatever they mean."""

from __future__ import annotations

from enginewright.tensors import DataType, TensorSpec


def why_not_movable(*specs: TensorSpec | None) -> str:
    """The reason why the first of these tensors can't be moved element by element; empty where all can."""
    for spec in specs:
        if spec is not None and spec.dtype is DataType.STRING:
            return "strings are Python objects"
        if spec is not None and spec.dtype.bits % 8:
            return f"two elements of {spec.dtype} share a byte"
    return ""
