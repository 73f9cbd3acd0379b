"""Tests of LSTM, GRU and RNN, plain and with quantized weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.recurrent import GRU, LSTM, RNN, Recurrent
from enginewright.ops.recurrent_quantized import DynamicQuantizeLSTM
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32
from tests.sdk.ops.examples import check_against_onnx, check_static, check_symbolic, examples_of
from tests.sdk.ops.test_microsoft import check as check_microsoft

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(LSTM, GRU, RNN, DynamicQuantizeLSTM)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


# ONNX Runtime has no layout 1; ONNX's reference has it, but for one direction only, and without lengths.
def taken_by_onnx(op: Recurrent, inputs: list[Any]) -> bool:
    return not op.layout


@pytest.mark.parametrize(
    ("op", "inputs"), [case for case in examples_of(LSTM, GRU, RNN) if taken_by_onnx(case.values[0], case.values[1])]
)
def test_reference(op: Recurrent, inputs: list[Any]) -> None:
    names = {"layout": None, "hidden_size": inputs[2].shape[2], "clip": op.clip or None}
    check_against_onnx(op, inputs, rtol=2e-5, atol=2e-5, **names)


@pytest.mark.parametrize("cls", [LSTM, GRU, RNN])
def test_batch_first_is_a_transpose(cls: type[Any]) -> None:
    rng = np.random.default_rng(0)
    x, w, r = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((4, 2, 5), (2, cls.GATES * 3, 5), (2, cls.GATES * 3, 3))
    )
    first = cls(direction="bidirectional").reference(x, w, r)
    second = cls(direction="bidirectional", layout=1).reference(x.swapaxes(0, 1), w, r)
    np.testing.assert_array_equal(first[0].transpose(2, 0, 1, 3), second[0])
    np.testing.assert_array_equal(first[1].swapaxes(0, 1), second[1])


def test_beyond_its_length_a_sequence_is_zero() -> None:
    rng = np.random.default_rng(0)
    x, w, r = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 2, 5), (1, 3, 5), (1, 3, 3)))
    y, last = RNN().reference(x, w, r, None, np.array([4, 2], np.int32))
    assert not y[2:, :, 1].any()
    np.testing.assert_array_equal(last[0, 1], y[1, 0, 1])


def test_symbolic_time_and_batch() -> None:
    x, w, r = (TensorSpec(float32, shape) for shape in ((Dim("t"), Dim("n"), 5), (1, 12, 5), (1, 12, 3)))
    y, h, _ = LSTM().infer(x, w, r)
    assert (y.shape, h.shape) == ((Dim("t"), 1, Dim("n"), 3), (1, Dim("n"), 3))


@pytest.mark.parametrize(
    "op", [LSTM(direction="both"), LSTM(activations=("Relu",)), LSTM(activations=("Relu", "Swish", "Tanh"))]
)
def test_unknown_words(op: LSTM) -> None:
    with pytest.raises(NetworkError):
        op.infer(*(TensorSpec(float32, shape) for shape in ((3, 2, 5), (1, 12, 5), (1, 12, 3))))


def test_weights_must_fit() -> None:
    with pytest.raises(ShapeError):
        LSTM().infer(*(TensorSpec(float32, shape) for shape in ((3, 2, 5), (1, 13, 5), (1, 12, 3))))
    with pytest.raises(ShapeError):
        GRU().infer(*(TensorSpec(float32, shape) for shape in ((3, 2, 5), (9, 5), (1, 9, 3))))


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("wide", [False, True])
def test_quantized_equals_onnx_runtime(direction: str, wide: bool) -> None:
    rng = np.random.default_rng(1)
    count = 2 if direction == "bidirectional" else 1
    zero = np.zeros((count, 28) if wide else count, np.int8)
    scale = rng.uniform(0.005, 0.01, zero.shape).astype(np.float32)
    w, r = (rng.integers(-128, 128, (count, k, 28)).astype(np.int8) for k in (5, 7))
    bias = rng.standard_normal((count, 56)).astype(np.float32)
    inputs: list[Array | None] = [rng.standard_normal((4, 1, 5)).astype(np.float32), w, r, bias]
    inputs += [None, None, None, None, scale, zero, scale, zero]
    constants = (1, 2, 3, 8, 9, 10, 11)
    check_microsoft("DynamicQuantizeLSTM", inputs, 3, constants, direction=direction, hidden_size=7)


def test_quantized_sequences_do_not_influence_each_other() -> None:
    op, inputs = next(iter(DynamicQuantizeLSTM.examples()))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 2, 5)).astype(np.float32) * 0.3
    w, r = (rng.integers(-9, 9, (1, k, 28)).astype(np.int8) for k in (5, 7))
    first, _, _ = op.reference(x, w, r, *inputs[3:7])
    x[:, 1] = x[:, 1, ::-1]
    second, _, _ = op.reference(x, w, r, *inputs[3:7])
    np.testing.assert_array_equal(first[:, :, 0], second[:, :, 0])
    assert (first[:, :, 1] != second[:, :, 1]).any()
