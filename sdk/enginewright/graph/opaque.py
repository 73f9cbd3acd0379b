"""A node of the model that can't be imported, kept as a layer so that a pattern can name it and replace it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.dims import Dim
from enginewright.graph.network import Tensor
from enginewright.registry.registry import Key
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]
UNKNOWN = TensorSpec(DataType.STRING, (Dim("unknown"),))
"""The spec of a tensor that no imported layer gives; compared by identity."""


@dataclass(frozen=True, eq=False)
class Opaque:
    """The operator of a node that is not supported, or (`waits`) that reads what such a node would give.

    `evaluate` runs a node that waits on arrays, as it will be imported; it raises where that is not possible.
    """

    domain: str
    op_type: str
    version: int
    attributes: Mapping[str, Any]
    waits: bool
    evaluate: Callable[[Sequence[Array | None]], Sequence[Array]]

    @property
    def KEY(self) -> Key:  # as operator classes have it
        """Domain, type and version, as the model gives them."""
        return Key(self.domain, self.op_type, self.version)

    def reference(self, *arrays: Array | None) -> tuple[Array, ...]:
        """The node's outputs for these arrays."""
        return tuple(self.evaluate(arrays))


def is_known(tensor: Tensor) -> bool:
    """Whether type and shape of a tensor are known."""
    return tensor.spec is not UNKNOWN
