"""Softmax and LogSoftmax on the CPU: float32 along any axis; 16-bit types in float32."""

from __future__ import annotations

from enginewright.ops.softmax import LogSoftmax, Softmax
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.rows import around, is_narrow, wide_bytes
from enginewright.tensors import TensorSpec


@tactic(Softmax, kernel="cpu_softmax")
def softmax(op: Softmax, x: TensorSpec) -> Launch | str:
    """Rows, or columns side by side where the axis is not the last."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    return Launch(params=(*around(x, op.axis), 0), workspace=wide_bytes(x, x), inplace=(0,))


@tactic(LogSoftmax, kernel="cpu_softmax")
def log_softmax(op: LogSoftmax, x: TensorSpec) -> Launch | str:
    """As softmax."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    return Launch(params=(*around(x, op.axis), 1), workspace=wide_bytes(x, x), inplace=(0,))
