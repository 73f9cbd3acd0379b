"""Lets matrix products and convolutions run the elementwise work behind them on tiles that are still in cache."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram, Value
from enginewright.optimize.fuse_pointwise import is_pointwise, layer_program
from enginewright.tensors import bfloat16, float16, float32

ANCHORS = ("Conv", "MatMul", "Gemm", "ConvTranspose", "RowQuantizedMatMul")
INTEGERS = ("MatMulInteger",)  # its sums are int32, which a program makes real
WRAPPERS = ("ChannelsLast", "Rounded", "Shuffled")
FUSED = (float32, float16, bfloat16)  # no halves are left on the CPU: there they were widened


def fuse_epilogues(network: Network) -> int:
    """Join each anchor with the elementwise layer that alone reads it; the number of layers joined."""
    joined = 0
    for layer in list(network.layers):
        if is_pointwise(layer):
            anchor = _anchor(network, layer)
            if anchor is not None:
                _join(network, anchor, layer)
                joined += 1
    return joined


def _anchor(network: Network, layer: Layer) -> Layer | None:
    """The last anchor that feeds only this layer, over the same shape; what else the layer reads comes before it."""
    found: Layer | None = None
    for tensor in layer.inputs:
        producer = None if tensor is None else tensor.producer
        if tensor is None or producer is None or not _can_fuse(producer, tensor):
            continue
        alone = network.sole_reader(tensor) is layer
        dtype = layer.outputs[0].dtype
        fits = tensor.shape == layer.outputs[0].shape and (dtype is tensor.dtype or dtype is float32)
        if alone and fits and (found is None or network.layers.index(producer) > network.layers.index(found)):
            found = producer
    return found


def _can_fuse(layer: Layer, tensor: Tensor) -> bool:
    op = layer.op
    while op.KEY.name in WRAPPERS:
        op = op.anchor
    kind = op.KEY.name
    return kind in INTEGERS or (kind in ANCHORS and tensor.dtype in FUSED)


def _join(network: Network, anchor: Layer, layer: Layer) -> None:
    first = anchor.outputs[0]
    program, inputs = layer_program(layer)
    joint, extras = _first_input(program, inputs, first)
    with network.at(layer, sources=dict.fromkeys((*anchor.sources, *layer.sources)), label=anchor.name):
        made = network.add(Fused(anchor.op, joint), *anchor.inputs, *extras)
    made[0].name = layer.outputs[0].name
    network.replace(layer.outputs[0], made[0])
    network.remove([anchor, layer])


def _first_input(
    program: PointwiseProgram, inputs: tuple[Tensor, ...], first: Tensor
) -> tuple[PointwiseProgram, tuple[Tensor, ...]]:
    """The program with the anchor's output as input 0, and its other inputs in order."""
    extras = tuple(tensor for tensor in inputs if tensor is not first)
    builder = Builder(first.dtype, *(tensor.dtype for tensor in extras))
    values: dict[Tensor, Value] = dict(zip((first, *extras), builder.inputs, strict=True))
    return builder.finish(*builder.inline(program, *(values[tensor] for tensor in inputs))), extras
