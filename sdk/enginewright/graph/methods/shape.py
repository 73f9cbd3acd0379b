"""Shapes as data and data in another shape: Shape, Size, Reshape, Flatten, Squeeze, Unsqueeze, Identity.

Methods of `Network`, written by ``make methods`` from ops/shape.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import shape as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Shape(_Adder):
    """One method an operator of ops/shape.py."""

    def flatten(self, x: Tensor, *, axis: int = 1, name: str = "") -> Tensor:
        """`x` as a matrix: axes before `axis` are the rows, the others the columns."""
        return self.add(ops.Flatten(axis=axis), x, name=name)[0]

    def identity(self, x: Tensor, *, name: str = "") -> Tensor:
        """`x` as it is."""
        return self.add(ops.Identity(), x, name=name)[0]

    def reshape(self, data: Tensor, shape: Tensor, *, allowzero: bool = False, name: str = "") -> Tensor:
        """`data` in the shape given by `shape`: one size may be -1 (what is left); 0 keeps the size unless
        `allowzero`.
        """
        return self.add(ops.Reshape(allowzero=allowzero), data, shape, name=name)[0]

    def shape(self, data: Tensor, *, start: int = 0, end: int | None = None, name: str = "") -> Tensor:
        """The sizes of `data` as int64, from axis `start` to before axis `end`, both clamped as in a Python slice."""
        return self.add(ops.Shape(start=start, end=end), data, name=name)[0]

    def size(self, data: Tensor, *, name: str = "") -> Tensor:
        """The number of elements of `data`: an int64 scalar."""
        return self.add(ops.Size(), data, name=name)[0]

    def squeeze(self, data: Tensor, axes: Tensor | None = None, *, name: str = "") -> Tensor:
        """`data` without the given axes, which must have size 1; without `axes` all axes of size 1 go.

        Where `axes` is left out, an axis whose size is symbolic stays, and must then not be 1 at run time.
        """
        return self.add(ops.Squeeze(), data, axes, name=name)[0]

    def unsqueeze(self, data: Tensor, axes: Tensor, *, name: str = "") -> Tensor:
        """`data` with new axes of size 1, at these places in the output."""
        return self.add(ops.Unsqueeze(), data, axes, name=name)[0]
