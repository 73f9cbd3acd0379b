"""Runs an operator's examples: shape rule against reference, reference against ONNX Runtime or ONNX's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as pybind_state

from enginewright.dims import Atom, Dim, Size, substitute, upper_bound
from enginewright.registry.registry import Operator, infer_specs
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]
OPSET = 23
ORT_ERRORS = (
    RuntimeError,
    *(kind for kind in vars(pybind_state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)


def examples_of(*classes: type[Any]) -> Iterator[Any]:
    """Each example as a test parameter (operator, inputs), named."""
    for cls in classes:
        for number, (op, inputs) in enumerate(cls.examples()):
            yield pytest.param(op, inputs, id=f"{cls.__name__}-{number}")


def arrays_of(inputs: list[Any]) -> list[Array | None]:
    """Random arrays for the specs; given arrays as they are."""
    rng = np.random.default_rng(0)
    return [_random(rng, item) if isinstance(item, TensorSpec) else item for item in inputs]


def _random(rng: np.random.Generator, spec: TensorSpec) -> Array:
    if spec.dtype is DataType.STRING:
        return np.array([f"s{i}" for i in range(int(np.prod(spec.shape)))], object).reshape(spec.shape)
    if spec.dtype is DataType.BOOL:
        return rng.integers(0, 2, spec.shape).astype(bool)
    if spec.dtype.is_integer:
        return rng.integers(0, 7, spec.shape).astype(spec.dtype.numpy)
    return np.asarray(rng.standard_normal(spec.shape)).astype(spec.dtype.numpy)


def outputs_of(op: Operator, arrays: list[Array | None]) -> tuple[Array, ...]:
    """What the reference gives, always as a tuple."""
    found = op.reference(*arrays)
    return found if isinstance(found, tuple) else (found,)


def constant_spec(array: Array) -> TensorSpec:
    """The spec of a constant: contents known."""
    return TensorSpec(DataType.of(array), array.shape, tuple(array.reshape(-1).tolist()))


def check_static(op: Operator, inputs: list[Any]) -> None:
    """With all sizes and constants known the shape rule tells types, shapes and contents exactly."""
    arrays = arrays_of(inputs)
    specs = [constant_spec(item) if isinstance(item, np.ndarray) else item for item in inputs]
    _compare(infer_specs(op, specs), outputs_of(op, arrays), {}, {})


def check_symbolic(op: Operator, inputs: list[Any]) -> None:
    """With a symbol for each size but 1 the expressions evaluate to the real sizes."""
    arrays = arrays_of(inputs)
    symbols: dict[str, int] = {}
    specs = [
        constant_spec(item) if isinstance(item, np.ndarray) else _symbolic(item, number, symbols)
        for number, item in enumerate(inputs)
    ]
    _compare(infer_specs(op, specs), outputs_of(op, arrays), symbols, {})


def check_read(op: Operator, inputs: list[Any], constants: tuple[int, ...] = ()) -> None:
    """With given arrays known at run time only, the shape rule evaluates to real sizes or leaves them open.

    The same again with inputs `constants` known.
    """
    arrays = arrays_of(inputs)
    values = {number: array for number, array in enumerate(arrays) if array is not None}
    specs = [_unknown(item, number) for number, item in enumerate(inputs)]
    _compare(infer_specs(op, specs), outputs_of(op, arrays), {}, values)
    for number in constants:
        if number < len(inputs) and isinstance(inputs[number], np.ndarray):
            specs[number] = constant_spec(inputs[number])
    _compare(infer_specs(op, specs), outputs_of(op, arrays), {}, values)


def _unknown(item: Any, number: int) -> TensorSpec | None:
    if isinstance(item, np.ndarray):
        return TensorSpec(DataType.of(item), item.shape, None, number)
    return None if item is None else dataclasses.replace(item, uid=number)


def _symbolic(spec: TensorSpec | None, number: int, symbols: dict[str, int]) -> TensorSpec | None:
    if spec is None:
        return None
    sizes: list[Size] = []
    for axis, size in enumerate(spec.shape):
        assert isinstance(size, int)
        symbols[f"d{number}_{axis}"] = size
        sizes.append(size if size == 1 else Dim(f"d{number}_{axis}"))
    return TensorSpec(spec.dtype, tuple(sizes))


def _compare(
    specs: tuple[TensorSpec, ...], outputs: tuple[Array, ...], symbols: dict[str, int], values: dict[int, Array]
) -> None:
    def lookup(atom: Atom) -> Size | None:
        if atom.kind == "symbol":
            return symbols[str(atom.args[0])]
        return int(values[int(str(atom.args[0]))].reshape(-1)[int(str(atom.args[1]))]) if atom.kind == "value" else None

    assert len(specs) == len(outputs)
    for spec, output in zip(specs, outputs, strict=True):
        assert isinstance(output, np.ndarray)
        assert DataType.of(output) == spec.dtype
        assert len(spec.shape) == output.ndim
        for size, real in zip(spec.shape, output.shape, strict=True):
            found = substitute(size, lookup)
            assert found == real or _allows(found, real), spec
        if spec.value is not None:
            known = [substitute(v, lookup) if isinstance(v, Dim) else v for v in spec.value]
            np.testing.assert_array_equal(np.array(known, dtype=output.dtype).reshape(output.shape), output)


def _allows(size: Size, real: int) -> bool:
    """Whether a data-dependent size may turn out as `real`."""
    if isinstance(size, int) or size.atoms[0].kind != "data":
        return False
    return not size.atoms[0].sizes or real <= upper_bound(size.atoms[0].sizes[0])


def check_against_onnx(
    op: Operator, inputs: list[Any], op_type: str = "", *, rtol: float = 0, atol: float = 0, **renamed: Any
) -> None:
    """The reference equals ONNX Runtime, or ONNX's reference evaluator for types which the former does not take."""
    arrays = arrays_of(inputs)
    for found, expected in zip(outputs_of(op, arrays), onnx_outputs(op, arrays, op_type, **renamed), strict=True):
        assert found.shape == np.shape(expected)
        if rtol or atol:
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(found, expected)


def onnx_outputs(
    op: Operator, arrays: list[Array | None], op_type: str = "", opset: int = OPSET, **renamed: Any
) -> list[Array]:
    """What ONNX says a node with the operator's fields as attributes gives."""
    attributes = {
        field.name: _attribute(getattr(op, field.name))
        for field in dataclasses.fields(op)  # type: ignore[arg-type]
        if getattr(op, field.name) not in (None, ())
    } | renamed
    count = len(outputs_of(op, arrays))
    names = ["" if array is None else f"x{number}" for number, array in enumerate(arrays)]
    while names and not names[-1]:
        names.pop()
    kept = {key: value for key, value in attributes.items() if value is not None}
    outputs = [f"y{i}" for i in range(count)]
    node = onnx.helper.make_node(op_type or op.KEY.name, names, outputs, **kept)
    return run_node(node, {name: array for name, array in zip(names, arrays, strict=False) if array is not None}, opset)


def run_node(node: onnx.NodeProto, feeds: dict[str, Array], opset: int = OPSET) -> list[Array]:
    """One node alone, run by ONNX Runtime; by ONNX's reference evaluator where that does not take the types."""
    inputs = [onnx.helper.make_tensor_value_info(k, int(DataType.of(v)), v.shape) for k, v in feeds.items()]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = onnx.helper.make_graph([node], "g", inputs, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return list(session.run(None, feeds))
    except ORT_ERRORS:
        return list(ReferenceEvaluator(model).run(None, feeds))


def _attribute(value: Any) -> Any:
    return int(value) if isinstance(value, bool | DataType) else list(value) if isinstance(value, tuple) else value


class ExampleTests:
    """What the examples of operators that move elements are to pass; each file of tests says of which operators.

    `constants`: inputs of an operator that its shape rule may know while others are read at run time.
    """

    operators: ClassVar[tuple[type[Any], ...]]
    constants: ClassVar[Mapping[type[Any], tuple[int, ...]]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test all examples."""
        metafunc.parametrize(("op", "inputs"), list(examples_of(*self.operators)))

    def test_shape_rule(self, op: Operator, inputs: list[Any]) -> None:
        check_static(op, inputs)
        check_symbolic(op, inputs)

    def test_contents_read_at_run_time(self, op: Operator, inputs: list[Any]) -> None:
        check_read(op, inputs, self.constants.get(type(op), ()))

    def test_reference(self, op: Operator, inputs: list[Any]) -> None:
        check_against_onnx(op, inputs)
