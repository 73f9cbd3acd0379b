"""Tests of DFT, STFT, the mel matrix and the determinant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.dims import Dim, evaluate
from enginewright.errors import ShapeError
from enginewright.ops.determinant import Det
from enginewright.ops.signal import DFT, STFT, MelWeightMatrix
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import check_against_onnx, check_read, check_static, check_symbolic, examples_of

CLASSES = (DFT, STFT, MelWeightMatrix, Det)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(*CLASSES)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)
    check_read(op, inputs)


def taken_by_onnx(op: Any) -> bool:
    return not (isinstance(op, DFT) and op.inverse and op.onesided)


@pytest.mark.parametrize(("op", "inputs"), [case for case in examples_of(*CLASSES) if taken_by_onnx(case.values[0])])
def test_reference(op: Any, inputs: list[Any]) -> None:
    names = {name: int(getattr(op, name)) for name in ("inverse", "onesided") if hasattr(op, name)}
    check_against_onnx(op, inputs, rtol=1e-4, atol=1e-4, opset=20, **names)


def test_inverse_gives_the_signal_back() -> None:
    x = np.random.default_rng(0).standard_normal((2, 10, 1)).astype(np.float32)
    half = DFT(onesided=True).reference(x)
    assert half.shape == (2, 6, 2)
    np.testing.assert_allclose(DFT(inverse=True, onesided=True).reference(half), x, atol=1e-6)


def test_symbolic_lengths() -> None:
    signal = TensorSpec(float32, (1, Dim("n"), 1))
    step, length = TensorSpec(int64, (), (160,)), TensorSpec(int64, (), (400,))
    shape = STFT().infer(signal, step, None, length).shape
    assert evaluate(shape[1], {"n": 16000}) == 98
    assert shape[2:] == (201, 2)
    assert DFT(onesided=True).infer(signal).shape[2] == 2


def test_what_does_not_fit() -> None:
    with pytest.raises(ShapeError):
        DFT().infer(TensorSpec(float32, (2, 3, 1)), None, TensorSpec(int64, (), (2,)))
    with pytest.raises(ShapeError):
        DFT().infer(TensorSpec(float32, (2,)))
    with pytest.raises(ShapeError):
        STFT().infer(TensorSpec(float32, (2, 3)), TensorSpec(int64, (), (2,)))
    with pytest.raises(ShapeError):
        Det().infer(TensorSpec(float32, (2, 3)))
    with pytest.raises(ShapeError):
        Det().infer(TensorSpec(float32, (3,)))
