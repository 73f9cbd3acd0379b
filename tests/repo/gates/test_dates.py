"""Gate 2: what warns stays for 12 calendar months after the first release that warned, and until a major."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from enginewright_compat.deprecation.registry import months_later
from enginewright_release.registry_rules import date_problems
from tests.repo.gates.registry import DAY, EXAMPLE, TREE, example, registry, shipped

ROW = {"id": "EW-D0012", "target": "enginewright.old", "stage": "warn"}


def test_this_tree() -> None:
    assert date_problems(TREE.deprecations(), TREE.release_dates(), shipped()) == []


@pytest.mark.parametrize(
    ("day", "later"),
    [
        ("2026-02-01", "2027-02-01"),
        ("2026-12-31", "2027-12-31"),
        ("2024-02-29", "2025-03-01"),  # never shorter
        ("2023-02-28", "2024-02-28"),
        ("2027-02-28", "2028-02-28"),
    ],
)
def test_twelve_months(day: str, later: str) -> None:
    assert months_later(datetime.date.fromisoformat(day)) == datetime.date.fromisoformat(later)


def test_other_months() -> None:
    assert months_later(datetime.date(2026, 1, 31), 1) == datetime.date(2026, 3, 1)
    assert months_later(datetime.date(2026, 11, 30), 3) == datetime.date(2027, 3, 1)
    assert months_later(datetime.date(2026, 12, 31), 2) == datetime.date(2027, 3, 1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"not_before": datetime.date(2027, 1, 31)}, "is not 12 months"),
        ({"not_before": None}, "is not 12 months"),
        ({"since_date": None}, "is not 12 months"),
        ({"removal_in": "2.1.0"}, "is no major"),
        ({"removal_in": "1.0.0"}, "no major above"),
        ({"since": "next"}, "release command"),
        ({"since": "1.5.0"}, "warned first in 1.4.0"),
    ],
)
def test_broken(changes: dict[str, Any], problem: str) -> None:
    dates = {"1.3.0": datetime.date(2026, 1, 1), "1.4.0": DAY}
    seen = {"1.3.0": [ROW | {"stage": "soft"}], "1.4.0": [ROW]}
    assert date_problems(registry(EXAMPLE), dates, seen) == []
    assert problem in " ".join(date_problems(registry(example(**changes)), dates, seen))
