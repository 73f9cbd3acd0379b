"""Puts other sizes in the place of those that the inputs and the operators of a network hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from enginewright.dims import Atom, Dim, Size, substitute
from enginewright.graph.network import Network

Lookup = Callable[[Atom], Size | None]


def substitute_sizes(network: Network, lookup: Lookup) -> None:
    """Replace each atom for which `lookup` gives a size; in nested networks, too. What follows is to be inferred."""
    for tensor in network.inputs:
        known = None if tensor.spec.value is None else _substituted(tensor.spec.value, lookup)
        tensor.spec = replace(tensor.spec, shape=_substituted(tensor.shape, lookup), value=known)
    for layer in network.layers:
        layer.op = with_sizes(layer.op, lookup)


def with_sizes(op: Any, lookup: Lookup) -> Any:
    """The operator with other sizes; the networks that it holds are changed as they are."""
    for item in fields(op):
        value = getattr(op, item.name)
        if isinstance(value, Network):
            substitute_sizes(value, lookup)
        elif isinstance(value, tuple) and any(isinstance(size, Dim) for size in value):
            op = replace(op, **{item.name: _substituted(value, lookup)})
    return op


def _substituted(sizes: tuple[Any, ...], lookup: Lookup) -> tuple[Any, ...]:
    return tuple(substitute(size, lookup) if isinstance(size, Dim) else size for size in sizes)
