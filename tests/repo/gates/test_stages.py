"""Gate 3: a patch release warns of nothing new; a release has no "next" left."""

from __future__ import annotations

from enginewright_release.registry_rules import stage_problems
from tests.repo.gates.registry import EXAMPLE, TREE, example, registry, this_step

SOFT = {"id": "EW-D0012", "stage": "soft"}


def test_this_tree() -> None:
    last = TREE.last_release()
    bump = this_step(last).bump if last else "minor"
    rows = TREE.shipped(last) if last else []
    assert stage_problems(TREE.deprecations(), rows, bump, released=TREE.is_released()) == []


def test_new_warning_in_a_patch() -> None:
    for rows in ([], [SOFT]):
        assert "patch" in stage_problems(registry(EXAMPLE), rows, "patch", released=False)[0]
        assert stage_problems(registry(EXAMPLE), rows, "minor", released=False) == []
    assert stage_problems(registry(EXAMPLE), [SOFT | {"stage": "warn"}], "patch", released=True) == []
    assert stage_problems(registry(example(stage="soft", since="next")), [], "patch", released=True) == []


def test_next_in_a_release() -> None:
    entries = registry(example(since="next", since_date=None, not_before=None))
    assert stage_problems(entries, [], "minor", released=False) == []
    assert '"next"' in stage_problems(entries, [], "minor", released=True)[0]
