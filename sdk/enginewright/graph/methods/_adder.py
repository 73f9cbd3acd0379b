"""What the operator methods add their layers with: `Network` and `Pattern` each do it in their own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Adder:
    """Something that layers can be added to."""

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str = "") -> Tensor: ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]: ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> Any:
        """Add a layer, or add two tensors; `Network` does it."""
        raise NotImplementedError
