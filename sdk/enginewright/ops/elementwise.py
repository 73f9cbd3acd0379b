"""What all elementwise operators share: an operator is written once as a pointwise program, and all else follows.

`write` gives the instructions; shape rule, NumPy reference, known contents and examples come from here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from enginewright.dims import Dim, Size
from enginewright.errors import DataTypeError
from enginewright.ops.contents import objects
from enginewright.ops.element_types import check_same_type, check_type
from enginewright.ops.pointwise import Builder, Value, program_of
from enginewright.ops.pointwise_table import FLOATS, HALVES, INTEGERS, TYPES, Array
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import MAX_VALUE_ELEMENTS, DataType, TensorSpec, bool_, broadcast_shapes, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

NUMBERS = (*FLOATS, *INTEGERS)
MAIN_TYPES = (float32, DataType.FLOAT64, DataType.FLOAT16, DataType.BFLOAT16, DataType.INT32, DataType.INT64)
EXAMPLE_TYPES = (*MAIN_TYPES, DataType.UINT8, DataType.INT8, bool_)


class Elementwise:
    """Base of the operators; a subclass has `write(self, p, *values)`.

    `TYPES`: element types of the inputs. `RESULT`: the output's type, None: that of the first input. `WIDE`: 16-bit
    floats are computed in float32 and rounded once at the end; needed where `write` takes several instructions.
    `sizes(dtype, *elements)`: the element of the output where elements are sizes; None where it is not known.
    """

    TYPES: ClassVar[tuple[DataType, ...]] = FLOATS
    RESULT: ClassVar[DataType | None] = None
    WIDE: ClassVar[bool] = False
    sizes: ClassVar[Callable[..., Size | None] | None] = None
    if TYPE_CHECKING:
        write: Any

    def emit(self, p: Builder, *values: Value | None) -> Value:
        """The instructions, 16-bit floats widened where the operator asks for it."""
        halves = [value.dtype for value in values if value is not None and value.dtype in HALVES]
        if not halves or not self.WIDE:
            return cast(Value, self.write(p, *values))
        wide = [p.cast(value, float32) if value is not None and value.dtype in HALVES else value for value in values]
        result = cast(Value, self.write(p, *wide))
        return p.cast(result, halves[0]) if result.dtype == float32 else result

    def result(self, *specs: TensorSpec | None) -> TensorSpec:
        """The output's type and broadcast shape, and its contents where all inputs' are known."""
        given = [spec for spec in specs if spec is not None]
        dtype = check_same_type(*given)
        check_type(given[0], self.TYPES, f"the input of {type(self).__name__}")
        return self.known(TensorSpec(self.RESULT or dtype, broadcast_shapes(*(x.shape for x in given))), specs)

    def known(self, result: TensorSpec, specs: Sequence[TensorSpec | None]) -> TensorSpec:
        """`result` with its contents, where those of all inputs are known."""
        if not isinstance(result.size, int) or result.size > MAX_VALUE_ELEMENTS:
            return result
        arrays = [None if spec is None else objects(spec) for spec in specs]
        if any(array is None and spec is not None for array, spec in zip(arrays, specs, strict=True)):
            return result
        if any(isinstance(element, Dim) for array in arrays if array is not None for element in array.flat):
            return self._known_sizes(result, arrays)
        typed = [
            None if spec is None or array is None else array.astype(spec.dtype.numpy)
            for array, spec in zip(arrays, specs, strict=True)
        ]
        found = self.compute(*typed)
        flat = found.astype(np.float64) if result.dtype.is_float else found
        return dataclasses.replace(result, value=tuple(flat.reshape(-1).tolist()))

    def compute(self, *arrays: Array | None) -> Array:
        """The program in NumPy; `DataTypeError` for types that programs do not have."""
        specs = [None if array is None else TensorSpec(DataType.of(array), array.shape) for array in arrays]
        return program_of(self, *specs).run(*(array for array in arrays if array is not None))[0]

    @classmethod
    def variants(cls) -> Iterator[Any]:
        """The operator with the attributes that the examples show."""
        yield cls()

    def _known_sizes(self, result: TensorSpec, arrays: Sequence[Array | None]) -> TensorSpec:
        if self.sizes is None or any(array is None for array in arrays):
            return result
        columns = [np.broadcast_to(array, result.shape).reshape(-1).tolist() for array in arrays]  # type: ignore[arg-type]
        found: list[Size] = []
        for elements in zip(*columns, strict=True):
            exact = [as_size(element) for element in elements]
            if any(element is None for element in exact):
                return result
            size = self.sizes(result.dtype, *exact)
            if size is None:
                return result
            found.append(size)
        return dataclasses.replace(result, value=tuple(found))


class Unary(Elementwise):
    """Base of the operators with one input."""

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x."""
        return self.result(x)

    def reference(self, x: Array) -> Array:
        """The program in NumPy."""
        return self.compute(x)

    @classmethod
    def examples(cls) -> Iterator[tuple[Any, list[TensorSpec]]]:
        """Every main type; odd sizes, one element, none."""
        for op in cls.variants():
            yield op, [TensorSpec(cls.TYPES[0], (2, 3, 5))]
            yield op, [TensorSpec(cls.TYPES[0], (1, 0, 4))]
            yield from ((op, [TensorSpec(dtype, (67,))]) for dtype in EXAMPLE_TYPES if dtype in cls.TYPES)


class Binary(Elementwise):
    """Base of the operators with two inputs of one type."""

    def infer(self, a: TensorSpec, b: TensorSpec) -> TensorSpec:
        """The broadcast shape."""
        return self.result(a, b)

    def reference(self, a: Array, b: Array) -> Array:
        """The program in NumPy."""
        return self.compute(a, b)

    @classmethod
    def examples(cls) -> Iterator[tuple[Any, list[TensorSpec]]]:
        """Every main type; broadcast on either side, scalars, none."""
        first = cls.TYPES[0]
        for op in cls.variants():
            for a, b in (((2, 3, 5), (5,)), ((3, 1), (1, 4)), ((), (7,)), ((0, 2), (2,)), ((2, 1, 33), (2, 9, 1))):
                yield op, [TensorSpec(first, a), TensorSpec(first, b)]
            yield from ((op, [TensorSpec(dtype, (65,))] * 2) for dtype in EXAMPLE_TYPES if dtype in cls.TYPES)


class Variadic(Elementwise):
    """Base of the operators with any number of inputs of one type."""

    def infer(self, *xs: TensorSpec) -> TensorSpec:
        """The broadcast shape."""
        return self.result(*xs)

    def reference(self, *xs: Array) -> Array:
        """The program in NumPy."""
        return self.compute(*xs)

    @classmethod
    def examples(cls) -> Iterator[tuple[Any, list[TensorSpec]]]:
        """One to three inputs, every main type."""
        for op in cls.variants():
            for shapes in (((4, 3),), ((2, 3), (3,)), ((2, 1, 5), (3, 1), (1,))):
                yield op, [TensorSpec(cls.TYPES[0], shape) for shape in shapes]
            yield from ((op, [TensorSpec(dtype, (33,))] * 2) for dtype in EXAMPLE_TYPES if dtype in cls.TYPES)


def as_size(element: object) -> Size | None:
    """A known element as a size; None where it is no integer."""
    if isinstance(element, int | Dim):
        return element
    return int(element) if isinstance(element, float) and element.is_integer() else None


def check_writable(*dtypes: DataType) -> None:
    """`DataTypeError` where pointwise programs have no such type."""
    for dtype in dtypes:
        if dtype not in TYPES:
            raise DataTypeError(f"pointwise programs have no {dtype}", hint="The NumPy reference runs it.")


def import_plainly(cls: type[Any], name: str = "", *, since: int = 1) -> None:
    """Declare the import of the ONNX operator of the same name (or `name`), inputs and attributes as they are."""

    def rule(net: Network, node: OnnxNode) -> Tensor:
        values = {item.name: _attribute(node, item) for item in dataclasses.fields(cls)}
        return net.add(cls(**values), *node.inputs)[0]

    rule.__doc__ = f"As {cls.__name__}, attributes by name."
    onnx_rule(name or f"ai.onnx::{cls.__name__}", since=since)(rule)


def _attribute(node: OnnxNode, item: dataclasses.Field[Any]) -> Any:
    readers: dict[str, Callable[..., Any]] = {
        "int": node.integer,
        "float": node.number,
        "str": node.text,
        "bool": lambda name, default: bool(node.integer(name, int(default))),
    }
    return readers[str(item.type)](item.name, None if item.default is dataclasses.MISSING else item.default)
