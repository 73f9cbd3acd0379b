"""Removes layers whose outputs nobody reads, neither as data nor inside a size."""

from __future__ import annotations

from collections.abc import Iterator

from enginewright.dims import Size, atom_uids
from enginewright.graph.network import Layer, Network, network_fields


def eliminate_dead(network: Network) -> int:
    """Keep what leads to an output of the network; the number of layers removed."""
    needed = {uid for _, tensor in network.outputs for uid in (tensor.spec.uid, *atom_uids(tensor.shape))}
    kept: list[Layer] = []
    for layer in reversed(network.layers):
        if any(tensor.spec.uid in needed for tensor in layer.outputs):
            needed.update(tensor.spec.uid for tensor in layer.inputs if tensor is not None)
            needed |= atom_uids(_sizes(layer))
            kept.append(layer)
    alive = set(map(id, kept))
    dead = [layer for layer in network.layers if id(layer) not in alive]
    network.remove(dead)
    return len(dead)


def _sizes(layer: Layer) -> Iterator[Size]:
    for tensor in layer.outputs:
        yield from tensor.shape
        yield from (size for size in tensor.spec.value or () if not isinstance(size, float))
    for check in layer.checks:
        yield from (check.a, check.b)
    for _, inner in network_fields(layer.op):
        for nested in inner.layers:
            yield from _sizes(nested)
