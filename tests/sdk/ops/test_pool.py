"""Tests of the pools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim, evaluate
from enginewright.errors import ShapeError
from enginewright.ops.max_unpool import MaxUnpool
from enginewright.ops.pool import (
    AveragePool,
    GlobalAveragePool,
    GlobalLpPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
    MaxPoolWithIndices,
)
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, check_symbolic, examples_of
from tests.sdk.ops.sliding import onnx_attributes

SLIDING = (MaxPool, MaxPoolWithIndices, AveragePool, LpPool)
GLOBAL = (GlobalMaxPool, GlobalAveragePool, GlobalLpPool)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*SLIDING, *GLOBAL, MaxUnpool)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*SLIDING)))
def test_reference(op: Any, inputs: list[Any]) -> None:
    names = onnx_attributes(op, len(op.kernel_shape))
    check_against_onnx(op, inputs, op.KEY.name.removesuffix("WithIndices"), rtol=1e-3, atol=1e-5, **names)


@pytest.mark.parametrize(("op", "inputs"), [case for case in examples_of(*GLOBAL) if case.values[1][0].shape[0]])
def test_global_reference(op: Operator, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs, rtol=2e-3 if str(inputs[0].dtype) == "float16" else 1e-5, atol=1e-6, opset=18)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(MaxUnpool)))
def test_output_shape_read_at_run_time(op: Operator, inputs: list[Any]) -> None:
    check_read(op, inputs)


def test_unpool_undoes_the_pool() -> None:
    x = np.random.default_rng(0).permutation(48).reshape(1, 2, 4, 6).astype(np.float32)
    y, indices = MaxPoolWithIndices(kernel_shape=(2, 2), stride=2).reference(x)
    back = MaxUnpool(kernel_shape=(2, 2), stride=2).reference(y, indices)
    assert back.shape == x.shape
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert set(back[back != 0]) == set(y.reshape(-1)) - {0}


def test_unpool_beyond_the_output() -> None:
    with pytest.raises(ShapeError):
        MaxUnpool(kernel_shape=(2,)).reference(np.ones((1, 1, 1), np.float32), np.array([[[7]]]))


@pytest.mark.parametrize("size", [5, 6, 7, 8, 9])
def test_rounding_up_with_symbolic_sizes(size: int) -> None:
    """The last window must not start in the padding behind the data."""
    op = MaxPool(kernel_shape=(2,), stride=3, padding=(0, 2), ceil_mode=True)
    symbolic = op.infer(TensorSpec(float32, (1, 1, Dim("n")))).shape[2]
    assert evaluate(symbolic, {"n": size}) == op.infer(TensorSpec(float32, (1, 1, size))).shape[2]


def test_pool_needs_spatial_axes() -> None:
    with pytest.raises(ShapeError):
        GlobalMaxPool().infer(TensorSpec(float32, (2, 3)))
    with pytest.raises(ShapeError):
        MaxPool(kernel_shape=(2, 2)).infer(TensorSpec(float32, (1, 2, 3)))
