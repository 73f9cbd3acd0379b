"""Phases are a tree: each inside the one that is open, which counts them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.builder import PHASES
from enginewright.compiler.progress import Phases


class Tree:
    """Writes down all that it is told; cancels at a step of `last`."""

    def __init__(self, last: tuple[str, int] = ("", 0)) -> None:
        self.last = last
        self.told: list[tuple[object, ...]] = []

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        self.told.append(("start", phase, parent, steps))

    def step(self, phase: str, done: int) -> bool:
        self.told.append(("step", phase, done))
        return (phase, done) != self.last

    def phase_finished(self, phase: str) -> None:
        self.told.append(("finish", phase))


def test_an_outer_phase_counts_the_names_of_those_inside() -> None:
    tree = Tree()
    phases = Phases(tree)
    with phases.phase("outer", 2):
        for name in ("a", "a", "b"):
            with phases.phase(name, 1):
                pass
    assert tree.told == [
        ("start", "outer", None, 2),
        *(("start", "a", "outer", 1), ("finish", "a"), ("step", "outer", 1)),
        *(("start", "a", "outer", 1), ("finish", "a")),
        *(("start", "b", "outer", 1), ("finish", "b"), ("step", "outer", 2)),
        ("finish", "outer"),
    ]


def test_a_failed_phase_is_no_step_and_all_are_finished() -> None:
    tree = Tree()
    phases = Phases(tree)
    with pytest.raises(ValueError, match="broken"), phases.phase("outer", 1), phases.phase("inner", 1):
        raise ValueError("broken")
    assert tree.told[2:] == [("finish", "inner"), ("finish", "outer")]


def network() -> ew.Network:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 3, 8, 8))
    net.output("y", net.relu(net.conv(x, net.constant(np.ones((4, 3, 3, 3), np.float32)), padding=1)))
    return net


def test_a_build_with_several_profiles_is_one_tree() -> None:
    tree = Tree()
    profiles = [ew.Profile({"x": (n, 3, 8, 8)}) for n in (1, 2)]
    ew.build(network(), ew.BuilderConfig(timing_cache="", profiles=profiles), progress=tree)
    assert tree.told[0] == ("start", "build", None, len(PHASES))
    assert tree.told[-1] == ("finish", "build")
    started = [told for told in tree.told if told[0] == "start"][1:]
    assert {told[2] for told in started} == {"build"}
    assert [told[1] for told in started].count("time tactics") >= 2
    assert list(dict.fromkeys(told[1] for told in started)) == list(PHASES)
    steps = [told[2] for told in tree.told if told[:2] == ("step", "build")]
    assert steps == list(range(1, len(PHASES) + 1))


def test_layers_of_branches_are_steps_of_timing() -> None:
    net = ew.Network()
    x, cond = net.input("x", ew.float32, (4,)), net.input("c", ew.bool_, ())
    branches = [ew.Network("branch", parent=net) for _ in range(2)]
    for branch in branches:
        branch.output("v", branch.relu(branch.neg(branch.input("x", ew.float32, (4,)))))
    (y,) = net.if_(cond, x, then_branch=branches[0], else_branch=branches[1])
    net.output("y", y)
    tree = Tree()
    ew.build(net, ew.BuilderConfig(timing_cache="", level=1), progress=tree)
    (steps,) = (told[3] for told in tree.told if told[:2] == ("start", "time tactics"))
    assert max(told[2] for told in tree.told if told[:2] == ("step", "time tactics")) == steps - 1


def test_a_step_of_the_build_can_cancel_it() -> None:
    tree = Tree(last=("build", 2))
    with pytest.raises(ew.BuildCancelled, match="at: optimize"):
        ew.build(network(), ew.BuilderConfig(timing_cache=""), progress=tree)
    assert tree.told[-3:] == [("finish", "optimize"), ("step", "build", 2), ("finish", "build")]


def test_a_monitor_that_returns_nothing_cancels_nothing() -> None:
    class Silent(Tree):
        def step(self, phase: str, done: int) -> Any:  # None, as of monitors that are not type checked
            super().step(phase, done)

    tree = Silent()
    ew.build(network(), ew.BuilderConfig(timing_cache=""), progress=tree)
    assert ("step", "build", len(PHASES)) in tree.told


def test_false_of_numpy_cancels() -> None:
    class Compares(Tree):
        def step(self, phase: str, done: int) -> Any:
            return np.int64(done) < 0

    with pytest.raises(ew.BuildCancelled):
        ew.build(network(), ew.BuilderConfig(timing_cache=""), progress=Compares())


def test_a_build_that_is_cancelled_between_phases_names_the_next_one() -> None:
    phases = Phases()
    phases.cancelled.set()
    with pytest.raises(ew.BuildCancelled, match="at: parse"), phases.phase("parse", 1):
        pass
