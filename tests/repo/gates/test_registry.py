"""Gate 1: the registry keeps its schema; ids are unique, never used again, never deleted."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright_compat.deprecation.registry import parse_deprecations
from enginewright_release.registry_rules import registry_problems
from tests.repo.gates.registry import EXAMPLE, TREE, example, registry, shipped


def test_this_tree() -> None:
    assert registry_problems(TREE.deprecations(), shipped()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "EW-D12"}, "four digits"),
        ({"kind": "thing"}, "kind 'thing'"),
        ({"stage": "silent"}, "stage 'silent'"),
        ({"autofix": "guess"}, "autofix 'guess'"),
        ({"kind": "parameter", "autofix": "param-rename"}, "begins with param:"),
        ({"target": "enum:E.A", "autofix": "none"}, "begins with the name itself"),
        ({"migration": "call new"}, "one sentence"),
        ({"guide": "migrate"}, "guide is"),
        ({"replacement": "enginewright.other.new"}, "last part"),
        ({"autofix": "param-rename"}, "param-rename"),
    ],
)
def test_schema(changes: dict[str, Any], problem: str) -> None:
    assert registry_problems(registry(EXAMPLE), {}) == []
    (found,) = registry_problems(registry(example(**changes)), {})
    assert problem in found


def test_ids_stay() -> None:
    row = {"id": "EW-D0012", "target": "enginewright.old", "stage": "warn"}
    assert registry_problems(registry(EXAMPLE), {"1.4.0": [row]}) == []
    assert "is deleted" in registry_problems({}, {"1.4.0": [row]})[0]
    assert "used again" in registry_problems(registry(EXAMPLE), {"1.4.0": [row | {"target": "enginewright.x"}]})[0]
    assert "back at warn" in registry_problems(registry(EXAMPLE), {"1.4.0": [row | {"stage": "loud"}]})[0]
    assert "two entries" in registry_problems(registry(EXAMPLE, example(id="EW-D0013")), {})[0]


@pytest.mark.parametrize(
    ("facts", "problem"),
    [({}, "missing"), ({"colour": "red"}, "unknown fields: colour"), ({"since_date": "2026-02-01"}, "expected a date")],
)
def test_what_cannot_be_read(facts: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=f"EW-D0012: .*{problem}"):
        parse_deprecations({"EW-D0012": facts})
