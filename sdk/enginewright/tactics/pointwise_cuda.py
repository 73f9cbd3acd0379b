"""Elementwise layers on CUDA: the pointwise program becomes a kernel of its own, compiled for the GPU at hand."""

from __future__ import annotations

from typing import Any

from enginewright import ops
from enginewright.ops.elementwise import Elementwise
from enginewright.ops.pointwise import Pointwise
from enginewright.registry.registry import Launch, registry, tactic
from enginewright.tactics.pointwise import pointwise
from enginewright.tensors import TensorSpec


def pointwise_cuda(op: Any, *specs: TensorSpec | None) -> Launch | str:
    """The same program as on the CPU."""
    return pointwise(op, *specs)


ops.load()
for _cls in [*registry.operators.values()]:
    if issubclass(_cls, Elementwise | Pointwise):
        tactic(_cls, kernel="cuda_pointwise")(pointwise_cuda)
