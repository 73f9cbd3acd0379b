"""Finds small subgraphs in a network: operators by name, captured tensors, constants, modulo commutativity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor

COMMUTATIVE = ("Add", "Mul", "Min", "Max", "And", "Or", "Equal")


@dataclass(frozen=True)
class AnyTensor:
    """Any tensor; the same name must be the same tensor throughout a pattern."""

    name: str


@dataclass(frozen=True)
class Number:
    """A constant whose elements are all this number (relative error up to 1e-3), or any one number if it is None."""

    value: float | None = None
    name: str = ""


@dataclass(frozen=True)
class Node:
    """A layer of one of these operators (names joined by "|") with these inputs; `name` captures its output."""

    op: str
    inputs: tuple[Pattern, ...]
    name: str = ""


Pattern = AnyTensor | Number | Node


def node(op: str, *inputs: Pattern, name: str = "") -> Node:
    """A pattern for a layer."""
    return Node(op, inputs, name)


@dataclass(frozen=True)
class Match:
    """Captured tensors by name, and the layers that the pattern covers, the last one first."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()

    def number(self, name: str) -> float:
        """A captured number."""
        const = self.tensors[name].const
        assert const is not None
        return float(const.reshape(-1)[0])


def find(network: Network, pattern: Node) -> Iterator[Match]:
    """All matches whose inner results nobody else needs, by last layer; the network may change in between."""
    for layer in list(network.layers):
        if layer.kind in pattern.op.split("|") and layer.outputs:
            used = bool(layer.outputs[0].readers) or network.is_output(layer.outputs[0])
            match = next(_match(pattern, layer.outputs[0], Match()), None) if used else None
            if match is not None and is_closed(network, match):
                yield match


def is_closed(network: Network, match: Match) -> bool:
    """Whether all layers of the match but its last are read inside it only, and still belong to the network."""
    inside = set(map(id, match.layers))
    for layer in match.layers[1:]:
        for tensor in layer.outputs:
            if network.is_output(tensor) or any(id(reader) not in inside for reader in tensor.readers):
                return False
    return True


def replace_match(network: Network, match: Match, made: Tensor) -> None:
    """Let the readers of a match's result read `made`, and drop the layers of the match."""
    old = match.layers[0].outputs[0]
    if made.producer is not None:
        made.name = old.name
    network.replace(old, made)
    network.remove(match.layers)


def sources(match: Match) -> tuple[str, ...]:
    """The ONNX nodes of a match."""
    return tuple(dict.fromkeys(name for layer in reversed(match.layers) for name in layer.sources))


def _match(pattern: Pattern, tensor: Tensor, match: Match) -> Iterator[Match]:
    if isinstance(pattern, AnyTensor):
        yield from _captured(pattern.name, tensor, match)
    elif isinstance(pattern, Number):
        if _is_number(pattern, tensor):
            yield from _captured(pattern.name, tensor, match) if pattern.name else iter((match,))
    else:
        yield from _match_node(pattern, tensor, match)


def _captured(name: str, tensor: Tensor, match: Match) -> Iterator[Match]:
    if match.tensors.get(name, tensor) is tensor:
        yield Match({**match.tensors, name: tensor}, match.layers)


def _match_node(pattern: Node, tensor: Tensor, match: Match) -> Iterator[Match]:
    layer = tensor.producer
    if layer is None or layer.kind not in pattern.op.split("|") or tensor is not layer.outputs[0]:
        return
    given = [item for item in layer.inputs if item is not None]
    if len(given) != len(pattern.inputs):
        return
    begun = Match(dict(match.tensors), (*match.layers, layer) if layer not in match.layers else match.layers)
    if pattern.name:
        begun = next(_captured(pattern.name, tensor, begun), None) or Match()
        if not begun.layers:
            return
    orders: list[list[Any]] = [given]
    if layer.kind in COMMUTATIVE and len(given) == 2:
        orders.append(given[::-1])
    for order in orders:
        yield from _match_all(pattern.inputs, order, begun)


def _match_all(patterns: tuple[Pattern, ...], tensors: list[Tensor], match: Match) -> Iterator[Match]:
    if not patterns:
        yield match
        return
    for found in _match(patterns[0], tensors[0], match):
        yield from _match_all(patterns[1:], tensors[1:], found)


def _is_number(pattern: Number, tensor: Tensor) -> bool:
    if tensor.const is None or tensor.const.size == 0 or tensor.const.dtype == object:
        return False
    values = np.asarray(tensor.const).reshape(-1)
    if not (values == values[0]).all():
        return False
    return pattern.value is None or bool(np.isclose(float(values[0]), pattern.value, rtol=1e-3))
