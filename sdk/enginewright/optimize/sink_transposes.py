"""Moves transposes that leave the last axis alone down behind layers that work row by row, where they may cancel."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.optimize.fuse_pointwise import is_pointwise


def sink_transposes(network: Network) -> int:
    """Let layers read what was transposed, and transpose their output instead; the number of layers passed."""
    passed = 0
    for layer in list(network.layers):
        perm = _common_perm(layer)
        if perm is not None and _is_row_by_row(layer, len(perm)):
            _pass(network, layer, perm)
            passed += 1
    return passed


def _common_perm(layer: Layer) -> tuple[int, ...] | None:
    """The permutation that all inputs of the output's rank went through, rows intact; None where they did not."""
    rank = layer.outputs[0].rank if len(layer.outputs) >= 1 else 0
    perms = {_row_perm(tensor) for tensor in layer.inputs if tensor is not None and tensor.rank == rank > 2}
    return perms.pop() if len(perms) == 1 else None


def _row_perm(tensor: Tensor) -> tuple[int, ...] | None:
    producer = tensor.producer
    if producer is None or producer.kind != "Transpose" or producer.op.perm is None:
        return None
    perm = tuple(axis % tensor.rank for axis in producer.op.perm)
    return perm if perm[-1] == tensor.rank - 1 else None


def _is_row_by_row(layer: Layer, rank: int) -> bool:
    """Whether a layer does the same to all rows of its inputs of this rank; others belong to every row."""
    if layer.kind == "MatMul":
        a, b = layer.inputs[:2]
        return a is not None and a.rank == rank and b is not None and b.rank == 2
    others = [tensor for tensor in layer.inputs if tensor is not None and tensor.rank != rank]
    return is_pointwise(layer) and all(tensor.rank <= 1 for tensor in others)


def _pass(network: Network, layer: Layer, perm: tuple[int, ...]) -> None:
    with network.at(layer):
        inputs = [
            tensor.producer.inputs[0] if tensor is not None and tensor.rank == len(perm) and tensor.producer else tensor
            for tensor in layer.inputs
        ]
        made = network.add(layer.op, *inputs)[0]
        turned = network.transpose(made, perm=perm)
    turned.name = layer.outputs[0].name
    network.replace(layer.outputs[0], turned)
    network.remove([layer])
