"""Copies a network: layers and tensors are new, the data of constants is shared."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from enginewright.graph.network import Layer, Network, Tensor, network_fields


def copy_network(network: Network, parent: Network | None = None) -> Network:
    """An independent copy; tensors keep their uids, so that sizes that read them stay true."""
    made = Network(network.name, parent=parent)
    if parent is None:
        start = next(network._uids)
        network._uids, made._uids = itertools.count(start), itertools.count(start)
    known: dict[Tensor, Tensor] = {}
    made.inputs = [_tensor(tensor, known) for tensor in network.inputs]
    for layer in network.layers:
        made.layers.append(_layer(layer, known, made))
    made._names = set(network._names)
    made.notes, made.wide = list(network.notes), list(network.wide)
    made.outputs = [(name, _tensor(tensor, known)) for name, tensor in network.outputs]
    return made


def _tensor(tensor: Tensor, known: dict[Tensor, Tensor]) -> Tensor:
    if tensor not in known:
        known[tensor] = Tensor(tensor.name, tensor.spec, None, tensor.const)
    return known[tensor]


def _layer(layer: Layer, known: dict[Tensor, Tensor], network: Network) -> Layer:
    inputs = [None if tensor is None else _tensor(tensor, known) for tensor in layer.inputs]
    made = Layer(layer.name, _operator(layer.op, network), inputs, [], layer.sources, layer.checks)
    for tensor in inputs:
        if tensor is not None:
            tensor.readers.append(made)
    for tensor in layer.outputs:
        output = _tensor(tensor, known)
        output.producer = made
        made.outputs.append(output)
    return made


def _operator(op: Any, network: Network) -> Any:
    copies = {name: copy_network(inner, network) for name, inner in network_fields(op)}
    return replace(op, **copies) if copies else op
