"""Sequences and optionals that are known only at run time: Python lists, which these operators make and read in Python.

A sequence is a list of arrays; an optional is a list of one item or none, and its item may be a sequence.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import Dim, Size
from enginewright.errors import DataTypeError, RunError, ShapeError
from enginewright.ops.element_types import check_type
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, ItemSpec, TensorSpec, float32, int32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
Items = list[Any]


def container(kind: DataType, items: ItemSpec) -> TensorSpec:
    """The spec of a sequence or an optional of such items."""
    return TensorSpec(kind, (), items=items)


def items_of(spec: TensorSpec, what: str = "the input") -> ItemSpec:
    """What a sequence or an optional holds; `DataTypeError` for a tensor."""
    if spec.items is None:
        raise DataTypeError(f"{what} is {spec.dtype}", hint="It must be a sequence.")
    return spec.items


def _place(position: Array | None, default: int, length: int, count: int) -> int:
    """The position that an input gives, negative ones from the end, among `count`; `RunError` outside."""
    given = default if position is None else int(position.reshape(()))
    found = given + length if given < 0 else given
    if not 0 <= found < count:
        raise RunError(f"position {given} is outside a sequence of {length}", hint="Give a position inside of it.")
    return found


def _check_position(position: TensorSpec | None) -> None:
    if position is not None:
        check_type(position, (int32, int64), "the position")


def as_optional(network: Network, tensor: Tensor) -> Tensor:
    """An optional that holds a tensor or a sequence."""
    items = tensor.spec.items
    op = SequenceConstruct(items.dtype if items else tensor.dtype, optional=True, of_sequences=items is not None)
    made: Tensor = network.add(op, tensor)[0]
    return made


class _OfSequences:
    """Base of the operators here: they take sequences, and are made by import rules, not by methods of Network."""

    INTERNAL: ClassVar[bool] = True
    CONTAINERS: ClassVar[bool] = True


@operator("ew::SequenceConstruct")
class SequenceConstruct(_OfSequences):
    """A sequence of its inputs, which are of type `dtype`; if it is `optional`, of one or none.

    `of_sequences`: what it holds are sequences of that type.
    """

    dtype: DataType = float32
    optional: bool = False
    of_sequences: bool = False

    def infer(self, *xs: TensorSpec) -> TensorSpec:
        """Sizes that differ are left open."""
        tensors = ItemSpec(self.dtype, empty=True)
        items = ItemSpec(DataType.SEQUENCE, (), tensors, empty=True) if self.of_sequences else tensors
        for x in xs:
            items = items.join(ItemSpec.of(x))
        return container(DataType.OPTIONAL if self.optional else DataType.SEQUENCE, items)

    def reference(self, *xs: Array | Items) -> Items:
        """Copies: the memory of a tensor is used again."""
        return [_kept(x) for x in xs]

    @staticmethod
    def examples() -> Iterator[tuple[SequenceConstruct, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


def _kept(x: Array | Items) -> Array | Items:
    return x if isinstance(x, list) else np.array(x)


@operator("ew::SequenceInsert")
class SequenceInsert(_OfSequences):
    """The sequence with tensor `x` put in before `position`; at the end without one."""

    def infer(self, sequence: TensorSpec, x: TensorSpec, position: TensorSpec | None = None) -> TensorSpec:
        """Sizes that differ are left open."""
        _check_position(position)
        return container(DataType.SEQUENCE, items_of(sequence).join(ItemSpec.of(x)))

    def reference(self, sequence: Items, x: Array, position: Array | None = None) -> Items:
        """A new list: others may read the old one."""
        place = _place(position, len(sequence), len(sequence), len(sequence) + 1)
        return [*sequence[:place], _kept(x), *sequence[place:]]

    @staticmethod
    def examples() -> Iterator[tuple[SequenceInsert, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


@operator("ew::SequenceErase")
class SequenceErase(_OfSequences):
    """The sequence without the tensor at `position`; without the last if none is given."""

    def infer(self, sequence: TensorSpec, position: TensorSpec | None = None) -> TensorSpec:
        """The same items."""
        _check_position(position)
        return container(DataType.SEQUENCE, items_of(sequence))

    def reference(self, sequence: Items, position: Array | None = None) -> Items:
        """A new list: others may read the old one."""
        place = _place(position, -1, len(sequence), len(sequence))
        return [*sequence[:place], *sequence[place + 1 :]]

    @staticmethod
    def examples() -> Iterator[tuple[SequenceErase, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


@operator("ew::SequenceAt")
class SequenceAt(_OfSequences):
    """The item of a sequence or an optional at `position`; the first without one."""

    def infer(self, sequence: TensorSpec, position: TensorSpec | None = None) -> TensorSpec:
        """Sizes that vary among the items show at run time; the number of axes must be known."""
        _check_position(position)
        return items_of(sequence).spec()

    def reference(self, sequence: Items, position: Array | None = None) -> Array | Items:
        """A list's element."""
        found: Array | Items = sequence[_place(position, 0, len(sequence), len(sequence))]
        return found

    @staticmethod
    def examples() -> Iterator[tuple[SequenceAt, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


@operator("ew::SequenceLength")
class SequenceLength(_OfSequences):
    """How many items a sequence or an optional holds."""

    def infer(self, sequence: TensorSpec) -> TensorSpec:
        """One int64."""
        items_of(sequence)
        return TensorSpec(int64)

    def reference(self, sequence: Items) -> Array:
        """A list's length."""
        return np.array(len(sequence), np.int64)

    @staticmethod
    def examples() -> Iterator[tuple[SequenceLength, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


@operator("ew::ConcatFromSequence")
class ConcatFromSequence(_OfSequences):
    """The items of a sequence joined along `axis`, which with `new_axis` is an axis more."""

    axis: int
    new_axis: bool = False

    def infer(self, sequence: TensorSpec) -> TensorSpec:
        """How long the axis is shows at run time."""
        items = items_of(sequence)
        shape = list(items.spec().shape)
        place = normalize_axis(self.axis, len(shape) + self.new_axis)
        shape[place : place + (not self.new_axis)] = [Dim.data()]
        return TensorSpec(items.dtype, tuple(shape))

    def reference(self, sequence: Items) -> Array:
        """numpy.concatenate or numpy.stack; `RunError` of nothing, and of items that do not fit."""
        if not sequence:
            raise RunError("it joins a sequence without tensors", hint="Let the sequence hold at least one.")
        try:
            return (np.stack if self.new_axis else np.concatenate)(sequence, self.axis)
        except ValueError as error:
            shapes = ", ".join(str(item.shape) for item in sequence)
            raise RunError(f"it cannot join {shapes}: {error}", hint="Only the joined axis may differ.") from error

    @staticmethod
    def examples() -> Iterator[tuple[ConcatFromSequence, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


@operator("ew::SplitToSequence")
class SplitToSequence(_OfSequences):
    """Parts of `x` along `axis`: of the sizes `split`, or all of its one size; without it single indices.

    Of single indices, without `keepdims`, the axis is dropped.
    """

    axis: int = 0
    keepdims: bool = True

    def infer(self, x: TensorSpec, split: TensorSpec | None = None) -> TensorSpec:
        """The sizes of the parts along the axis are open, unless each is one index."""
        axis = normalize_axis(self.axis, x.rank)
        if split is not None:
            check_type(split, (int32, int64), "split")
            if split.rank > 1:
                raise ShapeError(f"split has {split.rank} axes", hint="Give one size, or a list.")
        length: list[Size] = [Dim.data()] if split is not None else [1] if self.keepdims else []
        shape = (*x.shape[:axis], *length, *x.shape[axis + 1 :])
        return container(DataType.SEQUENCE, ItemSpec.of(TensorSpec(x.dtype, shape)))

    def reference(self, x: Array, split: Array | None = None) -> Items:
        """Slices."""
        axis = normalize_axis(self.axis, x.ndim)
        whole: tuple[Any, ...] = (slice(None),) * axis
        if split is None and not self.keepdims:
            return [np.array(x[(*whole, index)]) for index in range(x.shape[axis])]
        ends = [0, *itertools.accumulate(_part_sizes(x.shape[axis], split))]
        return [np.array(x[(*whole, slice(begin, end))]) for begin, end in itertools.pairwise(ends)]

    @staticmethod
    def examples() -> Iterator[tuple[SplitToSequence, list[TensorSpec]]]:
        """None here: sequences are no arrays; tests/sdk/ops/test_sequence_rules.py has them."""
        return iter(())


def _part_sizes(size: int, split: Array | None) -> list[int]:
    if split is not None and split.ndim:
        sizes = [int(part) for part in split]
        if sum(sizes) != size or min(sizes, default=0) < 0:
            raise RunError(f"parts of {sizes} do not make an axis of {size}", hint="Let their sum be its size.")
        return sizes
    step = 1 if split is None else int(split)
    if step < 1:
        raise RunError(f"it splits into parts of {step}", hint="Give a size of 1 or more.")
    return [min(step, size - begin) for begin in range(0, size, step)]
