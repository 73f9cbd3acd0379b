"""Kernels whose parameters are sizes: one plan, run at several shapes, none and one element included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.ops.arg_reduction import ArgMax
from enginewright.ops.arithmetic import Add, Mul
from enginewright.ops.cumulative import CumSum
from enginewright.ops.norm import LRN, LpNormalization
from enginewright.ops.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
)
from enginewright.ops.reduction import ReduceLogSumExp, ReduceMax, ReduceMean, ReduceSum
from enginewright.ops.softmax import LogSoftmax, Softmax
from enginewright.tensors import float16, float32
from tests.sdk.tactics.one_step import assert_close

SHAPES = [(1, 4, 1, 1), (2, 4, 3, 5), (3, 4, 1, 70), (1, 4, 33, 2), (0, 4, 2, 2)]
VECTOR = np.linspace(0.5, 2, 4, dtype=np.float32)
LAYERS: list[tuple[Any, list[Any]]] = [
    (Softmax(), []),
    (Softmax(axis=1), []),
    (LogSoftmax(axis=2), []),
    (ReduceSum(keepdims=0), [np.array([1, 3])]),
    (ReduceMean(), [np.array([2, 3])]),
    (ReduceMax(keepdims=0), [np.array([0])]),
    (ReduceLogSumExp(), [np.array([1])]),
    (ArgMax(axis=1), []),
    (CumSum(reverse=1), [np.array(2)]),
    (BatchNormalization(), [VECTOR] * 4),
    (InstanceNormalization(), [VECTOR] * 2),
    (GroupNormalization(2), [VECTOR] * 2),
    (LRN(3), []),
    (LpNormalization(axis=1), []),
    (Mul(), [VECTOR.reshape(4, 1, 1)]),
    (Add(), [VECTOR[:1]]),
]


@pytest.mark.parametrize("dtype", [float32, float16])
@pytest.mark.parametrize(("op", "constants"), LAYERS, ids=lambda item: getattr(type(item), "__name__", ""))
def test_one_plan_for_many_shapes(op: Any, constants: list[Any], dtype: ew.DataType) -> None:
    if np.ndim(constants) and dtype is float16:
        constants = [c.astype(np.float16) if c.dtype == np.float32 else c for c in constants]
    net = ew.Network()
    x = net.input("x", dtype, ("N", 4, "H", "W"))
    net.output("y", net.add(op, x, *(net.constant(c) for c in constants))[0])
    plan = ew.build(net, ew.BuilderConfig(level=1, threads=2, timing_cache=""))
    assert plan.report.reference_steps == ()
    engine = ew.load(plan)
    for shape in SHAPES:
        if 0 in shape and isinstance(op, ReduceMax):
            continue
        array = np.random.default_rng(0).standard_normal(shape).astype(dtype.numpy)
        found, wanted = op.reference(array, *constants), engine.run({"x": array})["y"]
        assert_close(wanted, found[0] if isinstance(found, tuple) else found, f"{op} {shape}")


@pytest.mark.parametrize("op", [LayerNormalization(), RMSNormalization(), LayerNormalization(axis=2)])
def test_rows_of_symbolic_length(op: Any) -> None:
    net = ew.Network()
    x = net.input("x", float32, ("N", "H", "W"))
    scale = net.input("scale", float32, ("W",))
    net.output("y", net.add(op, x, scale)[0])
    engine = ew.load(ew.build(net, ew.BuilderConfig(level=1, threads=2, timing_cache="")))
    for shape in [(1, 1, 1), (2, 3, 33), (5, 1, 64)]:
        rng = np.random.default_rng(1)
        arrays = rng.standard_normal(shape).astype(np.float32), rng.standard_normal(shape[-1]).astype(np.float32)
        expected = op.reference(*arrays)
        wanted = expected[0] if isinstance(expected, tuple) else expected
        assert_close(engine.run({"x": arrays[0], "scale": arrays[1]})["y"], wanted, f"{op} {shape}")
