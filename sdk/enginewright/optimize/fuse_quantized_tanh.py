"""Joins tanh, and elementwise layers before it, with the dynamic quantization that alone reads it."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.pointwise import Builder, PointwiseProgram
from enginewright.ops.quantized_tanh import QuantizedTanh
from enginewright.optimize.fuse_pointwise import is_pointwise, layer_program
from enginewright.tensors import float32

QUICK = ("constant", "cast", "add", "sub", "mul", "min", "max", "neg", "abs", "less", "less_equal", "equal", "where")
"""Instructions that may run twice, the first time for the range, in less time than storing their result takes."""


def fuse_quantized_tanh(network: Network) -> int:
    """Replace each pair of layers by one; the number of pairs."""
    changed = 0
    for layer in list(network.layers):
        tensor = layer.inputs[0] if layer.kind == "DynamicQuantizeLinear" else None
        producer = None if tensor is None else tensor.producer
        if tensor is None or producer is None or network.sole_reader(tensor) is not layer:
            continue
        found = _before_tanh(producer)
        if found is None:
            continue
        program, inputs = found
        with network.at(layer, sources=dict.fromkeys((*producer.sources, *layer.sources))):
            made = network.add(QuantizedTanh(program), *inputs)
        for old, new in zip(layer.outputs, made, strict=True):
            new.name = old.name
            network.replace(old, new)
        network.remove([producer, layer])
        changed += 1
    return changed


def _before_tanh(layer: Layer) -> tuple[PointwiseProgram, tuple[Tensor, ...]] | None:
    """What a layer that ends with tanh computes before it, if that is cheap, and what it reads."""
    if not is_pointwise(layer):
        return None
    program, inputs = layer_program(layer)
    before, ends = program.instructions[:-1], program.instructions[-1:]
    if [step.opcode for step in ends] != ["tanh"] or program.outputs != (program.n_inputs + len(before),):
        return None
    if program.output_dtypes != (float32,) or any(step.opcode not in QUICK for step in before):
        return None
    builder = Builder(*program.inputs)
    whole = PointwiseProgram(program.inputs, before, ends[0].args)
    return builder.finish(*builder.inline(whole, *builder.inputs)), inputs
