"""The plugin of a golden plan: one operator, with its reference only, so that it needs nothing but NumPy."""

from __future__ import annotations

from typing import Any

import enginewright as ew


@ew.operator("golden::Halve", version=1)
class Halve:
    """Half of each element."""

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        """Same shape and type."""
        return ew.TensorSpec(x.dtype, x.shape)

    def reference(self, x: Any) -> Any:
        """Half of it."""
        return x / 2
