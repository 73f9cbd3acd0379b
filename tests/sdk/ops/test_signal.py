"""Tests of DFT, STFT, the mel matrix and the determinant."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx.parser import parse_model

from enginewright.dims import Dim, evaluate
from enginewright.errors import ShapeError
from enginewright.onnx_io.parser import parse
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


DFT_TEXT = """<ir_version: 10, opset_import: ["" : 20]>
agraph (float[2, 6, 10, {parts}] x) => (float[a, b, c, d] y) {{
  length = Constant <value_int = {length}> ()
  axis = Constant <value_int = {axis}> ()
  y = DFT <inverse = {inverse}, onesided = {onesided}> (x, length, axis)
}}
"""


@pytest.mark.parametrize(("parts", "inverse", "onesided"), [(1, 0, 0), (1, 0, 1), (2, 0, 0), (2, 1, 0), (2, 1, 1)])
@pytest.mark.parametrize(("axis", "length"), [(2, 10), (1, 4), (-2, 16)])
def test_import_of_a_transform(parts: int, inverse: int, onesided: int, axis: int, length: int) -> None:
    """A known length is a matrix product, but for one-sided inverses."""
    text = DFT_TEXT.format(parts=parts, length=length, axis=axis, inverse=inverse, onesided=onesided)
    network = parse(parse_model(text))
    x = np.random.default_rng(0).standard_normal((2, 6, 10, parts)).astype(np.float32)
    expected = DFT(bool(inverse), bool(onesided)).reference(x, np.array(length), np.array(axis))
    np.testing.assert_allclose(network.evaluate({"x": x})["y"], expected, rtol=1e-4, atol=1e-5)
    assert any(layer.key.name == "MatMul" for layer in network.layers) != bool(inverse and onesided)


STFT_TEXT = """<ir_version: 10, opset_import: ["" : 17]>
agraph (float[n, t, 1] x) => (float[a, b, c, d] y) {{
  step = Constant <value_int = 3> ()
  length = Constant <value_int = 8> ()
  window = HannWindow (length)
  y = STFT <onesided = {onesided}> (x, step, {window})
}}
"""


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("window", ["window", "window, length", ", length"])
def test_import_of_frames(onesided: int, window: str) -> None:
    """A known length is a convolution."""
    model = parse_model(STFT_TEXT.format(onesided=onesided, window=window))
    x = np.random.default_rng(0).standard_normal((2, 50, 1)).astype(np.float32)
    expected = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    network = parse(model)
    assert any(layer.key.name == "Conv" for layer in network.layers)
    np.testing.assert_allclose(network.evaluate({"x": x})["y"], expected, rtol=1e-4, atol=1e-5)


def test_long_transforms_stay_transforms() -> None:
    text = DFT_TEXT.replace("[2, 6, 10, {parts}]", "[2, 100000, 1]").replace("[a, b, c, d]", "[a, b, c]")
    network = parse(parse_model(text.format(length=100000, axis=1, inverse=0, onesided=1)))
    assert [layer.key.name for layer in network.layers if layer.key.name in ("DFT", "MatMul")] == ["DFT"]
