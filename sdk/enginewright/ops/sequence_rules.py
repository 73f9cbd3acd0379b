"""Imports sequences and optionals whose tensors are known while importing: they leave only tensors in the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enginewright.errors import ModelInvalid
from enginewright.registry.onnx_node import KnownSequence, NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import DataType, float32, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


@onnx_rule("ai.onnx::SequenceConstruct", since=11)
def sequence_construct(net: Network, node: OnnxNode) -> KnownSequence:
    """Its inputs, in order."""
    parts = tuple(node.input(index) for index in range(len(node.inputs)))
    return KnownSequence(node.input(0).dtype, parts)


@onnx_rule("ai.onnx::SequenceEmpty", since=11)
def sequence_empty(net: Network, node: OnnxNode) -> KnownSequence:
    """No tensor, of a type that is given; float32 by default."""
    return KnownSequence(DataType(node.integer("dtype", int(float32))), ())


@onnx_rule("ai.onnx::SequenceInsert", since=11)
def sequence_insert(net: Network, node: OnnxNode) -> KnownSequence:
    """A tensor more, at the end if no position is given."""
    given, more = node.sequence(0), node.input(1)
    if more.dtype != given.dtype:
        raise ModelInvalid(f"it puts {more.dtype} into a sequence of {given.dtype}", hint="Cast the tensor first.")
    place = _position(node, 2, len(given.parts), len(given.parts) + 1)
    return KnownSequence(given.dtype, (*given.parts[:place], more, *given.parts[place:]))


@onnx_rule("ai.onnx::SequenceErase", since=11)
def sequence_erase(net: Network, node: OnnxNode) -> KnownSequence:
    """A tensor less, the last if no position is given."""
    given = node.sequence(0)
    place = _position(node, 1, len(given.parts) - 1, len(given.parts))
    return KnownSequence(given.dtype, (*given.parts[:place], *given.parts[place + 1 :]))


@onnx_rule("ai.onnx::SequenceAt", since=11)
def sequence_at(net: Network, node: OnnxNode) -> Tensor:
    """One of the tensors."""
    given = node.sequence(0)
    return net.identity(given.parts[_position(node, 1, 0, len(given.parts))])


@onnx_rule("ai.onnx::SequenceLength", since=11)
def sequence_length(net: Network, node: OnnxNode) -> Tensor:
    """A constant."""
    return net.constant(np.array(len(node.sequence(0).parts), np.int64))


@onnx_rule("ai.onnx::ConcatFromSequence", since=11)
def concat_from_sequence(net: Network, node: OnnxNode) -> Tensor:
    """Concat of the tensors, each with a new axis if that is asked for."""
    parts, axis = node.sequence(0).parts, node.integer("axis")
    if not parts:
        raise NotSupported("it joins a sequence without tensors")
    if node.integer("new_axis", 0):
        place = net.constant(np.array([normalize_axis(axis, parts[0].rank + 1)], np.int64))
        parts = tuple(net.unsqueeze(part, place) for part in parts)
    return net.concat(*parts, axis=axis)


@onnx_rule("ai.onnx::SplitToSequence", since=11)
def split_to_sequence(net: Network, node: OnnxNode) -> KnownSequence:
    """Split into as many tensors as the sizes say, if these are known; without sizes, one for each index."""
    x, split = node.input(0), node.optional(1)
    axis = normalize_axis(node.integer("axis", 0), x.rank)
    sizes = _part_sizes(x, axis, split)
    parts = net.split(x, net.constant(np.array(sizes, np.int64)), axis=axis) if sizes else ()
    if split is None and not node.integer("keepdims", 1):
        place = net.constant(np.array([axis], np.int64))
        parts = tuple(net.squeeze(part, place) for part in parts)
    return KnownSequence(x.dtype, parts)


def _part_sizes(x: Tensor, axis: int, split: Tensor | None) -> list[int]:
    size, known = x.shape[axis], (1,) if split is None else split.spec.constants()
    if known is None:
        raise NotSupported("the sizes of its parts are computed, so their number is not known when importing")
    if split is not None and split.rank == 1:
        return list(known)
    if not isinstance(size, int):
        raise NotSupported(f"axis {axis} has the size {size}, so the number of parts is not known when importing")
    if known[0] < 1:
        raise ModelInvalid(f"it splits into parts of {known[0]}", hint="Give a size of 1 or more.")
    return [min(known[0], size - begin) for begin in range(0, size, known[0])]


def _position(node: OnnxNode, index: int, default: int, count: int) -> int:
    """The position that an input gives, negative ones from the end, among `count`."""
    tensor = node.optional(index)
    known = (default,) if tensor is None else tensor.spec.constants()
    if known is None:
        raise NotSupported("its position is computed, so the tensor there is not known when importing")
    length = len(node.sequence(0).parts)
    place = known[0] + length if known[0] < 0 else known[0]
    if not 0 <= place < count:
        raise ModelInvalid(f"position {known[0]} is outside a sequence of {length}", hint="Correct the position.")
    return place


@onnx_rule("ai.onnx::Optional", since=15)
def optional(net: Network, node: OnnxNode) -> Tensor:
    """What it holds: that is known to be there."""
    found = node.optional(0)
    if found is None:
        raise NotSupported("it makes an optional that holds nothing")
    return net.identity(found)


@onnx_rule("ai.onnx::OptionalGetElement", since=15)
def optional_get_element(net: Network, node: OnnxNode) -> Tensor:
    """What an optional holds."""
    return net.identity(node.input(0))


@onnx_rule("ai.onnx::OptionalHasElement", since=15)
def optional_has_element(net: Network, node: OnnxNode) -> Tensor:
    """Whether there is an input, which is known."""
    return net.constant(np.array(node.optional(0) is not None))
