"""Gate 7: a symbol disappears only in a major, on or after its day, with an entry in the registry."""

from __future__ import annotations

import datetime

import pytest

from enginewright_release.changes import Change, Step, differences, removal_problems
from tests.repo.gates.registry import EXAMPLE, TREE, YEAR_LATER, example, facts, step, this_step

GONE = [Change("enginewright.old", "removed", "is gone")]
DAY_BEFORE = YEAR_LATER - datetime.timedelta(days=1)
REMOVED = example(stage="removed")


def test_this_tree() -> None:
    last = TREE.last_release()
    if last is not None:
        assert removal_problems(differences(TREE.facts(last), facts()), this_step(last)) == []


@pytest.mark.parametrize(
    ("taken", "problem"),
    [
        (step("2.0.0"), "no entry"),
        (step("2.0.0", EXAMPLE), "stage warn"),
        (step("1.10.0", REMOVED), "disappears in 1"),
        (step("1.9.1", REMOVED), "disappears in 1"),
        (step("2.0.0", REMOVED, today=DAY_BEFORE), "promised until 2027-02-01"),
        (step("2.0.0", example(stage="removed", removal_in="3.0.0")), "not 3.0.0"),
        (step("2.0.0", example(stage="removed", not_before=None)), "promised until None"),
    ],
)
def test_broken(taken: Step, problem: str) -> None:
    assert removal_problems(GONE, step("2.0.0", REMOVED)) == []
    assert problem in removal_problems(GONE, taken)[0]


def test_a_class_takes_its_members_along_and_a_member_has_an_entry_of_its_own() -> None:
    old = {"enginewright.old": "class", "enginewright.old.run": "method", "enginewright.old.run->": "int"}
    assert [change.subject for change in differences(old, {})] == ["enginewright.old"]
    gone = differences(old, {"enginewright.old": "class"})
    assert [change.subject for change in gone] == ["enginewright.old.run"]
    assert "no entry" in removal_problems(gone, step("2.0.0"))[0]


def test_an_old_parameter_that_the_decorator_accepts() -> None:
    gone = [Change("enginewright.f#old", "removed", "is gone")]
    entry = example(target="param:enginewright.f#old", kind="parameter")
    assert removal_problems(gone, step("1.10.0", entry)) == []
    assert removal_problems(gone, step("1.9.1", entry)) != []
    assert removal_problems(gone, step("1.10.0")) != []
