"""Finds small subgraphs in a network: operators by name, captured tensors and attributes, modulo commutativity."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.pattern_fields import match_fields

COMMUTATIVE = frozenset(
    ("Add", "Mul", "Min", "Max", "Sum", "Mean", "And", "Or", "Xor", "Equal", "BitwiseAnd", "BitwiseOr", "BitwiseXor")
)
MOST_PERMUTED = 4
"""Operands of a commutative operator that are tried in all orders: 24 of them."""
STANDARD = ("ew", "ai.onnx")


@dataclass(frozen=True)
class AnyTensor:
    """Any tensor; the same name must be the same tensor throughout a pattern."""

    name: str


@dataclass(frozen=True)
class Number:
    """A constant whose elements are all this number (relative error up to 1e-3), or any one number if it is None."""

    value: float | None = None
    name: str = ""


@dataclass(frozen=True)
class Constant:
    """A constant of this shape and type where they are given; one element has every shape of ones."""

    name: str
    shape: tuple[int, ...] | None = None
    dtype: int | None = None


@dataclass(frozen=True, eq=False)
class Node:
    """A layer of one of these operators (names joined by "|") with these inputs; `name` captures its output.

    A bare name is an operator of the SDK, others are written with their namespace. `fields` must be equal, or are
    captured where the value is an `Attribute`. A node that stands twice in a pattern is one layer.
    """

    op: str
    inputs: tuple[Pattern | None, ...]
    name: str = ""
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Output:
    """An output of a node other than its first."""

    node: Node
    index: int


Pattern = AnyTensor | Number | Constant | Node | Output


def maker_of(part: Pattern) -> Node:
    """The node that gives a result of a pattern."""
    found = part.node if isinstance(part, Output) else part
    assert isinstance(found, Node)
    return found


def node(op: str, *inputs: Pattern, name: str = "") -> Node:
    """A pattern for a layer."""
    return Node(op, inputs, name)


@dataclass(frozen=True)
class Match:
    """Captured tensors and attributes by name, the layers that the pattern covers, the last one first, its results."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    results: tuple[Tensor, ...] = ()
    bound: Mapping[Node, Layer] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """A captured number."""
        const = self.tensors[name].const
        assert const is not None
        return float(const.reshape(-1)[0])


Note = Callable[[Match, str], None]
"""Told how far an attempt came, and why it went no further."""


def _ignore(match: Match, reason: str) -> None:
    """For callers who need no reasons."""


def find(network: Network, pattern: Node) -> Iterator[Match]:
    """All matches whose inner results nobody else needs, by last layer; the network may change in between."""
    for layer in list(network.layers):
        if is_operator(layer, pattern.op) and layer.outputs:
            used = bool(layer.outputs[0].readers) or network.is_output(layer.outputs[0])
            if used:
                yield from itertools.islice(match_at(layer, (pattern,), (), network.is_output), 1)


def match_at(
    layer: Layer,
    roots: Sequence[Pattern],
    layers: Sequence[Layer],
    is_output: Callable[[Tensor], bool],
    note: Note = _ignore,
) -> Iterator[Match]:
    """The matches whose first root is a result of `layer`; further roots are looked for in `layers`.

    A match is yielded only if nothing outside reads its inner tensors, and no outside layer lies between its results
    and its inputs.
    """
    index = roots[0].index if isinstance(roots[0], Output) else 0
    if index < len(layer.outputs):
        for match in _match_roots(roots, layer.outputs[index], layers, Match(), note):
            leak = find_leak(match, is_output)
            if leak:
                note(match, leak)
            else:
                yield match


def find_leak(match: Match, is_output: Callable[[Tensor], bool]) -> str:
    """Why the layers of a match can't be taken out: a tensor that is needed outside; "" if they can."""
    inside = set(match.layers)
    for layer in match.layers:
        for tensor in layer.outputs:
            if any(tensor is result for result in match.results):
                continue
            if is_output(tensor):
                return f'extra consumer: "{tensor.name}" is an output of the graph'
            reader = next((reader for reader in tensor.readers if reader not in inside), None)
            if reader is not None:
                return f'extra consumer: "{tensor.name}" is also read by "{reader.name}"'
    if len(match.results) > 1 and _is_entangled(match, inside):
        return "extra consumer: a layer outside reads one result and gives an input"
    return ""


def replace_match(network: Network, match: Match, made: Tensor) -> None:
    """Let the readers of a match's result read `made`, and drop the layers of the match."""
    old = match.layers[0].outputs[0]
    if made.producer is not None:
        made.name = old.name
    network.replace(old, made)
    network.remove(match.layers)


def sources(match: Match) -> tuple[str, ...]:
    """The ONNX nodes of a match."""
    return tuple(dict.fromkeys(name for layer in reversed(match.layers) for name in layer.sources))


def is_operator(layer: Layer, op: str) -> bool:
    """Whether a layer's operator is one of these names, joined by "|"."""
    key = layer.key
    full = f"{key.namespace}::{key.name}"
    return any(name == full or (name == key.name and key.namespace in STANDARD) for name in op.split("|"))


def _is_entangled(match: Match, inside: set[Layer]) -> bool:
    """Whether a path leads from a result through outside layers to an input."""
    inputs = {tensor for layer in inside for tensor in layer.inputs if tensor is not None}
    found = {reader for result in match.results for reader in result.readers if reader not in inside}
    pending = list(found)
    while pending:
        layer = pending.pop()
        if any(tensor in inputs for tensor in layer.outputs):
            return True
        new = {reader for tensor in layer.outputs for reader in tensor.readers} - found - inside
        found |= new
        pending += new
    return False


def _match_roots(
    roots: Sequence[Pattern], tensor: Tensor, layers: Sequence[Layer], match: Match, note: Note
) -> Iterator[Match]:
    for found in _match(roots[0], tensor, match, note):
        done = replace(found, results=(*found.results, tensor))
        if len(roots) == 1:
            yield done
        else:
            for other in _candidates(roots[1], layers, done):
                yield from _match_roots(roots[1:], other, layers, done, note)


def _candidates(root: Pattern, layers: Sequence[Layer], match: Match) -> Iterator[Tensor]:
    """The tensors that a further result can be."""
    maker, index = maker_of(root), root.index if isinstance(root, Output) else 0
    if maker in match.bound:
        yield match.bound[maker].outputs[index]
        return
    for layer in layers:
        if is_operator(layer, maker.op) and layer not in match.layers and index < len(layer.outputs):
            yield layer.outputs[index]


def _match(pattern: Pattern | None, tensor: Tensor | None, match: Match, note: Note) -> Iterator[Match]:
    if pattern is None or tensor is None:
        if pattern is None and tensor is None:
            yield match
        else:
            note(match, "inputs: one is left out on one side only")
    elif isinstance(pattern, AnyTensor):
        yield from _captured(pattern.name, tensor, match, note)
    elif isinstance(pattern, Number | Constant):
        reason = _refuse_constant(pattern, tensor)
        if reason:
            note(match, reason)
        else:
            yield from _captured(pattern.name, tensor, match, note) if pattern.name else iter((match,))
    elif isinstance(pattern, Output):
        yield from _match_node(pattern.node, pattern.index, tensor, match, note)
    else:
        yield from _match_node(pattern, 0, tensor, match, note)


def _captured(name: str, tensor: Tensor, match: Match, note: Note) -> Iterator[Match]:
    known = match.tensors.get(name, tensor)
    if known is tensor or _same_constant(known, tensor):
        yield replace(match, tensors={**match.tensors, name: known})
    else:
        note(match, f'inputs: "{name}" is "{known.name}" at one place and "{tensor.name}" at another')


def _same_constant(a: Tensor, b: Tensor) -> bool:
    return a.const is not None and b.const is not None and a.spec == b.spec and np.array_equal(a.const, b.const)


def _match_node(pattern: Node, index: int, tensor: Tensor, match: Match, note: Note) -> Iterator[Match]:
    layer = tensor.producer
    if pattern in match.bound:
        if layer is match.bound[pattern] and layer.outputs[index] is tensor:
            yield match
        else:
            note(match, f'inputs: the pattern has one {pattern.op} where "{tensor.name}" comes from another layer')
        return
    if layer is None or not is_operator(layer, pattern.op):
        is_what = "an input or a constant" if layer is None else f"made by {layer.key.name}"
        note(match, f'other operator: "{tensor.name}" is {is_what}, the pattern has {pattern.op}')
        return
    begun = _begin(pattern, index, tensor, match, note)
    if begun is not None:
        for order in _orders(layer, len(pattern.inputs)):
            yield from _match_all(pattern.inputs, order, begun, note)


def _begin(pattern: Node, index: int, tensor: Tensor, match: Match, note: Note) -> Match | None:
    """The match with the maker of this tensor in it, if its outputs, fields and number of inputs fit."""
    layer = tensor.producer
    assert layer is not None
    layers = match.layers if layer in match.layers else (*match.layers, layer)
    begun = Match(match.tensors, layers, match.attributes, match.results, {**match.bound, pattern: layer})
    if index >= len(layer.outputs) or layer.outputs[index] is not tensor:
        note(begun, f'inputs: "{tensor.name}" is another output of "{layer.name}"')
        return None
    attributes = match_fields(pattern.fields, layer, match.attributes)
    if isinstance(attributes, str):
        note(begun, attributes)
        return None
    if _count(pattern.inputs) != _count(layer.inputs):
        note(begun, f'inputs: "{layer.name}" has {_count(layer.inputs)}, the pattern {_count(pattern.inputs)}')
        return None
    begun = replace(begun, attributes=attributes)
    return next(_captured(pattern.name, tensor, begun, note), None) if pattern.name else begun


def _count(inputs: Sequence[Any]) -> int:
    """The number of inputs without those left out at the end."""
    return max((index + 1 for index, item in enumerate(inputs) if item is not None), default=0)


def _orders(layer: Layer, count: int) -> Iterator[Sequence[Tensor | None]]:
    if layer.key.name in COMMUTATIVE and layer.key.namespace in STANDARD and 2 <= count <= MOST_PERMUTED:
        yield from itertools.permutations(layer.inputs)
    else:
        yield layer.inputs


def _match_all(
    patterns: Sequence[Pattern | None], tensors: Sequence[Tensor | None], match: Match, note: Note
) -> Iterator[Match]:
    if not patterns or not tensors:
        yield match
        return
    for found in _match(patterns[0], tensors[0], match, note):
        yield from _match_all(patterns[1:], tensors[1:], found, note)


def _refuse_constant(pattern: Number | Constant, tensor: Tensor) -> str:
    """Why a tensor is not this constant; "" if it is."""
    const = tensor.const
    if const is None:
        return f'constant expected: "{tensor.name}" is computed'
    if isinstance(pattern, Number):
        return "" if _is_number(pattern, const) else f'constant expected: "{tensor.name}" is not {_text(pattern)}'
    if pattern.dtype not in (None, tensor.dtype):
        return f'constant expected: "{tensor.name}" is {tensor.spec}, the pattern has another type'
    one = pattern.shape is not None and set(pattern.shape) <= {1}
    if pattern.shape is not None and not (const.shape == pattern.shape or (one and const.size == 1)):
        return f'constant expected: "{tensor.name}" is {tensor.spec}, the pattern has the shape {list(pattern.shape)}'
    return ""


def _text(number: Number) -> str:
    return "one number" if number.value is None else f"the number {number.value}"


def _is_number(pattern: Number, const: np.ndarray[Any, Any]) -> bool:
    if const.size == 0 or const.dtype == object:
        return False
    values = const.reshape(-1)
    if not (values == values[0]).all():
        return False
    return pattern.value is None or bool(np.isclose(float(values[0]), pattern.value, rtol=1e-3))
