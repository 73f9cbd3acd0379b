"""Beside the gates: users read of each new deprecation in the changelog, by its id."""

from __future__ import annotations

import pytest

from enginewright_release.registry_rules import fragment_problems
from tests.repo.gates.registry import EXAMPLE, TREE, example, registry
from tests.repo.sources import text, tracked

NEW = example(since="next", since_date=None, not_before=None)


def test_this_tree() -> None:
    fragments = {name: text(name) for name in tracked("docs/changelog.d/+*.md")}
    assert fragment_problems(TREE.deprecations(), fragments) == []


@pytest.mark.parametrize(
    ("fragments", "problem"),
    [
        ({}, "EW-D0012 is new"),
        ({"+a.deprecated.md": "EW-D0013: `old` is now `new`."}, "EW-D0012 is new"),
        ({"+a.deprecated.md": "EW-D0012: it.", "+b.removed.md": "`older` is gone."}, "+b.removed.md does not name"),
    ],
)
def test_broken(fragments: dict[str, str], problem: str) -> None:
    assert fragment_problems(registry(NEW), {"+a.deprecated.md": "EW-D0012: `old` is now `new`."}) == []
    assert fragment_problems(registry(EXAMPLE), {}) == []
    assert problem in " ".join(fragment_problems(registry(NEW), fragments))
