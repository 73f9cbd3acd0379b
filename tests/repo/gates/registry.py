"""What the gates look at: this tree and its last release; and entries made up to break them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from enginewright_compat.deprecation.registry import Deprecation
from enginewright_release.changes import Step
from enginewright_release.snapshot import take_snapshot
from enginewright_release.tree import Facts, source_tree

TREE = source_tree()
DAY = datetime.date(2026, 2, 1)
YEAR_LATER = datetime.date(2027, 2, 1)
EXAMPLE = Deprecation(
    id="EW-D0012",
    target="enginewright.old",
    kind="function",
    stage="warn",
    since="1.4.0",
    removal_in="2.0.0",
    replacement="enginewright.new",
    migration="Call new.",
    guide="migrate/2.0#old",
    autofix="rename",
    before="ew.old()",
    after="ew.new()",
    since_date=DAY,
    not_before=YEAR_LATER,
)


def example(**changes: Any) -> Deprecation:
    """Return an entry with something else in it."""
    return replace(EXAMPLE, **changes)


def registry(*entries: Deprecation) -> Mapping[str, Deprecation]:
    """Return entries by id."""
    return {entry.id: entry for entry in entries}


def shipped() -> dict[str, list[dict[str, Any]]]:
    """Return the registry as each release of this tree shipped it."""
    return {version: TREE.shipped(version) for version in TREE.releases()}


@cache
def facts() -> Facts:
    """Return the public interface of this tree."""
    return take_snapshot(TREE.root)


def step(version: str = "2.0.0", *entries: Deprecation, last: str = "1.9.0", today: datetime.date = YEAR_LATER) -> Step:
    """Return a step between two made-up releases."""
    return Step(last, version, today, registry(*entries))


def this_step(last: str) -> Step:
    """Return the step from the last release to this tree."""
    return Step(last, TREE.version, datetime.date.today(), TREE.deprecations())
