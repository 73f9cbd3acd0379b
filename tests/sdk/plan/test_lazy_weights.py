"""verify="lazy": damage is found before a context first runs on it, unused chunks cost nothing; "full": at load."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import PlanCorrupt
from enginewright.plan import hashing, lazy_weights
from enginewright.plan.plan import Plan
from enginewright_compat.layout import CHUNK, PIECE

ROWS = 3000  # two products of 4.8 MB: three chunks


@pytest.fixture(scope="module")
def plan() -> ew.Plan:
    """Build a plan with two large weights."""
    net = ew.Network("large")
    x = net.input("x", ew.float32, (1, 400))
    first = net.matmul(x, net.constant(np.ones((400, ROWS), np.float32)))
    net.output("y", net.matmul(first, net.constant(np.ones((ROWS, 400), np.float32))))
    return ew.build(net, ew.BuilderConfig(threads=1, level=0, timing_cache="", recipe="none"))


def damaged(plan: ew.Plan, folder: Path, chunk: int) -> Path:
    """Save the plan with one byte of a chunk changed."""
    path = folder / "large.plan"
    plan.save(path)
    data = bytearray(path.read_bytes())
    data[len(data) - len(plan.weights) + chunk * CHUNK + 100] ^= 1
    path.write_bytes(data)
    return path


X = {"x": np.ones((1, 400), np.float32)}


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_damage_is_found_before_the_first_run(plan: ew.Plan, tmp_path: Path, chunk: int) -> None:
    path = damaged(plan, tmp_path, chunk)
    with ew.load(path, verify="lazy") as engine:
        for _ in range(2):  # again: a chunk found damaged is never taken for intact
            with pytest.raises(PlanCorrupt, match=f"WEIGHTS chunk {chunk}") as caught:
                engine.run(X)
        assert caught.value.where == str(path)


def test_intact_weights_are_hashed_once(plan: ew.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan.save(tmp_path / "large.plan")
    hashed = []
    real = lazy_weights.chunk_digests
    monkeypatch.setattr(lazy_weights, "chunk_digests", lambda data: hashed.append(len(data)) or real(data))
    with ew.load(tmp_path / "large.plan", verify="lazy") as engine:
        assert hashed == [], "loading reads no weights"
        expected = ew.Engine(plan).run(X)["y"]
        for _ in range(2):
            assert np.array_equal(engine.run(X)["y"], expected)
        context = engine.create_context()
        context.bind_input("x", X["x"])
        context.run()
    assert sum(hashed) == len(plan.weights)
    assert max(hashed) == CHUNK


def test_only_what_a_program_uses_is_hashed(plan: ew.Plan, tmp_path: Path) -> None:
    """A second program that uses the second weight alone, and the first one run by a step of a third."""
    (first,) = plan.meta.programs
    kept = [storage for storage in first.storages if storage.kind != "weight" or storage.value == 1]
    second = msgspec.structs.replace(first, storages=kept)
    third = msgspec.structs.replace(
        second, storages=[], steps=[msgspec.structs.replace(first.steps[0], programs=[0]), *first.steps]
    )
    meta = msgspec.structs.replace(plan.meta, programs=[first, second, third])
    lazy = Plan.load(damaged(plan, tmp_path, 0), verify="lazy").lazy
    assert lazy is not None
    assert plan.meta.weights[1].offset > CHUNK
    lazy.check_program(meta, 1)
    for program in (0, 2):
        with pytest.raises(PlanCorrupt, match="chunk 0"):
            lazy.check_program(meta, program)


def test_a_copy_does_not_give_damage_right_digests(plan: ew.Plan, tmp_path: Path) -> None:
    lazy = ew.Plan.load(damaged(plan, tmp_path, 2), verify="lazy")
    with pytest.raises(PlanCorrupt):
        lazy.save(tmp_path / "copy.plan")
    assert not (tmp_path / "copy.plan").exists()
    with pytest.raises(PlanCorrupt):
        lazy.to_bytes()


def test_a_plan_without_weights(tmp_path: Path) -> None:
    net = ew.Network("none")
    net.output("y", net.relu(net.input("x", ew.float32, (3,))))
    data = ew.build(net, ew.BuilderConfig(timing_cache="")).to_bytes()
    with ew.load(data, verify="lazy") as engine:
        assert engine.run({"x": np.ones(3, np.float32)})["y"].sum() == 3


@pytest.mark.parametrize("worth", [0, 1 << 40], ids=["beside decoding", "after it"])
def test_all_are_hashed_at_load_beside_decoding_or_after_it(
    plan: ew.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth: int
) -> None:
    """Either way the same plan, and the same error."""
    monkeypatch.setattr(hashing.PieceHashing, "WORTH_WAKING", worth)
    plan.save(tmp_path / "intact.plan")
    assert Plan.load(tmp_path / "intact.plan").to_bytes() == plan.to_bytes()
    for chunk in range(3):
        with pytest.raises(PlanCorrupt, match=f"WEIGHTS piece {chunk * CHUNK // PIECE}"):
            ew.load(damaged(plan, tmp_path, chunk))
