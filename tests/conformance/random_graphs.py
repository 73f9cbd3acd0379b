"""Builds random ONNX graphs node by node; each node runs at once in onnx's reference, so that the next one fits it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = np.ndarray[Any, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
OPSET = 21
MAX_ELEMENTS = 4096
MAX_MAGNITUDE = 1e4
MAX_RANK = 5
FLOATS = (np.float32, np.float16, np.float64)


class Refused(Exception):
    """The operator does not fit what is there, or its result is too large."""


@dataclass(frozen=True)
class Value:
    """A tensor of the graph with its contents; `exact` ones are whole numbers in any arithmetic.

    A step (rounding, comparing, choosing the largest) is applied only to exact values: elsewhere the last bit decides.
    """

    name: str
    array: Array
    exact: bool

    @property
    def is_float(self) -> bool:
        """Whether its elements are floating-point numbers."""
        return self.array.dtype.kind == "f"


@dataclass
class Graph:
    """A graph while it is made; `outer` are the values that a nested one may read."""

    draw: Draw
    prefix: str = ""
    outer: tuple[Value, ...] = ()
    depth: int = 0
    inputs: list[Value] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    count: int = 0

    # ---- drawing -----------------------------------------------------------------------------------------------

    def number(self, low: int, high: int) -> int:
        """A whole number of a range."""
        return int(self.draw(st.integers(low, high)))

    def choose(self, items: Sequence[Any]) -> Any:
        """One of these; `Refused` where there is none."""
        if not items:
            raise Refused
        return self.draw(st.sampled_from(list(items)))

    def pick(self, fits: Callable[[Value], bool] = lambda value: True) -> Value:
        """A value of the graph, newer ones first, or of the graph around it."""
        return self.choose([value for value in [*reversed(self.values), *self.outer] if fits(value)])  # type: ignore[no-any-return]

    def whole(self, shape: Sequence[int], low: int = -4, high: int = 4) -> Array:
        """An array of whole numbers."""
        rng = np.random.default_rng(self.number(0, 999))
        return rng.integers(low, high + 1, tuple(shape))

    def real(self, shape: Sequence[int]) -> Array:
        """An array of normal numbers."""
        return np.random.default_rng(self.number(0, 999)).standard_normal(tuple(shape))

    # ---- adding ------------------------------------------------------------------------------------------------

    def name(self) -> str:
        """A new name."""
        self.count += 1
        return f"{self.prefix}v{self.count}"

    def constant(self, array: Array, exact: bool = True) -> Value:
        """An initializer."""
        value = Value(self.name(), np.asarray(array), exact)
        self.constants.append(numpy_helper.from_array(value.array, value.name))
        return value

    def ints(self, *numbers: int) -> Value:
        """An initializer of int64, as axes and sizes are given."""
        return self.constant(np.array(numbers, np.int64))

    def node(
        self, op: str, inputs: Sequence[Value | None], outputs: int = 1, *, exact: bool | None = None, **attributes: Any
    ) -> list[Value]:
        """Add a node and run it; it is exact if its inputs are, unless `exact` says otherwise."""
        names = [self.name() for _ in range(outputs)]
        proto = helper.make_node(op, [value.name if value else "" for value in inputs], names, name=names[0])
        proto.attribute.extend(helper.make_attribute(key, item) for key, item in attributes.items() if item is not None)
        given = {value.name: value for value in inputs if value is not None}
        arrays = run_node(proto, {**{value.name: value for value in (*self.outer, *self.values)}, **given})
        keeps = all(value.exact for value in given.values()) if exact is None else exact
        made = []
        for name, array in zip(names, arrays, strict=True):
            if array.size > MAX_ELEMENTS or array.ndim > MAX_RANK:
                raise Refused
            numbers = array.dtype.kind in "fiu"
            if numbers and not (np.isfinite(array).all() and np.abs(array).max(initial=0) <= MAX_MAGNITUDE):
                raise Refused
            known = keeps and not (array.dtype.kind == "f" and (array != np.round(array)).any())
            limit = 1024 if array.dtype == np.float16 else MAX_MAGNITUDE
            known = known and not (numbers and np.abs(array.astype(np.float64)).max(initial=0) > limit)
            made.append(Value(name, array, known))
        self.nodes.append(proto)
        self.values += made
        return made


def run_node(proto: onnx.NodeProto, known: dict[str, Value]) -> list[Array]:
    """The outputs of one node in onnx's reference; `Refused` where it can't run."""
    free = [*proto.input, *(name for item in proto.attribute if item.g.node for name in free_names(item.g))]
    names = [name for name in dict.fromkeys(free) if name in known]
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(known[n].array.dtype), known[n].array.shape)
        for n in names
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in proto.output]
    graph = helper.make_graph([proto], "one", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    try:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = ReferenceEvaluator(model).run(None, {name: known[name].array for name in names})
    except Exception as error:
        raise Refused from error
    return [np.asarray(array) for array in found]


def free_names(graph: onnx.GraphProto) -> list[str]:
    """What a nested graph reads from outside."""
    own = {info.name for info in graph.input} | {item.name for item in graph.initializer}
    found: list[str] = []
    for node in graph.node:
        inner = [name for item in node.attribute if item.g.node for name in free_names(item.g)]
        found += [name for name in (*node.input, *inner) if name and name not in own]
        own.update(node.output)
    return found + [info.name for info in graph.output if info.name not in own]


@dataclass(frozen=True)
class RandomModel:
    """A model, two sets of inputs (the second has other sizes, and may not fit), and the outputs that are exact."""

    model: onnx.ModelProto
    inputs: dict[str, Array]
    resized: dict[str, Array]
    exact: dict[str, bool]
    scale: float

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis shows the smallest failure."""
        shapes = {name: f"{array.dtype}{list(array.shape)}" for name, array in self.inputs.items()}
        printer.text(f"{shapes}\n{onnx.printer.to_text(self.model)}")
