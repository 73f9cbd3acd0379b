"""Pools the parts that a Concat puts side by side, so that it has fewer elements to move, or none."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network

POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool")
CHANNELS_AXIS = 1


def pool_parts(network: Network) -> int:
    """Pool before channels are joined where only the pool reads them; the number of pools moved.

    A 1x1 convolution behind can then read the parts where they lie.
    """
    return sum(_move(network, layer) for layer in list(network.layers))


def _move(network: Network, layer: Layer) -> bool:
    x = layer.inputs[0] if layer.kind in POOLS and len(layer.outputs) == 1 else None
    joined = None if x is None else x.producer
    if x is None or joined is None or joined.kind != "Concat" or network.sole_reader(x) is not layer:
        return False
    if joined.op.axis % x.rank != CHANNELS_AXIS:
        return False
    with network.at(layer, sources=dict.fromkeys((*joined.sources, *layer.sources))):
        parts = [network.add(layer.op, part)[0] for part in joined.inputs]
        made = network.add(joined.op, *parts)[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer, joined])
    return True
