"""Gate 5: what to use instead exists, is public, and is not deprecated itself."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright_release.registry_rules import replacement_problems
from tests.repo.gates.registry import TREE, example, facts, registry

PUBLIC: dict[str, Any] = {"enginewright.new": "function", "enginewright.f#new": {}, "cli build --new": {}}


def test_this_tree() -> None:
    assert replacement_problems(TREE.deprecations(), facts()) == []


@pytest.mark.parametrize(
    ("target", "kind", "replacement"),
    [
        ("enginewright.old", "function", "enginewright.new"),
        ("param:enginewright.f#old", "parameter", "new"),
        ("cli:build --old", "cli", "--new"),
    ],
)
def test_broken(target: str, kind: str, replacement: str) -> None:
    entry = example(target=target, kind=kind, replacement=replacement)
    assert replacement_problems(registry(entry), PUBLIC) == []
    assert "is not public" in replacement_problems(registry(entry), {})[0]
    leaving = example(id="EW-D0013", target=target.replace("old", "new"), kind=kind, replacement="none")
    assert "deprecated itself" in replacement_problems(registry(entry, leaving), PUBLIC)[0]
