"""Takes a fused layer apart again, for machines where no kernel can run it whole."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.pointwise import Builder, Fused, Pointwise, PointwiseProgram


def unfuse(network: Network, layer: Layer) -> tuple[Layer, ...]:
    """Put two layers in place of a fused one: all but a cast at the end and that, else the anchor and the program."""
    op = layer.op
    assert isinstance(op, Fused)
    count = len(layer.inputs) - (op.program.n_inputs - 1)
    shorter = _without_cast(op.program)
    made: tuple[Tensor, ...]
    with network.at(layer):
        if shorter is not None:
            first = network.add(Fused(op.anchor, shorter), *layer.inputs)[0]
            p = Builder(first.dtype)
            cast = p.finish(p.cast(p.inputs[0], op.program.output_dtypes[0]))
            made = network.add(Pointwise(cast), first)
        else:
            first = network.add(op.anchor, *layer.inputs[:count])[0]
            made = network.add(Pointwise(op.program), first, *layer.inputs[count:])
    for old, new in zip(layer.outputs, made, strict=True):
        network.replace(old, new)
    network.remove([layer])
    assert first.producer is not None
    assert made[0].producer is not None
    return first.producer, made[0].producer


def _without_cast(program: PointwiseProgram) -> PointwiseProgram | None:
    """The program but for a cast to another type at its end; None where it has none, or is nothing else."""
    *before, last = program.instructions
    result = program.n_inputs + len(before)
    if not before or last.opcode != "cast" or program.outputs != (result,) or last.args[0] < program.n_inputs:
        return None
    return PointwiseProgram(program.inputs, tuple(before), last.args)
