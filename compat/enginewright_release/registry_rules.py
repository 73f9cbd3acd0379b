"""What must hold in the registry of deprecations, by itself and against what earlier releases shipped."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from enginewright_compat.deprecation.registry import (
    AUTOFIXES,
    KINDS,
    NEXT,
    STAGES,
    Deprecation,
    months_later,
    numbers,
)
from enginewright_release.changes import subject_of
from enginewright_release.tree import Facts

Shipped = Mapping[str, Sequence[Mapping[str, Any]]]
"""The registry as each release shipped it."""

PREFIXES = {
    "parameter": "param:", "default": "param:", "value": "value:", "enum": "enum:", "attribute": "attr:",
    "exception": "attr:", "module": "module:", "cli": "cli:", "env": "env:", "config": "config:", "hook": "hook:",
    "hookarg": "hookarg:", "operator": "plugin:", "c": "c:", "format": "format:",
}  # fmt: skip
WARNING = ("warn", "loud")


def registry_problems(entries: Mapping[str, Deprecation], shipped: Shipped) -> list[str]:
    """Gate 1: schema; ids that are unique, never reused, never deleted; stages that only go forward."""
    found = [f"{entry.id}: {problem}" for entry in entries.values() for problem in _schema_problems(entry)]
    active = [entry.target for entry in entries.values() if entry.stage != "removed"]
    found += [f"{target} has two entries" for target in sorted({t for t in active if active.count(t) > 1})]
    for version, rows in shipped.items():
        for row in rows:
            now = entries.get(row["id"])
            if now is None:
                found.append(f"{row['id']} was in {version} and is deleted")
            elif now.target != row["target"]:
                found.append(f"{row['id']} meant {row['target']} in {version} and is used again for {now.target}")
            elif STAGES.index(now.stage) < STAGES.index(row["stage"]):
                found.append(f"{row['id']} was at stage {row['stage']} in {version} and is back at {now.stage}")
    return found


def _schema_problems(entry: Deprecation) -> Iterable[str]:
    if not re.fullmatch(r"EW-D\d{4}", entry.id):
        yield "an id is EW-D and four digits"
    for name, value, allowed in (
        ("kind", entry.kind, KINDS), ("stage", entry.stage, STAGES), ("autofix", entry.autofix, AUTOFIXES)
    ):  # fmt: skip
        if value not in allowed:
            yield f"{name} {value!r} is none of {', '.join(allowed)}"
    prefix = PREFIXES.get(entry.kind, "")
    if not entry.target.startswith(prefix) or (not prefix and ":" in entry.target):
        yield f"the target of kind {entry.kind} begins with {prefix or 'the name itself'}"
    if not re.fullmatch(r"[A-Z][^\n]*\.", entry.migration):
        yield "migration is one sentence"
    if not re.fullmatch(r"migrate/\d+\.\d+#[\w-]+", entry.guide):
        yield "guide is migrate/MAJOR.MINOR#anchor"
    if entry.autofix == "rename" and entry.replacement.rpartition(".")[0] != subject_of(entry).rpartition(".")[0]:
        yield "rename changes the last part of a name only: use autofix none"
    if (entry.autofix == "param-rename") != (entry.kind == "parameter" and entry.replacement != "none"):
        yield "param-rename is for parameters that have a new name, and each of these has it"


def date_problems(
    entries: Mapping[str, Deprecation], dates: Mapping[str, datetime.date], shipped: Shipped
) -> list[str]:
    """Gate 2: the dates are those of the first release that warned, and removal is 12 months and a major away."""
    found = []
    for entry in entries.values():
        major = numbers(entry.removal_in)
        if major[1:] != (0, 0):
            found.append(f"{entry.id}: removal_in {entry.removal_in} is no major")
        if entry.since == NEXT:
            if entry.since_date or entry.not_before:
                found.append(f"{entry.id}: the release command fills the dates")
            continue
        if entry.since_date is None or entry.not_before != months_later(entry.since_date):
            found.append(f"{entry.id}: not_before {entry.not_before} is not 12 months after {entry.since_date}")
        if major[0] <= numbers(entry.since)[0]:
            found.append(f"{entry.id}: removal_in {entry.removal_in} is no major above {entry.since}")
        first = first_warning(entry.id, shipped)
        if first is not None and (entry.since != first or entry.since_date != dates[first]):
            found.append(f"{entry.id}: warned first in {first} ({dates[first]}), not in {entry.since}")
    return found


def first_warning(identity: str, shipped: Shipped) -> str | None:
    """Return the first release whose shipped registry has an id at a stage that warns."""
    versions = [v for v, rows in shipped.items() if any(r["id"] == identity and r["stage"] in WARNING for r in rows)]
    return min(versions, key=numbers, default=None)


def stage_problems(
    entries: Mapping[str, Deprecation], last: Sequence[Mapping[str, Any]], bump: str, *, released: bool
) -> list[str]:
    """Gate 3: a patch release warns of nothing new, and a release has no "next" left."""
    before = {row["id"]: row["stage"] for row in last}
    found = []
    for entry in entries.values():
        if bump == "patch" and entry.stage != "soft" and before.get(entry.id) != entry.stage:
            found.append(f"{entry.id} goes to stage {entry.stage} in a patch release")
        if released and entry.stage in WARNING and entry.since == NEXT:
            found.append(f'{entry.id} still says since = "next" in a release')
    return found


def replacement_problems(entries: Mapping[str, Deprecation], facts: Facts) -> list[str]:
    """Gate 5: what to use instead is there, public, and not deprecated itself."""
    leaving = {subject_of(entry) for entry in entries.values()}
    found = []
    for entry in entries.values():
        subject = replacement_subject(entry)
        if subject is None or entry.kind in ("c", "config", "format"):
            continue
        if subject not in facts:
            found.append(f"{entry.id}: the replacement {entry.replacement} is not public")
        elif subject in leaving:
            found.append(f"{entry.id}: the replacement {entry.replacement} is deprecated itself")
    return found


def replacement_subject(entry: Deprecation) -> str | None:
    """Return the subject of a snapshot that replaces the target, None if nothing does."""
    if entry.replacement == "none":
        return None
    if entry.kind in ("parameter", "default", "hookarg") and "." not in entry.replacement:
        return f"{subject_of(entry).rpartition('#')[0]}#{entry.replacement}"
    if entry.kind == "cli" and entry.replacement.startswith("--"):
        return f"{subject_of(entry).rpartition(' ')[0]} {entry.replacement}"
    prefix = {"cli": "cli ", "env": "env ", "hook": "hook ", "operator": "operator "}.get(entry.kind, "")
    return prefix + entry.replacement


def fragment_problems(entries: Mapping[str, Deprecation], fragments: Mapping[str, str]) -> list[str]:
    """Return each new deprecation that no fragment of the changelog names, and each fragment on one without its id."""
    found = []
    for name, text in fragments.items():
        if name.rsplit(".", 2)[-2] in ("deprecated", "removed") and not re.search(r"EW-D\d{4}", text):
            found.append(f"{name} does not name the id of what is deprecated or removed")
    named = set(re.findall(r"EW-D\d{4}", "".join(fragments.values())))
    waiting = [entry.id for entry in entries.values() if entry.since == NEXT and entry.stage in WARNING]
    missing = [identity for identity in waiting if identity not in named]
    return found + [f"{identity} is new, and no fragment of the changelog names it" for identity in missing]
