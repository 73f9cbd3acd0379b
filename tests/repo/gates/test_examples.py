"""Gate 6: each entry has an example: same result, one warning of the right class at the caller's line, errors raise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright_compat.deprecation import controls, deprecated
from enginewright_compat.deprecation.registry import Deprecation
from enginewright_compat.deprecation.warning import DeprecationNotice
from tests.compat.deprecation.examples import evaluate, problems
from tests.repo.gates.registry import TREE, example

ENTRIES = [entry for entry in TREE.deprecations().values() if entry.kind != "c" and entry.stage != "removed"]


@pytest.fixture
def names() -> dict[str, Any]:
    """Return what the examples of the registry may use."""
    net = ew.Network("tiny")
    net.output("y", net.relu(net.input("x", ew.float32, (2,))))
    plan = ew.build(net, ew.BuilderConfig(threads=1, level=0, timing_cache=""))
    context = ew.load(plan).create_context()
    context.bind_input("x", np.zeros(2, np.float32))
    context.run()
    return {"ew": ew, "np": np, "network": net, "plan": plan, "context": context}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_this_tree(entry: Deprecation, names: dict[str, Any]) -> None:
    assert problems(entry, names) == []
    if entry.stage != "soft":
        with controls.error(ids=[entry.id]), pytest.raises(DeprecationNotice):
            evaluate(entry.before, names)


def test_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = example(before="old(2)", after="new(2)")
    monkeypatch.setattr("enginewright_compat.deprecation.runtime.find_deprecation", lambda identity: entry)

    def new(number: int) -> int:
        return number

    marked = deprecated("EW-D0012: use new")(new)
    fine = {"old": marked, "new": new}
    assert problems(entry, fine) == []
    assert "has no example" in problems(example(before=""), fine)[0]
    assert "warns 0 times" in problems(entry, fine | {"old": new})[0]
    assert "warns 2 times" in problems(entry, fine | {"old": deprecated("EW-D0012: use new")(marked)})[0]
    assert "old result" in problems(entry, fine | {"new": lambda number: -number})[0]
    assert "new form warns" in problems(entry, fine | {"new": marked})[0]
    loud = example(before="old(2)", after="new(2)", stage="loud")
    assert "is a EnginewrightDeprecationWarning" in " ".join(problems(loud, fine))
