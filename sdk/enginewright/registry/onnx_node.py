"""One ONNX node in plain Python, as the parser hands it to an import rule; no type of the onnx package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ModelInvalid
from enginewright.tensors import TensorSpec

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


class NotSupported(Exception):
    """Raised by an import rule for a form of the node that it can't import; the parser collects the reasons."""


@dataclass(frozen=True)
class Subgraph:
    """A graph attribute, not imported yet: `parse` makes a nested network of it.

    `captures` are the outer tensors that it reads (nested graphs included), by ONNX name, in a stable order.
    `parse(inputs, captures)` gets a tensor spec for each formal input (None: as the graph declares them) and the
    tensors to capture, which become further inputs of the nested network in that order. `inline()` imports the graph
    as part of the surrounding network instead and returns its outputs; for a graph without inputs.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    captures: Mapping[str, Tensor]
    parse: Callable[..., Network]
    inline: Callable[[], Sequence[Tensor]]


@dataclass(frozen=True)
class OnnxNode:
    """An ONNX node: operator, attributes as Python values, and inputs as tensors of the network (None: left out).

    Attribute values: int, float, str, a list of these, a NumPy array (tensor), a `TensorSpec` (type) or a `Subgraph`.
    """

    op_type: str
    domain: str
    version: int
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def input(self, index: int) -> Tensor:
        """A required input; `ModelInvalid` where the node has none there."""
        found = self.optional(index)
        if found is None:
            raise ModelInvalid(
                f"{self.op_type} has no input {index}, which it needs", hint="Export the model again.", where=self.where
            )
        return found

    def optional(self, index: int) -> Tensor | None:
        """An optional input, None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def wants(self, index: int) -> bool:
        """Whether output `index` is asked for."""
        return index < len(self.outputs) and bool(self.outputs[index])

    @property
    def where(self) -> str:
        """The node as it is named in messages."""
        return f'node "{self.name}" ({self.op_type})'

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute."""
        return int(self._get(name, default, (int,), "an integer"))

    def number(self, name: str, default: float | None = None) -> float:
        """A float attribute."""
        return float(self._get(name, default, (int, float), "a float"))

    def text(self, name: str, default: str | None = None) -> str:
        """A string attribute."""
        return str(self._get(name, default, (str,), "a string"))

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """A list of integers."""
        return tuple(self._list(name, default, (int,), "a list of integers"))

    def numbers(self, name: str, default: Sequence[float] | None = None) -> tuple[float, ...]:
        """A list of floats."""
        return tuple(float(x) for x in self._list(name, default, (int, float), "a list of floats"))

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self._list(name, default, (str,), "a list of strings"))

    def tensor(self, name: str) -> np.ndarray[Any, Any]:
        """A tensor attribute."""
        found: np.ndarray[Any, Any] = self._get(name, None, (np.ndarray,), "a tensor")
        return found

    def graph(self, name: str) -> Subgraph:
        """A graph attribute."""
        found: Subgraph = self._get(name, None, (Subgraph,), "a graph")
        return found

    def spec(self, name: str) -> TensorSpec:
        """A type attribute, as the spec of a tensor, sequence or optional of that type."""
        found: TensorSpec = self._get(name, None, (TensorSpec,), "a type")
        return found

    def has(self, name: str) -> bool:
        """Whether the attribute is given."""
        return name in self.attributes

    def _get(self, name: str, default: Any, types: tuple[type, ...], kind: str) -> Any:
        found = self.attributes.get(name, default)
        if found is None:
            raise self._invalid(f'attribute "{name}" is missing')
        if not isinstance(found, types):
            raise self._invalid(f'attribute "{name}" is {type(found).__name__}, not {kind}')
        return found

    def _list(self, name: str, default: Any, types: tuple[type, ...], kind: str) -> Any:
        found = self._get(name, default, (list, tuple), kind)
        if not all(isinstance(item, types) for item in found):
            raise self._invalid(f'attribute "{name}" is not {kind}')
        return found

    def _invalid(self, message: str) -> ModelInvalid:
        return ModelInvalid(message, hint="Export the model again, or correct the node.", where=self.where)
