"""Tensors made from nothing but a few numbers: Constant, ConstantOfShape, Range, EyeLike.

Methods of `Network`, written by ``make methods`` from ops/generate.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import generate as ops
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Generate(_Adder):
    """One method an operator of ops/generate.py."""

    def constant_of_shape(
        self, shape: Tensor, *, value: int | float = 0.0, dtype: DataType = DataType.FLOAT32, name: str = ""
    ) -> Tensor:
        """A tensor of type `dtype` whose sizes are the numbers of `shape`, every element `value`."""
        return self.add(ops.ConstantOfShape(value=value, dtype=dtype), shape, name=name)[0]

    def eye_like(self, x: Tensor, *, dtype: DataType | None = None, k: int = 0, name: str = "") -> Tensor:
        """Ones on the diagonal `k` (above the main one if positive) of a matrix of the shape of `x`, zeros
        elsewhere.
        """
        return self.add(ops.EyeLike(dtype=dtype, k=k), x, name=name)[0]

    def range(self, start: Tensor, limit: Tensor, delta: Tensor, *, name: str = "") -> Tensor:
        """start, start + delta, start + 2 delta, ... up to before `limit`: three scalars of one type."""
        return self.add(ops.Range(), start, limit, delta, name=name)[0]
