"""Joins chains and bundles of elementwise layers into single pointwise programs, which run tile by tile in cache."""

from __future__ import annotations

from typing import Any

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.pointwise import (
    MAX_INPUTS,
    MAX_INSTRUCTIONS,
    Pointwise,
    PointwiseProgram,
    fuse,
    program_of,
    specialize,
)
from enginewright.ops.pointwise_table import TYPES
from enginewright.registry.faults import OWN


def fuse_pointwise(network: Network) -> int:
    """Merge each elementwise layer into its only reader where both have the same shape; the number of layers merged."""
    merged = 0
    for layer in list(network.layers):
        current: Layer | None = layer if is_pointwise(layer) else None
        while current is not None:
            producer = _mergeable(network, current)
            if producer is None:
                break
            current = _merge(network, producer, current)
            merged += 1
    return merged


def is_pointwise(layer: Layer) -> bool:
    """Whether the layer can be written as a pointwise program."""
    if layer.key.namespace != OWN or not hasattr(layer.op, "emit") or len(layer.outputs) != 1:
        return False
    return all(tensor is None or tensor.dtype in TYPES for tensor in (*layer.inputs, *layer.outputs))


def layer_program(layer: Layer) -> tuple[PointwiseProgram, tuple[Tensor, ...]]:
    """The program of an elementwise layer, single numbers written into it, and the tensors that it reads."""
    tensors = [tensor for tensor in layer.inputs if tensor is not None]
    specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
    program, kept = specialize(program_of(layer.op, *specs), [tensor.spec for tensor in tensors])
    return program, tuple(tensors[index] for index in kept)


def _mergeable(network: Network, layer: Layer) -> Layer | None:
    """A layer that feeds only `layer`, elementwise over the same shape, if the joint program stays small enough."""
    for tensor in layer.inputs:
        producer = None if tensor is None else tensor.producer
        if producer is None or not is_pointwise(producer) or tensor is None:
            continue
        if tensor.shape != layer.outputs[0].shape or network.sole_reader(tensor) is not layer:
            continue
        inputs = {t for t in (*layer.inputs, *producer.inputs) if t is not None and t is not tensor}
        size = sum(len(layer_program(part)[0].instructions) for part in (layer, producer))
        if len(inputs) <= MAX_INPUTS and size <= MAX_INSTRUCTIONS:
            return producer
    return None


def _merge(network: Network, producer: Layer, layer: Layer) -> Layer:
    """One layer for two; it takes the later one's place."""
    steps: list[Any] = []
    for part in (producer, layer):
        program, tensors = layer_program(part)
        steps.append((program, tensors, tuple(part.outputs)))
    program, inputs = fuse(steps, tuple(layer.outputs))
    with network.at(layer, sources=dict.fromkeys((*producer.sources, *layer.sources))):
        made = network.add(Pointwise(program), *inputs)
    made[0].name = layer.outputs[0].name
    network.replace(layer.outputs[0], made[0])
    network.remove([producer, layer])
    assert made[0].producer is not None
    return made[0].producer
