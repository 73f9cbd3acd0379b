"""What has changed between two snapshots of the public interface, and whether the version and registry allow it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from enginewright_compat.deprecation.registry import Deprecation, numbers
from enginewright_release.tree import Facts

ADDED, CHANGED, REMOVED = "added", "changed", "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that is not what it was; an addition is none that breaks anything."""

    subject: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Step:
    """From one release to a version, on a day, with a registry."""

    last: str
    version: str
    today: datetime.date
    registry: Mapping[str, Deprecation]

    @property
    def bump(self) -> str:
        """Which number was raised: "major", "minor", "patch"."""
        old, new = numbers(self.last), numbers(self.version)
        return "major" if new[0] > old[0] else "minor" if new[1] > old[1] else "patch"


def differences(old: Facts, new: Facts) -> list[Change]:
    """Return every change, by subject; what belongs to a removed subject is left out."""
    found = []
    for subject in sorted(old.keys() | new.keys()):
        if subject not in new:
            if not any(owner in old and owner not in new for owner in owners(subject)):
                found.append(Change(subject, REMOVED, "is gone"))
        elif subject not in old:
            found += _added(subject, new[subject], old)
        elif old[subject] != new[subject]:
            found += list(_changed(subject, old[subject], new[subject]))
    return found


def owners(subject: str) -> Iterator[str]:
    """Yield the subjects that this one is a part of: the function of a parameter, the class of a method."""
    separators = (" ",) if subject.startswith("cli ") else ("->", " bases", "#", ".")
    for separator in separators:
        head, found, _ = subject.rpartition(separator)
        if found and head:
            yield head
            yield from owners(head)
            return


def _added(subject: str, fact: Any, old: Facts) -> Iterator[Change]:
    is_part = next(owners(subject), None) in old  # what a new command or function needs breaks nobody
    required = isinstance(fact, dict) and "annotation" in fact and "default" not in fact
    if is_part and required and not fact["kind"].startswith("var_"):
        yield Change(subject, CHANGED, "is a new parameter that callers must give")
    elif is_part and subject.startswith("cli ") and isinstance(fact, dict) and fact.get("required"):
        yield Change(subject, CHANGED, "is a new option that callers must give")
    else:
        yield Change(subject, ADDED, "is new")


def _changed(subject: str, old: Any, new: Any) -> Iterator[Change]:
    if subject.endswith(" bases"):
        lost = sorted(set(old) - set(new))
        yield Change(subject, CHANGED if lost else ADDED, f"lost {lost}" if lost else "has more")
    elif subject.endswith("->"):
        narrowed = old and _union(new) <= _union(old)
        yield Change(subject, ADDED if narrowed else CHANGED, f"returned {old}, now {new}")
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                is_fine = _is_wider(key, old.get(key), new.get(key))
                detail = f"{key} was {old.get(key)}, now {new.get(key)}"
                yield Change(subject, ADDED if is_fine else CHANGED, detail)
    else:
        yield Change(subject, CHANGED, f"was {old}, now {new}")


def _is_wider(key: str, old: Any, new: Any) -> bool:
    """Whether a parameter accepts all that it accepted, and more."""
    if key == "annotation":
        return not old or _union(old) <= _union(new)
    if key == "kind":
        return (old, new) in (("positional_only", "positional_or_keyword"), ("keyword_only", "positional_or_keyword"))
    if key == "position":
        return old is None
    if key == "default":
        return old is None  # it may now be left out
    if key == "names":
        return set(old) <= set(new)
    return (key, old, new) in (("required", True, False), ("repeatable", False, True))


def _union(text: str) -> set[str]:
    return {part.strip() for part in text.split("|")}


def subject_of(entry: Deprecation) -> str:
    """Return the subject in a snapshot that an entry of the registry is about."""
    kind, separator, rest = entry.target.partition(":")
    if not separator or kind in ("param", "enum", "attr", "module"):
        return rest if separator else entry.target
    if kind == "value":
        return rest.partition("=")[0]
    names = {"cli": "cli", "env": "env", "hook": "hook", "hookarg": "hook", "plugin": "operator"}
    return f"{names.get(kind, kind)} {rest}"


def covering(change: Change, registry: Iterable[Deprecation]) -> Deprecation | None:
    """Return the entry that is about a change, or about what it is a part of."""
    wanted = {change.subject, *owners(change.subject)}
    return next((entry for entry in registry if subject_of(entry) in wanted), None)


def removal_problems(changes: Iterable[Change], step: Step) -> list[str]:
    """Gate 7: return each symbol that disappears without an id, in no major, or before its day."""
    found = []
    for change in changes:
        if change.what != REMOVED or change.subject.startswith("c "):
            continue
        entry = covering(change, step.registry.values())
        if entry is None:
            found.append(f"{change.subject} {change.detail}, and the registry has no entry for it")
        elif "#" in change.subject and entry.stage != "removed" and step.bump != "patch":
            continue  # a parameter by its old name is accepted by the decorator, which the entry's example proves
        elif entry.stage != "removed":
            found.append(f"{change.subject} is gone while {entry.id} is at stage {entry.stage}")
        elif step.bump != "major" or numbers(step.version) < numbers(entry.removal_in):
            found.append(f"{change.subject} ({entry.id}) disappears in {step.version}, not {entry.removal_in}")
        elif entry.not_before is None or step.today < entry.not_before:
            found.append(f"{change.subject} ({entry.id}) disappears on {step.today}, promised until {entry.not_before}")
    return found


def change_problems(changes: Iterable[Change], step: Step) -> list[str]:
    """Gate 9: return each change that the version's step does not allow; removals are gate 7's."""
    found = []
    for change in changes:
        if change.subject.startswith("c ") or change.what == REMOVED:
            continue
        if step.bump == "patch":
            found.append(f"{change.subject} {change.detail}: not in a patch release")
        elif change.what == CHANGED and not _is_announced(change, step):
            found.append(f"{change.subject} {change.detail}: the registry has no entry for it")
    return found


def _is_announced(change: Change, step: Step) -> bool:
    """Whether the registry has an entry for a change: it still works as before, or its day and major have come."""
    entry = covering(change, step.registry.values())
    if entry is None:
        return False
    if entry.stage != "removed":
        return "#" in change.subject or entry.kind in ("value", "default", "parameter")
    day = entry.not_before
    return step.bump == "major" and day is not None and step.today >= day


def c_problems(changes: Iterable[Change], old_abi: str, new_abi: str, bump: str) -> list[str]:
    """Return each change of the C interface that its own version does not allow."""
    found = []
    old, new = numbers(old_abi), numbers(new_abi)
    for change in changes:
        if not change.subject.startswith("c ") or change.subject == "c abi":
            continue
        if change.what == ADDED and new <= old:
            found.append(f"{change.subject} {change.detail}: raise EW_ABI_MINOR")
        elif change.what != ADDED and new[0] == old[0]:
            found.append(f"{change.subject} {change.detail}: raise EW_ABI_MAJOR")
    if new[0] > old[0] and bump == "patch":
        found.append(f"EW_ABI_MAJOR {new[0]} in a patch release")
    return found


def major_problems(step: Step) -> list[str]:
    """Gate 8: return each entry whose day has come and that a new major neither removes nor explains."""
    if step.bump != "major":
        return []
    return [
        f"{entry.id} may be removed since {entry.not_before}: remove it, or give extend_reason"
        for entry in step.registry.values()
        if entry.stage in ("warn", "loud")
        and numbers(entry.removal_in) <= numbers(step.version)
        and entry.not_before is not None
        and step.today >= entry.not_before
        and not entry.extend_reason
    ]
