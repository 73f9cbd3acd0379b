"""What a build says of operators of plugins that will leave."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import enginewright as ew
from enginewright.registry.registry import registry

QUIET = ew.BuilderConfig(timing_cache="", threads=1, level=1)
SAID = "acme::Old@1 is deprecated: use acme::New"


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    with registry.isolated():
        yield


def network(name: str, **options: Any) -> ew.Network:
    """Two layers of one operator."""

    class Copy:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x

    cls = ew.operator(f"acme::{name}", version=1, **options)(Copy)
    net = ew.Network()
    (x,) = net.add(cls(), net.input("x", ew.float32, (2,)))
    net.output("y", *net.add(cls(), x))
    return net


def test_a_build_warns_once_and_notes_it() -> None:
    with pytest.warns(DeprecationWarning, match="use acme::New") as caught:
        plan = ew.build(network("Old", deprecated="use acme::New"), QUIET)
    assert [(str(item.message), item.filename) for item in caught] == [(SAID, __file__)]
    assert SAID in plan.report.notes
    assert plan.passport.deprecations == ()  # which lists ids of ours


def test_loading_says_nothing() -> None:
    with pytest.warns(DeprecationWarning, match="use acme::New"):
        plan = ew.build(network("Old", deprecated="use acme::New"), QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ew.load(plan.to_bytes()).close()


def test_others_are_not_mentioned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = ew.build(network("New"), QUIET)
    assert not any("deprecated" in note for note in plan.report.notes)
