"""Gate 12: one day before each promised day gates 7 and 8 forbid a removal; on that day they demand it."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from enginewright_compat.deprecation.registry import Deprecation, months_later
from enginewright_release.changes import Change, Step, major_problems, removal_problems, subject_of
from tests.repo.gates.registry import EXAMPLE, TREE, example

LEAP = datetime.date(2028, 2, 29)
DATED = [entry for entry in TREE.deprecations().values() if entry.not_before is not None and entry.stage != "removed"]
ENTRIES = [EXAMPLE, example(since_date=LEAP, not_before=months_later(LEAP)), *DATED]


def flips(entry: Deprecation) -> tuple[list[bool], list[bool]]:
    """Return whether removing and keeping an entry in its major are fine, the day before and on the day."""
    assert entry.not_before is not None
    gone = [Change(subject_of(entry), "removed", "is gone")]
    removing, keeping = [], []
    for today in (entry.not_before - datetime.timedelta(days=1), entry.not_before):
        last = f"{int(entry.removal_in.partition('.')[0]) - 1}.9.0"
        step = Step(last, entry.removal_in, today, {entry.id: entry})
        removed = replace(step, registry={entry.id: replace(entry, stage="removed")})
        removing.append(not removal_problems(gone, removed))
        keeping.append(not major_problems(step))
    return removing, keeping


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.id}-{entry.not_before}")
def test_gates_flip_on_the_day(entry: Deprecation) -> None:
    assert flips(entry) == ([False, True], [True, False])


def test_broken() -> None:
    """A date that is a day off flips on another day, so the test above sees it."""
    assert EXAMPLE.not_before is not None
    late = replace(EXAMPLE, not_before=EXAMPLE.not_before + datetime.timedelta(days=1))
    today = Step("1.9.0", "2.0.0", EXAMPLE.not_before, {late.id: replace(late, stage="removed")})
    assert removal_problems([Change("enginewright.old", "removed", "is gone")], today) != []
