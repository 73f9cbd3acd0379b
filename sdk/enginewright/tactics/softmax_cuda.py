"""Softmax and LogSoftmax on CUDA."""

from __future__ import annotations

from enginewright.ops.softmax import LogSoftmax, Softmax
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.rows import around, is_narrow
from enginewright.tensors import TensorSpec


@tactic(Softmax, kernel="cuda_softmax")
def softmax_cuda(op: Softmax, x: TensorSpec) -> Launch | str:
    """A warp or a block for each row, sums in float32."""
    return Launch((*around(x, op.axis), 0), inplace=(0,)) if is_narrow(x) else f"no kernel for {x.dtype}"


@tactic(LogSoftmax, kernel="cuda_softmax")
def log_softmax_cuda(op: LogSoftmax, x: TensorSpec) -> Launch | str:
    """As softmax."""
    return Launch((*around(x, op.axis), 1), inplace=(0,)) if is_narrow(x) else f"no kernel for {x.dtype}"
