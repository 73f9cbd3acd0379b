"""The operators as methods of `Network`, written by ``make methods`` from the operator classes, not by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from enginewright.ops.softmax import Softmax as SoftmaxOp
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.dims import Size
    from enginewright.graph.network import Network, Tensor

__all__ = ["OperatorMethods"]


class OperatorMethods:
    """One method an operator: tensors by position, attributes by name; returns the operator's outputs."""

    def add(self, op: Any, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]:
        """Add a layer; `Network` does it."""
        raise NotImplementedError

    def softmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """exp(x) / sum(exp(x)) along `axis`; output of the shape and type of x."""
        return self.add(SoftmaxOp(axis=axis), x, name=name)[0]
