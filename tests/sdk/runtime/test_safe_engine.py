"""The safety runtime: what rule S1 lets in, and what an engine of it does and refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright import errors
from enginewright.plan.artifact import Kind, Passport, Section, artifact_bytes
from enginewright_compat.features import FEATURES, SAFETY_FEATURES
from enginewright_compat.version import Version, running_version
from tests.sdk.plan.test_signing import PUBLIC
from tests.sdk.runtime.safe_plans import CONFIG, KEYS, RELEASE, convolutions, safe_plan, signed, values

X = {"x": values(1, 8, 24, 24)}


def small() -> ew.Network:
    """Return a network that is built in no time."""
    net = ew.Network("small")
    net.output("y", net.mul(net.input("x", ew.float32, (2, 3)), net.constant(np.float32(2))))
    return net


def load(path: Path, **options: Any) -> ew.Engine:
    """Load into the safety runtime."""
    return ew.load(path, runtime="safety", **({"trust": KEYS} | options))


def refusal(path: Path, **options: Any) -> errors.EnginewrightError:
    """Return the error with which the safety runtime refuses a file."""
    with pytest.raises(errors.EnginewrightError) as caught:
        load(path, **options)
    return caught.value


# --- What it computes -------------------------------------------------------------------------------------------------


def test_computes_what_the_standard_runtime_computes(tmp_path: Path) -> None:
    plan = safe_plan(convolutions())
    with load(signed(tmp_path, plan)) as engine, ew.Engine(plan) as standard:
        assert isinstance(engine, ew.SafeEngine)
        for factor in (1, -2):
            inputs = {"x": X["x"] * np.float32(factor)}
            assert np.array_equal(engine.run(inputs)["y"], standard.run(inputs)["y"])


def test_outputs_are_the_engine_s_own(tmp_path: Path) -> None:
    with load(signed(tmp_path, safe_plan(small()))) as engine:
        first = engine.run({"x": np.ones((2, 3), np.float32)})
        assert np.array_equal(first["y"], np.full((2, 3), 2, np.float32))
        again = engine.run({"x": np.zeros((2, 3), np.float32)})
        assert again["y"] is first["y"]
        assert not first["y"].any()


def test_several_profiles_of_fixed_shapes(tmp_path: Path) -> None:
    net = ew.Network("profiles")
    net.output("y", net.relu(net.input("x", ew.float32, ("N", 3))))
    config = replace(CONFIG, profiles=[ew.Profile({"x": (1, 3)}), ew.Profile({"x": (4, 3)})])
    plan = safe_plan(net, config=config)
    assert plan.passport.features == ("profiles",)
    with load(signed(tmp_path, plan)) as engine:
        for rows in (1, 4, 1):
            assert engine.run({"x": np.ones((rows, 3), np.float32)})["y"].shape == (rows, 3)
        with pytest.raises(errors.InputError, match="outside every profile"):
            engine.run({"x": np.ones((2, 3), np.float32)})


def test_a_kernel_may_refuse_the_rehearsal(tmp_path: Path) -> None:
    """Memory is reserved with inputs of zeros, which this kernel refuses: a box needs an image."""
    net = ew.Network("boxes")
    boxes, images = net.input("boxes", ew.float32, (2, 4)), net.input("images", ew.int64, (2,))
    x = net.constant(values(1, 2, 6, 6))
    shifted = net.sub(images, net.constant(np.array([1], np.int64)))
    net.output("y", net.roi_align(x, boxes, shifted, output_height=2, output_width=2, sampling_ratio=2))
    with load(signed(tmp_path, safe_plan(net))) as engine:
        with pytest.raises(errors.InputError, match="outside 1 images"):
            engine.run({"boxes": np.ones((2, 4), np.float32), "images": np.zeros(2, np.int64)})
        good = {"boxes": np.ones((2, 4), np.float32), "images": np.ones(2, np.int64)}
        assert np.isfinite(engine.run(good)["y"]).all()


def test_weights_are_copied(tmp_path: Path) -> None:
    plan = safe_plan(convolutions())
    path = signed(tmp_path, plan)
    with load(path) as engine:
        before = engine.run(X)["y"].copy()
        path.write_bytes(bytes(path.stat().st_size))
        assert np.array_equal(engine.run(X)["y"], before)


# --- What it refuses --------------------------------------------------------------------------------------------------


def test_another_thread_is_refused(tmp_path: Path) -> None:
    with load(signed(tmp_path, safe_plan(small()))) as engine:
        caught: list[BaseException] = []

        def work() -> None:
            try:
                engine.run({"x": np.ones((2, 3), np.float32)})
            except errors.UsageError as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert "loaded by another thread" in str(caught[0])


def test_contexts_and_closed_engines_are_refused(tmp_path: Path) -> None:
    engine = load(signed(tmp_path, safe_plan(small())))
    with pytest.raises(errors.UsageError, match="no contexts"):
        engine.create_context()
    engine.close()
    engine.close()
    with pytest.raises(errors.ClosedError):
        engine.run({"x": np.ones((2, 3), np.float32)})


@pytest.mark.parametrize(
    "inputs",
    [{}, {"x": np.ones((2, 3))}, {"x": np.ones((3, 2), np.float32)}, {"x": [[1.0] * 3] * 2}],
    ids=["missing", "type", "shape", "list"],
)
def test_bad_inputs_are_refused(tmp_path: Path, inputs: dict[str, Any]) -> None:
    with load(signed(tmp_path, safe_plan(small()))) as engine, pytest.raises(errors.EnginewrightError) as caught:
        engine.run(inputs)
    assert isinstance(caught.value, errors.InputError | errors.UsageError)


@pytest.mark.parametrize(
    "options",
    [{"trust": None}, {"trust": "any"}, {"trust": []}, {"verify": "header"}, {"verify": "lazy"}],
    ids=["no trust", "any", "no key", "header", "lazy"],
)
def test_options_that_rule_s1_excludes(tmp_path: Path, options: dict[str, Any]) -> None:
    error = refusal(signed(tmp_path, safe_plan(small())), **options)
    assert isinstance(error, errors.ConfigError)
    assert error.hint


def test_a_plan_in_memory_has_no_signature() -> None:
    with pytest.raises(errors.UsageError, match="no signature"):
        ew.load(safe_plan(small()), runtime="safety", trust=KEYS)


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="not known"):
        ew.load(signed(tmp_path, safe_plan(small())), runtime="certified")
    with pytest.raises(errors.ConfigError, match="not known"):
        ew.BuilderConfig(runtime="certified")
    with pytest.raises(errors.ConfigError, match="no recipe"):
        ew.BuilderConfig(runtime="safety", recipe="full")
    with pytest.raises(errors.ConfigError, match="builds nothing"):
        load(signed(tmp_path, safe_plan(small())), on_mismatch="rebuild")


def test_signature_by_a_given_key(tmp_path: Path) -> None:
    path = tmp_path / "small.plan"
    safe_plan(small()).save(path)
    assert refusal(path).code == "EW-P007"
    signed(tmp_path, safe_plan(small()), key="b")
    assert refusal(path).code == "EW-P007"
    load(path, trust=[PUBLIC["b"]]).close()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, None),
        ({"build": 1}, None),
        ({"build": 2**31 - 1}, None),
        ({"build": 2**31 + 5}, "build"),
        ({"patch": running_version().patch + 1}, "patch"),
        ({"minor": running_version().minor + 1}, "minor"),
        ({"major": running_version().major + 1}, "major"),
    ],
)
def test_versions_of_rule_s1(tmp_path: Path, change: dict[str, int], field: str | None) -> None:
    path = signed(tmp_path, safe_plan(small(), RELEASE._replace(**change)))
    if field is None:
        load(path).close()
        return
    error = refusal(path)
    assert isinstance(error, errors.PlanVersionMismatch)
    assert error.field == field


def test_a_patch_that_is_not_newer_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = signed(tmp_path, safe_plan(small()))
    newer = Version(RELEASE.major, RELEASE.minor, RELEASE.patch + 1, 9)
    monkeypatch.setattr("enginewright.plan.artifact.running_version", lambda: newer)
    load(path).close()
    with pytest.raises(errors.PlanVersionMismatch):
        ew.load(path)


def test_rule_l4_the_standard_runtime_loads_a_safe_plan_of_its_own_build() -> None:
    plan = ew.build(small(), CONFIG)
    assert plan.kind is Kind.SAFE_PLAN
    assert ew.Plan.load(plan.to_bytes()).kind is Kind.SAFE_PLAN
    with ew.load(plan.to_bytes()) as engine:
        assert np.array_equal(engine.run({"x": np.ones((2, 3), np.float32)})["y"], np.full((2, 3), 2, np.float32))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Kind.PLAN, {Section.META: b"{}", Section.WEIGHTS: b""}),
        (Kind.TIMING_CACHE, {Section.ENTRIES: b"[]"}),
        (Kind.CALIBRATION_CACHE, {Section.RANGES: b"[]"}),
    ],
)
def test_rule_s2_other_kinds_are_refused(tmp_path: Path, kind: Kind, content: dict[Section, bytes]) -> None:
    path = tmp_path / "other"
    path.write_bytes(artifact_bytes(kind, content, Passport(str(RELEASE))))
    assert isinstance(refusal(path), errors.PlanKindMismatch)


@pytest.mark.parametrize("feature", [*sorted(set(FEATURES) - set(SAFETY_FEATURES)), "of-the-future"])
def test_features_that_a_passport_names(tmp_path: Path, feature: str) -> None:
    plan = safe_plan(small())
    passport = replace(plan.passport, features=(feature,))
    error = refusal(signed(tmp_path, replace(plan, passport=passport)))
    assert isinstance(error, errors.PlanFormatMismatch)
    assert feature in error.message


def _dynamic(net: ew.Network) -> None:
    net.output("y", net.relu(net.input("x", ew.float32, ("N",))))


def _python(net: ew.Network) -> None:
    net.output("y", net.det(net.input("x", ew.float32, (2, 2))))


@pytest.mark.parametrize("make", [_dynamic, _python])
def test_features_that_a_passport_conceals(tmp_path: Path, make: Callable[[ew.Network], None]) -> None:
    net = ew.Network("concealed")
    make(net)
    plan = ew.build(net, replace(CONFIG, runtime="standard", recipe="none"))
    passport = replace(plan.passport, features=(), enginewright=str(RELEASE))
    error = refusal(signed(tmp_path, replace(plan, passport=passport, kind=Kind.SAFE_PLAN)))
    assert isinstance(error, errors.PlanFormatMismatch)
