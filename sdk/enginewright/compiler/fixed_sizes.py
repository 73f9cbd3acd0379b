"""Puts numbers in the place of named sizes, for a profile that allows one size only, or to run a network once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from enginewright.dims import Atom, Dim, Size, substitute
from enginewright.graph.network import Network


def fix_sizes(network: Network, fixed: Mapping[str, int]) -> None:
    """Put numbers where inputs and operators hold named sizes, as those do that fold_shapes made."""

    def number(atom: Atom) -> Size | None:
        return fixed.get(str(atom.args[0])) if atom.kind == "symbol" else None

    def numbers(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(substitute(size, number) if isinstance(size, Dim) else size for size in sizes)

    for tensor in network.inputs:
        known = None if tensor.spec.value is None else numbers(tensor.spec.value)
        tensor.spec = replace(tensor.spec, shape=numbers(tensor.shape), value=known)
    for layer in network.layers:
        for item in fields(layer.op):
            value = getattr(layer.op, item.name)
            if isinstance(value, Network):
                fix_sizes(value, fixed)
                value.infer()
            elif isinstance(value, tuple) and any(isinstance(size, Dim) for size in value):
                layer.op = replace(layer.op, **{item.name: numbers(value)})
