"""Gate 8: a major removes every entry whose day has come, or says why it stays."""

from __future__ import annotations

import datetime

from enginewright_release.changes import major_problems
from tests.repo.gates.registry import EXAMPLE, TREE, YEAR_LATER, example, step, this_step

DAY_BEFORE = YEAR_LATER - datetime.timedelta(days=1)


def test_this_tree() -> None:
    last = TREE.last_release()
    if last is not None:
        assert major_problems(this_step(last)) == []


def test_broken() -> None:
    assert "give extend_reason" in major_problems(step("2.0.0", EXAMPLE))[0]
    assert "give extend_reason" in major_problems(step("2.0.0", example(stage="loud")))[0]


def test_fine() -> None:
    for taken in (
        step("2.0.0", example(stage="removed")),
        step("2.0.0", example(extend_reason="Half of all users still call it.")),
        step("2.0.0", EXAMPLE, today=DAY_BEFORE),
        step("2.0.0", example(removal_in="3.0.0")),
        step("1.10.0", EXAMPLE),
        step("2.0.0", example(stage="soft")),
    ):
        assert major_problems(taken) == []
