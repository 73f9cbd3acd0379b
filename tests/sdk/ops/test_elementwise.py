"""Elementwise operators: shape rules against references, references against ONNX, import rules, known contents."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st

from enginewright import ops
from enginewright.dims import Dim
from enginewright.errors import DataTypeError, NetworkError
from enginewright.graph.network import Network
from enginewright.ops.arithmetic import Add, Div, Mod, Mul, Pow
from enginewright.ops.cast import Cast
from enginewright.ops.comparison import Equal
from enginewright.ops.elementwise import Elementwise
from enginewright.ops.logical import BitShift
from enginewright.ops.math import Floor
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import registry
from enginewright.tensors import DataType, TensorSpec, bool_, float32, int32, int64
from tests.sdk.ops.examples import arrays_of, check_static, check_symbolic, examples_of, onnx_outputs, outputs_of

ops.load()
CLASSES = [cls for cls in registry.operators.values() if issubclass(cls, Elementwise)]
# Not compared with ONNX: numbers out of range are undefined there; IsInf, BitShift and Pow have tests of their own.
OTHERWISE = {"Cast", "IsInf", "BitShift"}
TOLERANCE = {"float32": 3e-6, "float64": 1e-12, "float16": 2e-3, "bfloat16": 1e-2}


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*CLASSES)))
def test_shape_rule(op: Any, inputs: list[Any]) -> None:
    check_static(op, inputs)
    if all(item is None or getattr(item, "shape", (1,)).count(0) == 0 for item in inputs):
        check_symbolic(op, inputs)


@pytest.mark.parametrize(
    ("op", "inputs"), list(examples_of(*(cls for cls in CLASSES if cls.KEY.name not in OTHERWISE)))
)
def test_against_onnx(op: Any, inputs: list[Any]) -> None:
    arrays = arrays_of(inputs)
    dtype = DataType.of(arrays[-1] if op.KEY.name == "Where" else arrays[0])
    if isinstance(op, Mod) and dtype.is_float and not op.fmod:
        return  # new in opset 28
    if dtype is DataType.BFLOAT16 or (op.KEY.name in {"Mod", "Pow"} and dtype.is_integer):
        return  # ONNX's evaluators round bfloat16 in their own ways, and divide by 0 undefined
    with np.errstate(all="ignore"):
        found, expected = outputs_of(op, arrays), onnx_outputs(op, arrays, opset=24 if op.KEY.name == "Swish" else 23)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if not DataType.of(a).is_float:
            np.testing.assert_array_equal(a, b)
        else:
            # ONNX keeps attributes in float32, and its evaluators the numbers of these two as well.
            rough = str(a.dtype) == "float64" and (dataclasses.fields(op) or op.KEY.name in {"HardSwish", "Erf"})
            limit = 3e-7 if rough else TOLERANCE[str(a.dtype)]
            np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=limit, atol=limit)


@given(st.data())
def test_broadcasting_is_numpys(data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, 4))
    full = [data.draw(st.integers(0, 3)) for _ in range(rank)]
    shapes = []
    for _ in range(2):
        kept = data.draw(st.integers(0, rank))
        shapes.append(tuple(1 if data.draw(st.booleans()) else size for size in full[rank - kept :]))
    a, b = (np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape) for shape in shapes)
    spec = Add().infer(TensorSpec(float32, a.shape), TensorSpec(float32, b.shape))
    np.testing.assert_array_equal(Add().reference(a, b), a + b)
    assert spec.shape == (a + b).shape


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_integer_division_truncates(a: int, b: int) -> None:
    x, y = np.array(a, np.int32), np.array(b, np.int32)
    quotient, rest = Div().reference(x, y), Mod(fmod=1).reference(x, y)
    exact = 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    assert int(quotient) == (exact + 2**31) % 2**32 - 2**31
    assert int(rest) == (0 if b == 0 else a - exact * b)
    assert int(Mod().reference(x, y)) == (0 if b == 0 else a % b)


@pytest.mark.parametrize("number", [2.5, -2.5, 1e30, -1e30, np.inf, -np.inf, np.nan, 127.9, -128.9, 255.5])
@pytest.mark.parametrize("to", [int32, int64, DataType.INT8, DataType.UINT8])
def test_cast_saturates(number: float, to: DataType) -> None:
    limits = np.iinfo(to.numpy)
    expected = 0 if np.isnan(number) else min(max(number, limits.min), limits.max)
    found = Cast(to).reference(np.array(number, np.float32))
    assert int(found) == int(expected)


def test_cast_of_texts_and_small_floats() -> None:
    texts = Cast(DataType.STRING).reference(np.array([1.5, -2.0], np.float32))
    assert texts.tolist() == ["1.5", "-2.0"]
    np.testing.assert_array_equal(Cast(float32).reference(texts), np.array([1.5, -2.0], np.float32))
    assert Cast(int64).reference(np.array(["12"], object)).tolist() == [12]
    largest = Cast(DataType.FLOAT8E4M3FN).reference(np.array([1e6, -1e6], np.float32))
    assert largest.astype(np.float32).tolist() == [448.0, -448.0]
    nan = Cast(DataType.FLOAT8E4M3FN, saturate=False).reference(np.array([1e6], np.float32))
    assert np.isnan(nan.astype(np.float32)).all()
    with pytest.raises(DataTypeError):
        Cast(DataType.COMPLEX64).infer(TensorSpec(float32, (1,)))


def test_texts_are_compared() -> None:
    a, b = np.array(["a", "b"], object), np.array(["b"], object)
    assert Equal().reference(a, b).tolist() == [False, True]


def test_shifts() -> None:
    x = np.array([-8, -1, 64, 5, -5, 5], np.int8)
    by = np.array([1, 1, 1, -1, 8, 9], np.int8)
    assert BitShift("RIGHT").reference(x, by).tolist() == [-4, -1, 32, 0, -1, 0]
    assert BitShift("LEFT").reference(x, by).tolist() == [-16, -2, -128, 0, 0, 0]


def test_powers_of_integers() -> None:
    found = Pow().reference(np.array([2, -2, 1, -1, 0, 3], np.int32), np.array([-1, 3, -5, -3, 0, 2], np.int32))
    assert found.tolist() == [0, -8, 1, -1, 1, 9]
    assert Pow().reference(np.array([4, 9], np.int64), np.array([0.5], np.float32)).tolist() == [2, 3]


def test_known_contents_follow_sizes() -> None:
    n = Dim("N")
    sizes = TensorSpec(int64, (2,), (n, 6))
    two = TensorSpec(int64, (), (2,))
    assert Mul().infer(sizes, two).value == (n * 2, 12)
    assert Div().infer(Mul().infer(sizes, two), two).value == (n, 6)
    assert Add().infer(sizes, two).value == (n + 2, 8)
    wide = Cast(float32).infer(sizes)
    half = TensorSpec(float32, (), (0.5,))
    assert Mul().infer(wide, half).value is None
    assert Floor().infer(wide).value == (n, 6)
    assert Cast(bool_).infer(TensorSpec(int64, (2,), (0, 3))).value == (False, True)


def test_types_are_checked() -> None:
    with pytest.raises(DataTypeError):
        Add().infer(TensorSpec(float32, (2,)), TensorSpec(int32, (2,)))
    with pytest.raises(DataTypeError):
        Add().infer(TensorSpec(bool_, (2,)), TensorSpec(bool_, (2,)))
    with pytest.raises(NetworkError):
        BitShift("UP").infer(TensorSpec(DataType.UINT8, (2,)), TensorSpec(DataType.UINT8, (2,)))


def import_node(op_type: str, version: int, inputs: list[Any], domain: str = "ai.onnx", **attributes: Any) -> Network:
    """A network made by one import rule, each output named."""
    net = Network()
    tensors = [
        None if a is None else net.constant(a) if isinstance(a, np.ndarray) else net.input("x", *a) for a in inputs
    ]
    node = OnnxNode(op_type, domain, version, "n", tuple(tensors), ("y",), attributes)
    rule = registry.rule(domain, op_type, version)
    assert rule is not None
    found = rule(net, node)
    for index, tensor in enumerate(found if isinstance(found, tuple | list) else (found,)):
        if tensor is not None:
            net.output(f"y{index}", tensor)  # type: ignore[arg-type]
    return net


def test_clip_had_attributes() -> None:
    net = import_node("Clip", 6, [(float32, (3,))], max=6.0)
    assert [layer.key.name for layer in net.layers] == ["Clip"]
    low, high = net.layers[0].inputs[1:]
    assert low is None
    assert high is not None
    assert high.const == np.float32(6)


def test_dropout_is_nothing() -> None:
    net = import_node("Dropout", 13, [(float32, (3,)), np.array(0.5, np.float32), np.array(False)])
    assert net.layers == []
    with pytest.raises(NotSupported):
        import_node("Dropout", 13, [(float32, (3,)), np.array(0.5, np.float32), np.array(True)])


def test_every_elementwise_operator_of_onnx_is_imported() -> None:
    known = {name for domain, name in registry.rules if domain == "ai.onnx"}
    names = {cls.KEY.name for cls in CLASSES}
    defined = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert names & defined <= known
    assert names - defined == set()


def test_operators_are_plain_data() -> None:
    for cls in CLASSES:
        assert dataclasses.is_dataclass(cls)
        for op, _ in cls.examples():
            assert op == dataclasses.replace(op)
