"""Imports sequences and optionals: where their tensors are known while importing, these are read directly.

A sequence that nothing reads as a whole is then a layer without readers, which no program keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enginewright.errors import ModelInvalid, ShapeError
from enginewright.ops.sequences import (
    ConcatFromSequence,
    SequenceAt,
    SequenceConstruct,
    SequenceErase,
    SequenceInsert,
    SequenceLength,
    SplitToSequence,
    as_optional,
)
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import DataType, ItemSpec, float32, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


def _parts(tensor: Tensor) -> tuple[Tensor, ...] | None:
    """The tensors of a sequence that is made in this network."""
    made = tensor.producer
    while made is not None and made.kind == "Identity" and made.inputs[0] is not None:
        made = made.inputs[0].producer
    if made is None or not isinstance(made.op, SequenceConstruct):
        return None
    return tuple(item for item in made.inputs if item is not None)


def _sequence(net: Network, parts: tuple[Tensor, ...], dtype: DataType) -> Tensor:
    made: Tensor = net.add(SequenceConstruct(dtype), *parts)[0]
    return made


@onnx_rule("ai.onnx::SequenceConstruct", since=11)
def sequence_construct(net: Network, node: OnnxNode) -> Tensor:
    """Its inputs, in order."""
    return _sequence(net, tuple(node.input(index) for index in range(len(node.inputs))), node.input(0).dtype)


@onnx_rule("ai.onnx::SequenceEmpty", since=11)
def sequence_empty(net: Network, node: OnnxNode) -> Tensor:
    """No tensor, of a type that is given; float32 by default."""
    return _sequence(net, (), DataType(node.integer("dtype", int(float32))))


@onnx_rule("ai.onnx::SequenceInsert", since=11)
def sequence_insert(net: Network, node: OnnxNode) -> Tensor:
    """A tensor more, at the end if no position is given."""
    given, more, position = node.input(0), node.input(1), node.optional(2)
    parts = _parts(given)
    place = _position(position, len(parts or ()), parts, 1)
    if parts is None or place is None:
        found: Tensor = net.add(SequenceInsert(), given, more, position)[0]
        return found
    return _sequence(net, (*parts[:place], more, *parts[place:]), _items(given).dtype)


@onnx_rule("ai.onnx::SequenceErase", since=11)
def sequence_erase(net: Network, node: OnnxNode) -> Tensor:
    """A tensor less, the last if no position is given."""
    given, position = node.input(0), node.optional(1)
    parts = _parts(given)
    place = _position(position, -1, parts)
    if parts is None or place is None:
        found: Tensor = net.add(SequenceErase(), given, position)[0]
        return found
    return _sequence(net, (*parts[:place], *parts[place + 1 :]), _items(given).dtype)


@onnx_rule("ai.onnx::SequenceAt", since=11)
def sequence_at(net: Network, node: OnnxNode) -> Tensor:
    """One of the tensors."""
    return _at(net, node.input(0), node.optional(1))


def _at(net: Network, given: Tensor, position: Tensor | None) -> Tensor:
    parts = _parts(given)
    place = _position(position, 0, parts)
    if parts is not None and place is not None:
        return net.identity(parts[place])
    _check_rank(given)
    found: Tensor = net.add(SequenceAt(), given, position)[0]
    return found


@onnx_rule("ai.onnx::SequenceLength", since=11)
def sequence_length(net: Network, node: OnnxNode) -> Tensor:
    """A constant if the tensors are known."""
    return _length(net, node.input(0))


def _length(net: Network, given: Tensor) -> Tensor:
    parts = _parts(given)
    if parts is not None:
        return net.constant(np.array(len(parts), np.int64))
    found: Tensor = net.add(SequenceLength(), given)[0]
    return found


@onnx_rule("ai.onnx::ConcatFromSequence", since=11)
def concat_from_sequence(net: Network, node: OnnxNode) -> Tensor:
    """Concat of the tensors if they are known, each with a new axis if that is asked for."""
    given, axis, new_axis = node.input(0), node.integer("axis"), bool(node.integer("new_axis", 0))
    parts = _parts(given)
    if not parts:
        _check_rank(given)
        found: Tensor = net.add(ConcatFromSequence(axis, new_axis), given)[0]
        return found
    if new_axis:
        place = net.constant(np.array([normalize_axis(axis, parts[0].rank + 1)], np.int64))
        parts = tuple(net.unsqueeze(part, place) for part in parts)
    return net.concat(*parts, axis=axis)


@onnx_rule("ai.onnx::SplitToSequence", since=11)
def split_to_sequence(net: Network, node: OnnxNode) -> Tensor:
    """Split into as many tensors as the sizes say, if these are known; without sizes, one for each index."""
    x, split, keepdims = node.input(0), node.optional(1), bool(node.integer("keepdims", 1))
    axis = normalize_axis(node.integer("axis", 0), x.rank)
    sizes = _part_sizes(x, axis, split)
    if sizes is None:
        found: Tensor = net.add(SplitToSequence(axis, keepdims), x, split)[0]
        return found
    parts = net.split(x, net.constant(np.array(sizes, np.int64)), axis=axis) if sizes else ()
    if split is None and not keepdims:
        place = net.constant(np.array([axis], np.int64))
        parts = tuple(net.squeeze(part, place) for part in parts)
    return _sequence(net, parts, x.dtype)


def _part_sizes(x: Tensor, axis: int, split: Tensor | None) -> list[int] | None:
    """The sizes of the parts, None where they are known at run time only."""
    size, known = x.shape[axis], (1,) if split is None else split.spec.constants()
    if known is None:
        return None
    if split is not None and split.rank == 1:
        return list(known)
    if not isinstance(size, int):
        return None
    if known[0] < 1:
        raise ModelInvalid(f"it splits into parts of {known[0]}", hint="Give a size of 1 or more.")
    return [min(known[0], size - begin) for begin in range(0, size, known[0])]


def _position(position: Tensor | None, default: int, parts: tuple[Tensor, ...] | None, more: int = 0) -> int | None:
    """The position, negative ones from the end, in a sequence of known tensors; None where it is not known."""
    known = (default,) if position is None else position.spec.constants()
    if known is None or parts is None:
        return None
    length = len(parts)
    place = known[0] + length if known[0] < 0 else known[0]
    if not 0 <= place < length + more:
        raise ModelInvalid(f"position {known[0]} is outside a sequence of {length}", hint="Correct the position.")
    return place


def _items(given: Tensor) -> ItemSpec:
    if given.spec.items is None:
        raise ModelInvalid(f"it reads {given.spec} as a sequence", hint="Give it a sequence.")
    return given.spec.items


def _check_rank(given: Tensor) -> None:
    """Raise `NotSupported` where a tensor of a sequence has a number of axes that nobody knows."""
    try:
        _items(given).spec()
    except ShapeError as error:
        raise NotSupported(error.message) from None


@onnx_rule("ai.onnx::Optional", since=15)
def optional(net: Network, node: OnnxNode) -> Tensor:
    """An optional that holds the input; without one nothing, of the type that an attribute gives."""
    given = node.optional(0)
    if given is not None:
        return as_optional(net, given)
    wanted = node.spec("type")
    items = wanted.items
    op = SequenceConstruct((items or wanted).dtype, optional=True, of_sequences=items is not None)
    made: Tensor = net.add(op)[0]
    return made


@onnx_rule("ai.onnx::OptionalGetElement", since=15)
def optional_get_element(net: Network, node: OnnxNode) -> Tensor:
    """What an optional holds; since opset 18 a tensor or a sequence is given as it is."""
    given = node.input(0)
    return _at(net, given, None) if given.dtype is DataType.OPTIONAL else net.identity(given)


@onnx_rule("ai.onnx::OptionalHasElement", since=15)
def optional_has_element(net: Network, node: OnnxNode) -> Tensor:
    """Whether an optional holds something; whether there is an input at all is known."""
    given = node.optional(0)
    if given is None or given.dtype is not DataType.OPTIONAL:
        return net.constant(np.array(given is not None))
    return net.greater(_length(net, given), net.constant(np.array(0, np.int64)))
