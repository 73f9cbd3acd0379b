"""Keeps tensors between layers as bfloat16 where a CPU computes in it: half the memory to read and to write.

Layers that compute with float32 read and write such tensors all the same: products, depthwise convolutions and fused
programs widen what they load and round what they store. Pools and what only moves elements have tensors of one type. A
tensor is narrowed if the layer that gives it and all that read it can do so; the caller's stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.pointwise import Builder, Fused, Pointwise, PointwiseProgram, Value
from enginewright.ops.pointwise_table import cast_array
from enginewright.ops.recurrent import Recurrent
from enginewright.ops.rounded import Rounded
from enginewright.optimize.fuse_pointwise import is_pointwise, layer_program
from enginewright.registry.registry import Launch
from enginewright.tactics.attention import attention_bf16
from enginewright.tensors import bfloat16, float32

MOVING = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Slice", "Split", "Concat"})
SHIFT = 4
"""The last input of a JoinedConv before its other images."""
MASK = 3
"""The first input of attention that is not narrowed."""
POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool")


def narrow_tensors(network: Network) -> int:
    """Let every tensor be bfloat16 that can; the number of tensors changed."""
    if not any(map(_is_rounded, network.layers)):
        return 0
    found = _narrowable(network)
    made: dict[Tensor, Tensor] = {}
    rewritten = []
    for layer in list(network.layers):
        reads = {tensor for tensor in layer.inputs if tensor in found}
        if not reads and found.isdisjoint(layer.outputs):
            continue
        _rewrite(network, layer, found, made)
        rewritten.append(layer)
    network.remove(rewritten)
    return len(found)


def _narrowable(network: Network) -> set[Tensor]:
    """The tensors that all around them can handle; what a moving layer reads and writes changes with all the rest."""
    found = {tensor for layer in network.layers for tensor in layer.outputs if _may_change(network, layer, tensor)}
    while True:
        kept = {tensor for tensor in found if all(_goes_with(layer, found) for layer in _around(tensor))}
        if len(kept) == len(found):
            return found
        found = kept


def _may_change(network: Network, layer: Layer, tensor: Tensor) -> bool:
    if tensor.dtype is not float32 or tensor.const is not None or network.is_output(tensor) or not _writes(layer):
        return False
    return all(_reads(reader, index) for reader in tensor.readers for index in _places(reader, tensor))


def _places(layer: Layer, tensor: Tensor) -> Iterator[int]:
    return (index for index, given in enumerate(layer.inputs) if given is tensor)


def _anchor(layer: Layer) -> Any:
    return layer.op.anchor if layer.kind == "Fused" else layer.op


def _anchor_inputs(layer: Layer) -> int:
    """How many inputs come before those of the fused program."""
    return len(layer.inputs) - (layer.op.program.n_inputs - 1) if layer.kind == "Fused" else len(layer.inputs)


def _is_rounded(layer: Layer) -> bool:
    """A product or a convolution that is rounded; recurrent layers read and write float32."""
    op = _anchor(layer)
    return bool(op.KEY.name == "Rounded" and not isinstance(op.anchor, Recurrent))


def _is_joined(layer: Layer) -> bool:
    """A convolution of images side by side that are rounded."""
    op = _anchor(layer)
    return bool(op.KEY.name == "JoinedConv" and op.dtype is bfloat16)


def _follows(layer: Layer) -> bool:
    """A convolution with channels last that is to be rounded where its image is: depthwise, or of shuffled channels."""
    op = _anchor(layer)
    if op.KEY.name != "ChannelsLast" or op.anchor.KEY.name not in ("Conv", "Shuffled"):
        return False
    weight = layer.inputs[1]
    if weight is None or weight.const is None:
        return False
    if op.anchor.KEY.name == "Shuffled":
        return bool(op.anchor.anchor.group * weight.shape[1] % 2 == 0)
    return bool(weight.shape[:2] == (op.anchor.group, 1))


def _stays_wide(layer: Layer) -> bool:
    """Another convolution of float32 with channels last: it only writes narrow numbers."""
    op = _anchor(layer)
    return op.KEY.name == "ChannelsLast" and op.anchor.KEY.name == "Conv" and not _follows(layer)


def _moves(layer: Layer) -> bool:
    """Whether what the layer writes is what it reads, or a mean or the largest of it: all of one type."""
    if layer.kind == "Resize":
        return bool(layer.op.mode == "nearest")
    if layer.kind == "Attention":
        return _attends(layer)
    return layer.kind in MOVING or (layer.kind == "ChannelsLast" and layer.op.anchor.KEY.name in POOLS)


def _attends(layer: Layer) -> bool:
    """Whether there is a kernel for attention in bfloat16; its mask stays as it is."""
    specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
    narrow = [spec.with_dtype(bfloat16) for spec in specs[:MASK] if spec is not None]
    return isinstance(attention_bf16(layer.op, *narrow, *specs[MASK:]), Launch)


def _writes(layer: Layer) -> bool:
    if _is_rounded(layer):
        return _anchor(layer).anchor.KEY.name != "Gemm" or _adds_a_row(layer)
    return _is_joined(layer) or _follows(layer) or _stays_wide(layer) or is_pointwise(layer) or _moves(layer)


def _adds_a_row(layer: Layer) -> bool:
    """Whether a Gemm adds nothing, or a row: all else it first writes to the output, as float32."""
    op = _anchor(layer).anchor
    added = layer.inputs[2] if _anchor_inputs(layer) > 2 else None
    return (
        added is None
        or op.beta == 0
        or (op.beta == 1 and added.rank == 1 and added.shape == layer.outputs[0].shape[-1:])
    )


def _reads(layer: Layer, index: int) -> bool:
    """Whether a layer can read its input of this number: as an image or a matrix, or in what is fused behind."""
    if _stays_wide(layer):
        return index >= _anchor_inputs(layer)
    if _is_joined(layer):
        return index == 0 or index > SHIFT
    if _is_rounded(layer) or _follows(layer):
        return index == 0 or index >= _anchor_inputs(layer)
    if layer.kind == "Attention" and index >= MASK:
        return False
    return is_pointwise(layer) or _moves(layer)


def _around(tensor: Tensor) -> Iterator[Layer]:
    if tensor.producer is not None:
        yield tensor.producer
    yield from tensor.readers


def _goes_with(layer: Layer, found: set[Tensor]) -> bool:
    """Whether a layer allows what it reads and writes to be narrow.

    If it moves elements all must be, but for constants, as factors of a resize are; a depthwise convolution needs such
    an image, and so does one of shuffled channels.
    """
    if _follows(layer):
        return layer.inputs[0] in found
    if not _moves(layer):
        return True
    given = layer.inputs[:MASK] if layer.kind == "Attention" else layer.inputs
    read = [tensor for tensor in given if tensor is not None and tensor.const is None]
    return all(tensor in found for tensor in (*read, *layer.outputs) if tensor.dtype is float32)


def _rewrite(network: Network, layer: Layer, found: set[Tensor], made: dict[Tensor, Tensor]) -> None:
    inputs = [None if tensor is None else made.get(tensor, tensor) for tensor in layer.inputs]
    narrow = [tensor in found for tensor in layer.outputs]
    with network.at(layer):
        if _moves(layer) and any(narrow):
            inputs = [_narrowed(network, layer, index, tensor) for index, tensor in enumerate(inputs)]
        outputs = network.add(*_rewritten(layer, inputs, narrow))
    for old, new in zip(layer.outputs, outputs, strict=True):
        new.name = old.name
        if old in found:
            made[old] = new
        else:
            network.replace(old, new)


def _narrowed(network: Network, layer: Layer, index: int, tensor: Tensor | None) -> Tensor | None:
    """A constant that a layer moves, such as the token that a concatenation puts before others, in bfloat16."""
    moved = index == 0 or layer.kind == "Concat" or (layer.kind == "Attention" and index < MASK)  # others say where to
    if not moved or tensor is None or tensor.const is None or tensor.dtype is not float32:
        return tensor
    return network.constant(cast_array(tensor.const, bfloat16), tensor.name)


def _rewritten(layer: Layer, inputs: list[Tensor | None], narrow: list[bool]) -> tuple[Any, ...]:
    """The operator on the new inputs, and those of them that it reads."""
    if _moves(layer):
        return (layer.op, *inputs)
    if is_pointwise(layer):
        program, read = layer_program(layer)
        given = [inputs[layer.inputs.index(tensor)] for tensor in read]
        return (Pointwise(_converted(program, [t.dtype for t in given if t is not None], narrow)), *given)
    anchor, count = _anchor(layer), _anchor_inputs(layer)
    if _follows(layer):
        anchor = Rounded(anchor, bfloat16)
    program = layer.op.program if layer.kind == "Fused" else PointwiseProgram((float32,), (), (0,))
    extras = [tensor for tensor in inputs[count:] if tensor is not None]
    if layer.kind != "Fused" and not any(narrow):
        return (anchor, *inputs)
    converted = _converted(program, [program.inputs[0], *(tensor.dtype for tensor in extras)], narrow)
    return (Fused(anchor, converted), *inputs)


def _converted(program: PointwiseProgram, inputs: list[Any], narrow: list[bool]) -> PointwiseProgram:
    """The program for inputs of these types; its outputs rounded where they are narrow."""
    builder = Builder(*inputs)
    values: list[Value] = [
        builder.cast(given, wanted) for given, wanted in zip(builder.inputs, program.inputs, strict=True)
    ]
    results = builder.inline(program, *values)
    return builder.finish(
        *(builder.cast(value, bfloat16) if low else value for value, low in zip(results, narrow, strict=True))
    )
