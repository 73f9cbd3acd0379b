"""Picks one row of many before layers that work row by row instead of behind them, as a classifier reads one token."""

from __future__ import annotations

from dataclasses import replace

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.optimize.eliminate_common import eliminate_common
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tensors import normalize_axis


def select_early(network: Network) -> int:
    """Move Gather with one constant index up, as long as nobody else reads what it picks from; the number of moves."""
    moved = 0
    while found := sum(_move(network, layer) for layer in list(network.layers) if _is_pick(layer)):
        moved += found
        eliminate_common(network)  # the same pick on two ways up is one, so that it may go on
        eliminate_dead(network)
    return moved


def _is_pick(layer: Layer) -> bool:
    """Whether a layer takes one entry of an axis other than the last."""
    if layer.kind != "Gather" or layer.inputs[0] is None:
        return False
    index, rank = layer.inputs[1], layer.inputs[0].rank
    is_one = index is not None and index.const is not None and index.rank == 0
    return is_one and rank > 1 and normalize_axis(layer.op.axis, rank) < rank - 1


def _move(network: Network, pick: Layer) -> bool:
    data = pick.inputs[0]
    maker = None if data is None else data.producer
    if data is None or maker is None or pick not in network.layers or network.sole_reader(data) is not pick:
        return False
    rows = _rows(maker)
    if rows is None:
        return False
    op = replace(maker.op, axis=-1) if maker.kind == "LayerNormalization" else maker.op
    with network.at(maker, sources=dict.fromkeys((*maker.sources, *pick.sources)), label=maker.name):
        inputs = [
            network.add(pick.op, tensor, pick.inputs[1])[0] if tensor in rows and tensor is not None else tensor
            for tensor in maker.inputs
        ]
        made = network.add(op, *inputs)[0]
    made.name = pick.outputs[0].name
    network.replace(pick.outputs[0], made)
    network.remove([pick, maker])
    return True


def _rows(layer: Layer) -> list[Tensor] | None:
    """The inputs of a layer whose rows it works on one by one; None for a layer that does something else."""
    output, given = layer.outputs[0], [tensor for tensor in layer.inputs if tensor is not None]
    if any(tensor.readers for tensor in layer.outputs[1:]):
        return None
    if layer.kind == "LayerNormalization":
        last = normalize_axis(layer.op.axis, output.rank) == output.rank - 1
        return given[:1] if last else None
    if layer.kind == "MatMul":
        return given[:1] if given[0].rank == output.rank and given[1].rank == 2 else None
    if not is_pointwise(layer) or layer.kind == "Pointwise":
        return None
    rows = [tensor for tensor in given if tensor.shape == output.shape]
    return rows if rows and all(tensor.rank <= 1 for tensor in given if tensor not in rows) else None
