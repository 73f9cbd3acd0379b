"""A profile of one size: branches of If that it can't fit, and those that it decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto
from onnx.parser import parse_model

import enginewright as ew
from tests.models import load_model

Array = np.ndarray[Any, Any]
ADD, NEG = "v = Add(x, w)", "v = Neg(x)"
W = np.float32([[1, 2], [3, 4], [5, 6]])


def model_of(condition: str, then: str, other: str) -> ModelProto:
    """y = then or other, by `c` or by the number of rows of x; `w` has three rows."""
    return parse_model(f"""<ir_version: 10, opset_import: ["" : 21]>
        g (bool c, float[n, 2] x, float[3, 2] w) => (float[m, 2] y) {{
            three = Constant<value_ints = [3]>()
            rows = Shape<end = 1>(x)
            same = Equal(rows, three)
            alike = Squeeze(same)
            y = If({condition}) <then_branch = t () => (float[p, 2] v) {{ {then} }},
                                 else_branch = e () => (float[q, 2] v) {{ {other} }}>
        }}""")


def build_for(model: ModelProto, rows: int, level: int = 1) -> ew.Plan:
    profile = ew.Profile({"x": (rows, 2)})
    return ew.build(model, ew.BuilderConfig(timing_cache="", level=level, profiles=[profile]))


def feeds_of(rows: int, *, condition: bool) -> dict[str, Array]:
    return {"c": np.array(condition), "x": np.arange(rows * 2, dtype=np.float32).reshape(rows, 2), "w": W}


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("fits_if", [True, False])
def test_a_branch_that_does_not_fit_fails_only_if_it_is_taken(level: int, fits_if: bool) -> None:
    model = model_of("c", *((NEG, ADD) if fits_if else (ADD, NEG)))
    engine = ew.load(build_for(model, 5, level))
    taken, other = feeds_of(5, condition=fits_if), feeds_of(5, condition=not fits_if)
    np.testing.assert_array_equal(engine.run(taken)["y"], -taken["x"])
    with pytest.raises(ew.errors.ShapeError, match=r"(?s)branch .* sizes 5 and 3 cannot be broadcast.*\(Add\)"):
        engine.run(other)
    np.testing.assert_array_equal(engine.run(taken)["y"], -taken["x"])  # and the engine goes on


def test_a_branch_left_out_is_noted_and_is_no_step_in_python() -> None:
    report = build_for(model_of("c", NEG, ADD), 5).report
    assert [note for note in report.notes if note.startswith("1 branches do not fit the sizes of the profile")]
    assert report.reference_steps == ()


@pytest.mark.parametrize("condition", [True, False])
def test_branches_that_fit_are_both_kept(condition: bool) -> None:
    model, feeds = model_of("c", ADD, NEG), feeds_of(3, condition=condition)
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    np.testing.assert_array_equal(ew.load(build_for(model, 3)).run(feeds)["y"], expected)


def test_an_if_of_which_neither_branch_fits_is_refused_while_building() -> None:
    with pytest.raises(ew.errors.ShapeError, match="sizes 5 and 3 cannot be broadcast"):
        build_for(model_of("c", ADD, "v = Mul(x, w)"), 5)


def test_an_if_inside_a_branch_that_can_not_run_makes_that_branch_unfit() -> None:
    inner = (
        f"v = If(c) <then_branch = t2 () => (float[p, 2] v) {{ {ADD} }},"
        " else_branch = e2 () => (float[q, 2] v) { v = Mul(x, w) }>"
    )
    engine = ew.load(build_for(model_of("c", inner, NEG), 5))
    feeds = feeds_of(5, condition=False)
    np.testing.assert_array_equal(engine.run(feeds)["y"], -feeds["x"])
    with pytest.raises(ew.errors.ShapeError, match="sizes 5 and 3 cannot be broadcast"):
        engine.run(feeds_of(5, condition=True))


@pytest.mark.parametrize("rows", [3, 5])
def test_a_condition_that_the_sizes_decide_leaves_one_branch_and_no_if(rows: int) -> None:
    model, feeds = model_of("alike", ADD, NEG), feeds_of(rows, condition=True)
    plan = build_for(model, rows)
    assert [program.steps[0].kernel == "if" for program in plan.meta.programs] == [False]
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    np.testing.assert_array_equal(ew.load(plan).run(feeds)["y"], expected)


def test_a_voice_detector_is_built_for_the_window_of_one_of_its_rates() -> None:
    """Its If takes 576 samples at 16 kHz, 288 at 8 kHz: with one size the other branch does not fit."""
    model = load_model("silero_vad")
    profile = ew.Profile({"input": (1, 576), "state": (2, 1, 128)})
    plan = ew.build(model.path, ew.BuilderConfig(timing_cache="", level=1, profiles=[profile]))
    feeds = {**model.inputs, "sr": np.array(16000)}
    expected = ort.InferenceSession(model.path).run(None, feeds)
    for found, wanted in zip(ew.load(plan).run(feeds).values(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    with pytest.raises(ew.errors.ShapeError, match="does not fit the sizes"):
        ew.load(plan).run({**feeds, "sr": np.array(8000)})
