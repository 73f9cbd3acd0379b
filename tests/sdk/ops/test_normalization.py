"""Softmax, reductions, ArgMax, CumSum and normalizations: shape rules, references against ONNX, import rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from enginewright import ops
from enginewright.dims import Dim
from enginewright.errors import ShapeError, SymbolicShapeError
from enginewright.graph.network import Network
from enginewright.ops.arg_reduction import ArgMax, ArgMin
from enginewright.ops.cumulative import CumSum
from enginewright.ops.norm import LRN, LpNormalization
from enginewright.ops.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
)
from enginewright.ops.reduction import REDUCTIONS, ReduceMax, ReduceProd, ReduceSum
from enginewright.ops.softmax import Hardmax, LogSoftmax, Softmax
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import registry
from enginewright.tensors import DataType, TensorSpec, float32, int64
from tests.sdk.ops.examples import arrays_of, check_static, check_symbolic, examples_of, onnx_outputs, outputs_of

ops.load()
INDEXED: tuple[type[Any], ...] = (ArgMax, ArgMin, CumSum)
ROWS: tuple[type[Any], ...] = (Softmax, LogSoftmax, Hardmax, LpNormalization, LRN)
SCALED: tuple[type[Any], ...] = (
    LayerNormalization, RMSNormalization, BatchNormalization, InstanceNormalization, GroupNormalization,
)  # fmt: skip
ALL = (*REDUCTIONS, *INDEXED, *ROWS, *SCALED)
TOLERANCE = {"float32": 1e-5, "float64": 1e-6, "float16": 4e-3, "bfloat16": 3e-2}


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*ALL)))
def test_shape_rule(op: Any, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*ALL)))
def test_against_onnx(op: Any, inputs: list[Any]) -> None:
    arrays = arrays_of(inputs)
    dtype = DataType.of(arrays[0])
    if isinstance(op, RMSNormalization) and np.shape(arrays[1]) == ():
        return  # ONNX Runtime reads the scale as a row
    integers_lose = op.KEY.name in {"ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"} and dtype.is_integer
    empty = 0 in arrays[0].shape  # type: ignore[union-attr]
    if integers_lose or dtype is DataType.BFLOAT16 or (empty and op.KEY.name != "CumSum"):
        return  # evaluators of ONNX differ from each other there
    expected = onnx_outputs(op, arrays)
    for a, b in zip(outputs_of(op, arrays)[: len(expected)], expected, strict=True):
        assert a.shape == b.shape
        limit = TOLERANCE.get(str(a.dtype), 0)
        np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=limit, atol=limit * 10)


def test_reductions_of_nothing() -> None:
    x, axis, infinity = np.zeros((2, 0), np.float32), np.array([1]), float("inf")
    expected = {"ReduceProd": 1, "ReduceMax": -infinity, "ReduceMin": infinity, "ReduceMean": np.nan}
    expected |= {"ReduceLogSum": -infinity, "ReduceLogSumExp": -infinity}
    for cls in REDUCTIONS:
        found = cls(keepdims=0).reference(x, axis)
        np.testing.assert_array_equal(found, np.full(2, expected.get(cls.__name__, 0), np.float32))
    assert ReduceMax().reference(np.zeros((0,), np.int8)).tolist() == [-128]


def test_extremes_keep_nan() -> None:
    x = np.array([1, np.nan, 3], np.float32)
    assert np.isnan(ReduceMax().reference(x)).all()
    assert ArgMax().reference(x).tolist() == [1]


def test_axes_known_at_run_time_only() -> None:
    x, axes = TensorSpec(float32, (3, Dim("N"))), TensorSpec(int64, (1,), uid=7)
    assert ReduceSum().infer(x, axes).rank == 2
    assert ReduceSum(keepdims=0).infer(x, axes).rank == 1
    with pytest.raises(SymbolicShapeError):
        ReduceSum(keepdims=0).infer(x, TensorSpec(int64, (Dim("K"),), uid=7))


def test_sizes_are_reduced() -> None:
    n = Dim("N")
    sizes = TensorSpec(int64, (3,), (n, 4, 2))
    assert ReduceProd(keepdims=0).infer(sizes).value == (n * 8,)
    assert ReduceSum(keepdims=0).infer(sizes).value == (n + 6,)


def test_wrong_shapes_are_refused() -> None:
    x = TensorSpec(float32, (2, 6, 4))
    vector = TensorSpec(float32, (6,))
    with pytest.raises(ShapeError):
        Softmax(axis=3).infer(x)
    with pytest.raises(ShapeError):
        GroupNormalization(4).infer(x, vector, vector)
    with pytest.raises(ShapeError):
        BatchNormalization().infer(x, vector, vector, vector, TensorSpec(float32, (5,)))
    with pytest.raises(ShapeError):
        LayerNormalization().infer(x, TensorSpec(float32, (1, 2, 6, 4)))
    with pytest.raises(ShapeError):
        ArgMax(axis=1).infer(TensorSpec(float32, (2, 0)))


def run_import(
    op_type: str, arrays: list[Any], *, version: int, domain: str = "", outputs: int = 1, **attributes: Any
) -> tuple[list[Any], list[Any]]:
    """(what our import of the node gives, layer by layer with references, what ONNX Runtime gives)."""
    net = Network()
    tensors = [None if array is None else net.constant(array) for array in arrays]
    names = tuple(f"y{k}" for k in range(outputs))
    rule = registry.rule(domain or "ai.onnx", op_type, version)
    assert rule is not None
    found = rule(net, OnnxNode(op_type, domain or "ai.onnx", version, "n", tuple(tensors), names, attributes))
    made: Any = found if isinstance(found, tuple | list) else (found,)
    values = {id(tensor): array for tensor, array in zip(tensors, arrays, strict=True) if tensor is not None}
    for layer in net.layers:
        given = [None if t is None else values.get(id(t), t.const) for t in layer.inputs]
        values |= dict(zip(map(id, layer.outputs), outputs_of(layer.op, given), strict=True))
    inputs = ["" if array is None else f"x{k}" for k, array in enumerate(arrays)]
    node = onnx.helper.make_node(op_type, inputs, names, domain=domain, **attributes)
    infos = [
        onnx.helper.make_tensor_value_info(f"x{k}", int(DataType.of(a)), a.shape)
        for k, a in enumerate(arrays)
        if a is not None
    ]
    graph = onnx.helper.make_graph([node], "g", infos, [onnx.helper.make_empty_tensor_value_info(n) for n in names])
    opsets = [onnx.helper.make_opsetid("", 20 if domain else version)]
    opsets += [onnx.helper.make_opsetid(domain, 1)] if domain else []
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {name: a for name, a in zip(inputs, arrays, strict=True) if name})
    return [values[id(tensor)] for tensor in made], list(expected)


def random(*shape: int) -> np.ndarray[Any, Any]:
    """Normal numbers."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("op_type", "arrays", "options"),
    [
        ("Softmax", [random(2, 3, 4)], {"version": 11, "axis": 1}),
        ("LogSoftmax", [random(2, 3, 4)], {"version": 9, "axis": 0}),
        ("Hardmax", [random(2, 3, 4)], {"version": 11}),
        ("ReduceMean", [random(2, 3, 4)], {"version": 12, "axes": [1], "keepdims": 0}),
        ("ReduceSum", [random(2, 3, 4)], {"version": 11, "axes": [0, 2]}),
        ("ReduceSum", [random(2, 3, 4), np.array([1])], {"version": 13}),
        ("ReduceL2", [random(2, 3, 4), np.array([1])], {"version": 18}),
        ("BatchNormalization", [random(2, 3, 4), random(3), random(3), random(3), abs(random(3))], {"version": 9}),
        ("GroupNormalization", [random(2, 4, 5), random(2), random(2)], {"version": 18, "num_groups": 2}),
        ("MeanVarianceNormalization", [random(2, 4, 5, 6)], {"version": 13}),
        ("LayerNormalization", [random(2, 5), random(5)], {"version": 17}),
    ],
)
def test_import(op_type: str, arrays: list[Any], options: dict[str, Any]) -> None:
    found, expected = run_import(op_type, arrays, **options)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("op_type", "arrays", "outputs"),
    [
        ("SkipLayerNormalization", [random(2, 3, 8), random(2, 3, 8), random(8), random(8), random(8)], 1),
        ("SkipLayerNormalization", [random(2, 3, 8), random(2, 3, 8), random(8)], 1),
        ("SkipSimplifiedLayerNormalization", [random(2, 3, 8), random(2, 3, 8), random(8), random(8)], 1),
        ("FastGelu", [random(2, 8), random(8)], 1),
        ("BiasGelu", [random(2, 8), random(8)], 1),
        ("Gelu", [random(2, 8)], 1),
        ("QuickGelu", [random(2, 8)], 1),
    ],
)
def test_import_from_microsoft(op_type: str, arrays: list[Any], outputs: int) -> None:
    attributes = {"alpha": 1.702} if op_type == "QuickGelu" else {}
    attributes |= {"epsilon": 1e-5} if "Skip" in op_type else {}
    found, expected = run_import(op_type, arrays, version=1, domain="com.microsoft", outputs=outputs, **attributes)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def test_training_statistics() -> None:
    arrays = [random(4, 3, 5), random(3), random(3), random(3), abs(random(3))]
    net = Network()
    tensors = [net.constant(array) for array in arrays]
    attributes = {"training_mode": 1, "momentum": 0.8}
    rule = registry.rule("ai.onnx", "BatchNormalization", 15)
    assert rule is not None
    made: Any = rule(
        net, OnnxNode("BatchNormalization", "ai.onnx", 15, "n", tuple(tensors), ("y", "m", "v"), attributes)
    )
    values = {id(tensor): array for tensor, array in zip(tensors, arrays, strict=True)}
    for layer in net.layers:
        given = [None if t is None else values.get(id(t), t.const) for t in layer.inputs]
        values |= dict(zip(map(id, layer.outputs), outputs_of(layer.op, given), strict=True))
    x, scale, bias, mean, variance = arrays
    m, v = x.mean(axis=(0, 2)), x.var(axis=(0, 2))
    shape = (1, 3, 1)
    y = (x - m.reshape(shape)) / np.sqrt(v.reshape(shape) + 1e-5) * scale.reshape(shape) + bias.reshape(shape)
    wanted = [y, mean * 0.8 + m * 0.2, variance * 0.8 + v * 0.2]
    for tensor, array in zip(made, wanted, strict=True):
        np.testing.assert_allclose(values[id(tensor)], array, rtol=1e-5, atol=1e-5)
