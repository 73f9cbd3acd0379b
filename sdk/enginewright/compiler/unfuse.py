"""Takes a fused layer apart again, for machines where no kernel can run it whole."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network
from enginewright.ops.pointwise import Fused, Pointwise


def unfuse(network: Network, layer: Layer) -> tuple[Layer, Layer]:
    """Put the anchor and a pointwise layer in place of a fused one; the two layers."""
    op = layer.op
    assert isinstance(op, Fused)
    count = len(layer.inputs) - (op.program.n_inputs - 1)
    with network.at(layer):
        first = network.add(op.anchor, *layer.inputs[:count])[0]
        made = network.add(Pointwise(op.program), first, *layer.inputs[count:])
    for old, new in zip(layer.outputs, made, strict=True):
        network.replace(old, new)
    network.remove([layer])
    assert first.producer is not None
    assert made[0].producer is not None
    return first.producer, made[0].producer
