"""Reads a pattern function: it is called once with a `Pattern`, which has the methods of Network and notes layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass
from typing import Any, TypeAlias, overload

import numpy as np

from enginewright.errors import EnginewrightError, PluginInvalid
from enginewright.graph.methods import OperatorMethods
from enginewright.graph.network import Layer, Tensor
from enginewright.graph.opaque import UNKNOWN
from enginewright.graph.pattern_fields import Attribute, pattern_fields
from enginewright.graph.patterns import AnyTensor, Constant, Node, Number, Output, Pattern as Part
from enginewright.registry.registry import Key, registry
from enginewright.tensors import DataType

Value: TypeAlias = Tensor
"""A tensor of a pattern; it has no shape and no data."""


@dataclass(frozen=True)
class TracedPattern:
    """A pattern as it is matched: its results, and the names of what it captures, each in the order of their use."""

    roots: tuple[Part, ...]
    values: tuple[str, ...]
    constants: tuple[str, ...]
    attributes: tuple[str, ...]
    nodes: tuple[Node, ...]
    opaque: tuple[str, ...]


class Pattern(OperatorMethods):
    """What a pattern function gets: every operator as a method, as in `Network`, and what it may capture."""

    def __init__(self) -> None:
        """An empty pattern."""
        self.values: list[str] = []
        self.constants: list[str] = []
        self.attributes: list[str] = []
        self.nodes: list[Node] = []
        self.opaque: list[str] = []
        self._parts: dict[Tensor, Part] = {}

    def value(self, name: str) -> Value:
        """Another input: any tensor that the pattern's layers read; the parameters of the function are such, too."""
        self._new(name, self.values)
        return self._leaf(AnyTensor(name))

    def constant(self, what: Any, *, shape: tuple[int, ...] | None = None, dtype: DataType | None = None) -> Value:
        """A constant: a name captures it, a number must be equal (relative error up to 1e-3).

        `shape` and `dtype` restrict a captured one; with ``shape=()`` it has one element.
        """
        if isinstance(what, str):
            self._new(what, self.constants)
            return self._leaf(Constant(what, shape, dtype))
        return self._leaf(Number(float(np.asarray(what).reshape(()))))

    def attribute(self, name: str, default: Any = MISSING) -> Any:
        """Captures an attribute, where a method or `node` takes one; `default` for a node that lacks it."""
        self._new(name, self.attributes)
        return Attribute(name, default)

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str = "") -> Tensor: ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]: ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> Any:
        """A layer of `op`, an instance of an operator class; of two tensors: their sum."""
        if isinstance(op, Tensor):
            return self.add(registry.operator(Key("ew", "Add"))(), op, *inputs, name=name)[0]
        own = op.KEY.namespace == "ew"
        key = op.KEY.name if own else f"{op.KEY.namespace}::{op.KEY.name}"
        return self._node(Node(key, self._inputs(inputs), fields=pattern_fields(op)), _count_outputs(op))

    def op(self, key: str, *inputs: Tensor | None, version: int | None = None, **values: Any) -> Value:
        """A layer of the operator ``namespace::Name`` with these fields; its first output."""
        return self.add(registry.operator(Key.parse(key, version))(**values), *inputs)[0]

    def node(self, name: str, *inputs: Tensor | None, outputs: int | None = None, **attributes: Any) -> Any:
        """An ONNX node that is not supported, ``domain::OpType``; one output, or a tuple of `outputs`.

        All attributes that the node may have must be named, each with its value or as a captured one.
        """
        if "::" not in name:
            raise PluginInvalid(f"{name!r} names no domain", hint="Write the node as domain::OpType.")
        self.opaque.append(name)
        fields = tuple((item, tuple(v) if isinstance(v, list) else v) for item, v in attributes.items())
        made = self._node(Node(name, self._inputs(inputs), fields=fields), outputs or 1)
        return made[0] if outputs is None else made

    # ---- inside ------------------------------------------------------------------------------------------------

    def _new(self, name: str, names: list[str]) -> None:
        if not name.isidentifier() or name in (*self.values, *self.constants, *self.attributes):
            problem = "captured twice" if name.isidentifier() else "no identifier"
            raise PluginInvalid(f"{name!r} is {problem}", hint="Keep what was captured first in a variable.")
        names.append(name)

    def _leaf(self, part: Part) -> Value:
        made = Tensor(getattr(part, "name", "") or "constant", UNKNOWN)
        self._parts[made] = part
        return made

    def _inputs(self, inputs: Iterable[Tensor | None]) -> tuple[Part | None, ...]:
        return tuple(None if tensor is None else self.part(tensor) for tensor in inputs)

    def part(self, tensor: Any) -> Part:
        """What stands for a tensor of this pattern."""
        if not isinstance(tensor, Tensor) or tensor not in self._parts:
            kind = type(tensor).__name__
            raise PluginInvalid(f"a {kind} is no value of this pattern", hint="Use p.constant(...) for numbers.")
        return self._parts[tensor]

    def _node(self, node: Node, count: int) -> tuple[Value, ...]:
        self.nodes.append(node)
        layer = Layer(node.op, None, [])
        made = tuple(Tensor(f"{node.op}:{index}", UNKNOWN, layer) for index in range(count))
        for index, tensor in enumerate(made):
            self._parts[tensor] = node if index == 0 else Output(node, index)
        return made


def trace_pattern(function: Callable[..., Any]) -> TracedPattern:
    """Call a pattern function; `PluginInvalid` where it is none."""
    pattern = Pattern()
    try:
        names = list(inspect.signature(function).parameters)[1:]
        made = function(pattern, *(pattern.value(name) for name in names))
        roots = tuple(pattern.part(tensor) for tensor in (made if isinstance(made, tuple | list) else (made,)))
    except Exception as error:
        text = error.message if isinstance(error, EnginewrightError) else f"{type(error).__name__}: {error}"
        hint = "A pattern is a function (p, *values) that returns one value or several, made with the methods of p."
        raise PluginInvalid(f"the pattern {_name(function)} can't be read: {text}", hint=hint) from error
    used = _reached(roots)
    if not roots or any(not isinstance(root, Node | Output) for root in roots) or len(used) != len(pattern.nodes):
        raise PluginInvalid(
            f"the pattern {_name(function)} has layers that do not lead to its results, or a result without a layer",
            hint="Return the values that the pattern's layers give.",
        )
    return TracedPattern(
        roots,
        tuple(pattern.values),
        tuple(pattern.constants),
        tuple(pattern.attributes),
        tuple(pattern.nodes),
        tuple(dict.fromkeys(pattern.opaque)),
    )


def _reached(roots: Iterable[Part | None]) -> set[Node]:
    """The nodes from which these parts are made."""
    found: set[Node] = set()
    pending = list(roots)
    while pending:
        part = pending.pop()
        node = part.node if isinstance(part, Output) else part
        if isinstance(node, Node) and node not in found:
            found.add(node)
            pending += node.inputs
    return found


def _count_outputs(op: Any) -> int:
    """How many outputs an operator has, by the annotation of its shape rule."""
    annotation = str(inspect.signature(op.infer).return_annotation)
    if "..." in annotation:
        count = getattr(op, "num_outputs", 0)
        if isinstance(count, int) and count > 0:
            return count
        raise PluginInvalid(f"{op.KEY.name} has any number of outputs", hint="Give num_outputs, if it has this field.")
    return max(annotation.count("TensorSpec"), 1)


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", function))
