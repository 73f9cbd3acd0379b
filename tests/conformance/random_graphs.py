"""Builds random ONNX graphs node by node; each node runs at once in onnx's reference, so that the next one fits it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.conformance.runtime_process import Unavailable, onnx_runtime

Array = np.ndarray[Any, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
OPSETS = (21, 22, 23, 24)
MAX_ELEMENTS = 4096
MAX_MAGNITUDE = 1e4
MAX_RANK = 8
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = tuple(map(np.dtype, (np.float32, np.float16, np.float64, ml_dtypes.bfloat16)))
INTEGERS = tuple(map(np.dtype, ["int64", "int32", "int8", "uint8", "int16", "uint16", "uint32", "uint64"]))
LARGEST_EXACT = {FLOATS[1]: 1024, BFLOAT16: 128}
"""Up to here sums of two numbers are exact, too; in other types up to MAX_MAGNITUDE."""
BY_RUNTIME = frozenset({"Loop", "GlobalMaxPool", "LSTM", "GRU", "RNN", "Slice"})
"""Operators of which onnx's reference gives wrong results (`peer_cases.toml`): ONNX Runtime tells what follows."""


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
        return self.array.dtype in FLOATS

    @property
    def is_integer(self) -> bool:
        """Whether its elements are integers."""
        return self.array.dtype in INTEGERS

    @property
    def is_number(self) -> bool:
        """Whether one can compute with its elements."""
        return self.is_float or self.is_integer

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return float(np.abs(self.array.astype(np.float64)).max(initial=0))


@dataclass
class Graph:
    """A graph while it is made; `outer` are the values that a nested one may read."""

    draw: Draw
    opset: int = OPSETS[0]
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

    def numbers(self, dtype: np.dtype[Any], shape: Sequence[int], exact: bool) -> Array:
        """Small numbers of a type, whole ones where `exact`, none below zero where the type has none."""
        if not exact:
            return self.real(shape).astype(dtype)
        return self.whole(shape, 0 if dtype.kind == "u" else -4).astype(dtype)

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
        known = {**{value.name: value for value in (*self.outer, *self.values)}, **given}
        arrays = run_node(proto, known, self.opset)
        keeps = all(value.exact for value in given.values()) if exact is None else exact
        made = []
        made = [_judged(Value(name, array, keeps)) for name, array in zip(names, arrays, strict=True)]
        self.nodes.append(proto)
        self.values += made
        return made


def _judged(value: Value) -> Value:
    """The value, no longer exact where its type does not hold such numbers; `Refused` where it is too large."""
    if value.array.size > MAX_ELEMENTS or value.array.ndim > MAX_RANK:
        raise Refused
    if not value.is_number:
        return value
    numbers = value.array.astype(np.float64)
    if not np.isfinite(numbers).all() or value.largest > MAX_MAGNITUDE:
        raise Refused
    fits = value.largest <= LARGEST_EXACT.get(value.array.dtype, MAX_MAGNITUDE)
    return Value(value.name, value.array, value.exact and fits and bool((numbers == np.round(numbers)).all()))


def run_node(proto: onnx.NodeProto, known: dict[str, Value], opset: int) -> list[Array]:
    """The outputs of one node in onnx's reference, else in ONNX Runtime; `Refused` where neither can run it."""
    free = [*proto.input, *(name for item in proto.attribute if item.g.node for name in free_names(item.g))]
    given = {name: known[name].array for name in dict.fromkeys(free) if name in known}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in proto.output]
    graph = helper.make_graph([proto], "one", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    try:
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        raise Refused from error
    runners = (run_in_runtime,) if operators_of(proto) & BY_RUNTIME else (run_in_reference, run_in_runtime)
    for run in runners:
        found = run(model, given)
        if found is not None:
            return list(found.values())
    raise Refused


def run_in_reference(model: onnx.ModelProto, inputs: dict[str, Array]) -> dict[str, Array] | None:
    """The outputs in onnx's reference, in the types of the model; None where it can't run it.

    It gives int64 where sums of int32 should stay int32.
    """
    kinds = [info.type.tensor_type.elem_type for info in model.graph.output]
    names = [info.name for info in model.graph.output]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            arrays = ReferenceEvaluator(model).run(names, inputs)
    except Exception:  # noqa: BLE001 - it lacks types and attributes, and does not broadcast all that ONNX allows
        return None
    made = (
        np.asarray(array).astype(helper.tensor_dtype_to_np_dtype(kind) if kind else array.dtype, copy=False)
        for kind, array in zip(kinds, arrays, strict=True)
    )
    return dict(zip(names, made, strict=True))


def run_in_runtime(model: onnx.ModelProto, inputs: dict[str, Array]) -> dict[str, Array] | None:
    """The outputs in ONNX Runtime; None where it can't run the model."""
    try:
        return onnx_runtime().run(model.SerializeToString(), inputs)
    except Unavailable:
        return None


def operators_of(proto: onnx.NodeProto) -> set[str]:
    """The operator of a node, and those of the graphs in it."""
    return {proto.op_type}.union(*(operators_of(node) for item in proto.attribute for node in item.g.node))


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
    """A model, two sets of inputs (the second has other sizes, and may not fit), and the outputs that are exact.

    `fixed` is the same model with the sizes of the first inputs.
    """

    model: onnx.ModelProto
    fixed: onnx.ModelProto
    inputs: dict[str, Array]
    resized: dict[str, Array]
    exact: dict[str, bool]
    scale: float

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis shows the smallest failure."""
        shapes = {name: f"{array.dtype}{list(array.shape)}" for name, array in self.inputs.items()}
        printer.text(f"{shapes}\n{onnx.printer.to_text(self.model)}")
