"""Joins transposes that follow each other."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network


def cancel_transposes(network: Network) -> int:
    """Replace two transposes by one, or by none where they undo each other; the number of pairs."""
    pairs = 0
    for layer in list(network.layers):
        first = layer.inputs[0].producer if layer.kind == "Transpose" and layer.inputs[0] is not None else None
        if first is None or first.kind != "Transpose" or first.inputs[0] is None:
            continue
        source, inner, outer = first.inputs[0], _perm(first), _perm(layer)
        joint = tuple(inner[axis] for axis in outer)
        if joint == tuple(range(len(joint))):
            network.replace(layer.outputs[0], source)
        else:
            with network.at(layer, sources=dict.fromkeys((*first.sources, *layer.sources))):
                network.replace(layer.outputs[0], network.transpose(source, perm=joint))
        network.remove([layer])
        pairs += 1
    return pairs


def _perm(layer: Layer) -> tuple[int, ...]:
    rank = layer.outputs[0].rank
    perm: tuple[int, ...] | None = layer.op.perm
    return tuple(axis % rank for axis in perm) if perm is not None else tuple(reversed(range(rank)))
