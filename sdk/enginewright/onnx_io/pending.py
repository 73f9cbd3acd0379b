"""A node that can't be imported yet: not supported, or behind one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from enginewright.errors import UnsupportedNode
from enginewright.graph.network import Layer, Tensor
from enginewright.graph.opaque import UNKNOWN, Opaque
from enginewright.onnx_io.attributes import attribute_values
from enginewright.onnx_io.exchange import sources_of
from enginewright.registry.onnx_node import NotSupported
from enginewright.tensors import TensorSpec

DOMAIN = "ai.onnx"


class Waiting(Exception):
    """A node reads what an unsupported node would have made."""


class NestedProblems(Exception):
    """A graph of a control flow node has unsupported nodes."""

    def __init__(self, problems: Sequence[UnsupportedNode]) -> None:
        super().__init__(", ".join(problem.name for problem in problems))
        self.problems = tuple(problems)


@dataclass(eq=False)
class Pending:
    """A node, why it could not be imported, and the layer that stands for it.

    `retry`, `problems` and `evaluate` belong to the graph in which the node is.
    """

    proto: onnx.NodeProto
    name: str
    reason: Exception
    retry: Callable[[Pending], bool]
    problems: Callable[[Pending], Iterable[UnsupportedNode]]
    evaluate: Callable[[onnx.NodeProto, str, Sequence[Any]], Sequence[Any]]
    layer: Layer = field(default_factory=lambda: Layer("", None, []))

    def make_layer(
        self, inputs: list[Tensor | None], version: int, folder: Path | None, stated: Mapping[str, TensorSpec]
    ) -> None:
        """Make the layer; it is no part of the network's list of layers."""
        op = Opaque(
            self.proto.domain or DOMAIN,
            self.proto.op_type,
            version,
            _plain_attributes(self.proto, folder),
            not isinstance(self.reason, NotSupported),
            lambda arrays: self.evaluate(self.proto, self.name, arrays),
        )
        while inputs and inputs[-1] is None:
            inputs.pop()
        self.layer = Layer(self.name, op, inputs, sources=sources_of(self.proto, self.name))
        for tensor in inputs:
            if tensor is not None:
                tensor.readers.append(self.layer)
        for output in self.proto.output:
            self.layer.outputs.append(Tensor(output, stated.get(output, UNKNOWN), self.layer))

    def refuse(self, reason: Exception) -> None:
        """It could be tried, and is not supported."""
        self.reason = reason
        self.layer.op = replace(self.layer.op, waits=False)


def _plain_attributes(proto: onnx.NodeProto, folder: Path | None) -> dict[str, Any]:
    """The attributes that are numbers, text or tensors."""
    kind = onnx.AttributeProto
    graphs = (kind.GRAPH, kind.GRAPHS)
    plain = [item for item in proto.attribute if item.type not in graphs and not item.ref_attr_name]
    try:
        return attribute_values(plain, {}, folder, _no_graph)
    except NotSupported:
        return {}


def _no_graph(graph: onnx.GraphProto) -> Any:
    raise NotSupported("a graph")
