"""Real trained models give what ONNX Runtime gives, at every shape they allow."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

import enginewright as ew
from tests.models import Arrays, TestModel, load_model, manifest, names

TOLERANCES = {"float32": 1e-4, "float16": 2e-3}  # relative error of a whole output; half has 11 bits, so two roundings
INT8_TOLERANCE = 2e-2
AGREEING_INPUTS = 99  # of 100: arg-max of classifiers in int8
SMALL = names("real", "light", small=True)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return ‖found - expected‖ / ‖expected‖."""
    difference = np.linalg.norm(found.astype(np.float64) - expected.astype(np.float64))
    return float(difference / max(np.linalg.norm(expected.astype(np.float64)), 1e-30))


def run_onnxruntime(model: TestModel, inputs: Arrays) -> Arrays:
    """Return all outputs by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.path, options, providers=["CPUExecutionProvider"])
    outputs = [value.name for value in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, inputs), strict=True))


def compare(model: TestModel, engine: ew.Engine, inputs: Arrays) -> None:
    """Fail if an output of `engine` differs from ONNX Runtime's in type, shape or by more than the tolerance."""
    expected = run_onnxruntime(model, inputs)
    found = engine.run(inputs)
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        if array.dtype.kind == "f":
            tolerance = INT8_TOLERANCE if model.entry.int8 else TOLERANCES[array.dtype.name]
            assert relative_error(found[name], array) <= tolerance, name
        else:
            np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.network
@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("name", SMALL)
def test_small_model(name: str, level: int) -> None:
    """Without any optimization and with all, all outputs agree, and a second shape needs no second build."""
    model = load_model(name)
    plan = ew.build(model.path, ew.BuilderConfig(level=level, timing_cache=""))
    engine = ew.load(plan)
    compare(model, engine, model.inputs)
    if model.entry.other_shapes:
        compare(model, engine, model.entry.make_other_inputs())
    compare(model, engine, model.entry.make_inputs(seed=1))
    if level and not model.entry.int8:
        assert plan.report.reference_steps == ()


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in manifest() if name not in SMALL])
def test_model(name: str) -> None:
    """The same for the large models, optimized only."""
    model = load_model(name)
    plan = ew.build(model.path, ew.BuilderConfig(level=2, timing_cache=""))
    engine = ew.load(plan)
    compare(model, engine, model.inputs)
    if model.entry.other_shapes:
        compare(model, engine, model.entry.make_other_inputs())
    if not model.entry.int8:
        assert plan.report.reference_steps == ()


@pytest.mark.long
def test_int8_choices_agree() -> None:
    """The quantized tagger chooses what ONNX Runtime chooses, on 99 of 100 inputs."""
    model = load_model("tashkeel_bilstm_int8")
    engine = ew.load(ew.build(model.path))
    agreeing = 0
    for seed in range(100):
        inputs = model.entry.make_inputs(seed)
        expected, found = run_onnxruntime(model, inputs)["logits"], engine.run(inputs)["logits"]
        agreeing += bool(np.array_equal(expected[0, 0].argmax(-1), found[0, 0].argmax(-1)))
    assert agreeing >= AGREEING_INPUTS
