"""The registry of deprecations: what leaves, since when, until when at least, and what to use instead."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from enginewright_compat import DOCS_URL

REGISTRY = Path(__file__).parents[1] / "deprecations.toml"
NEXT = "next"
STAGES = ("soft", "warn", "loud", "removed")
KINDS = (
    *("function", "method", "classmethod", "staticmethod", "property", "class"),
    *("parameter", "default", "value", "enum", "attribute", "module", "return", "exception"),
    *("cli", "env", "config", "hook", "hookarg", "operator", "c", "format"),
)
AUTOFIXES = ("rename", "param-rename", "none")
MONTHS = 12
"""What is deprecated works for at least so many calendar months after the first release that warns."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """One entry; dates are None until the first release that warns is made, whose version `since` then holds.

    `before` and `after` are the same expression with the old and the new name; `name` is `target` without its kind.
    """

    id: str
    target: str
    kind: str
    stage: str
    since: str
    removal_in: str
    replacement: str
    migration: str
    guide: str
    autofix: str
    before: str
    after: str
    since_date: datetime.date | None = None
    not_before: datetime.date | None = None
    extend_reason: str = ""

    @property
    def name(self) -> str:
        """The target as people read it: `Builder.build`, `build(level=)`, `--fp16`."""
        kind, separator, rest = self.target.partition(":")
        text = rest if separator and kind.isalpha() and not rest.startswith(":") else self.target
        if kind == "param":
            function, _, parameter = text.partition("#")
            text = f"{function}({parameter}=)"
        return _without_package(text)

    @property
    def use(self) -> str:
        """What to use instead, as people read it; "-" if there is nothing."""
        return _without_package(self.replacement) if self.replacement != "none" else "-"

    @property
    def label(self) -> str:
        """The text of the decorator in the source: type checkers and editors show it."""
        advice = f"use {self.use}" if self.replacement != "none" else self.migration
        return f"{self.id}: {advice}"

    @property
    def url(self) -> str:
        """Where the migration is explained."""
        return f"{DOCS_URL}/{self.guide}"

    @property
    def text(self) -> str:
        """The warning in words: what, since when, until when, and what to do."""
        if self.stage == "removed":
            head = f"{self.id}: {self.name} was removed in {self.removal_in}."
        else:
            since = f" since {self.since} ({self.since_date})" if self.since_date else ""
            until = f"at least {self.not_before}" if self.not_before else f"for {MONTHS} months after its first release"
            head = f"{self.id}: {self.name} is deprecated{since}; it stays until {self.removal_in} and {until}."
        use = f"Use {self.use}: " if self.replacement != "none" else ""
        advice = self.migration[:1].lower() + self.migration[1:] if use else self.migration
        return f"{head}\n{use}{advice} {self.url}"

    @property
    def removal_major(self) -> int:
        """The major version that removes it."""
        return int(self.removal_in.partition(".")[0])


def _without_package(text: str) -> str:
    """Return a dotted name without the package that everything is imported from."""
    return text.removeprefix("enginewright.")


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, to be compared."""
    return tuple(int(part) for part in version.split("."))


def months_later(day: datetime.date, months: int = MONTHS) -> datetime.date:
    """Return the same day some months later; where that month has no such day, the first of the next: never shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    try:
        return day.replace(year=day.year + years, month=month + 1)
    except ValueError:
        years, month = divmod(day.month + months, 12)
        return datetime.date(day.year + years, month + 1, 1)


@cache
def known_deprecations() -> Mapping[str, Deprecation]:
    """Return the entries of this release by id; the file is read at the first warning, not at import."""
    return read_deprecations(REGISTRY)


def read_deprecations(path: Path) -> Mapping[str, Deprecation]:
    """Return the entries in a file; raise ValueError that names the entry and field at fault."""
    import tomllib  # 4 ms that only a warning or a question may cost

    return parse_deprecations(tomllib.loads(path.read_text(encoding="utf-8")))


def parse_deprecations(table: Mapping[str, object]) -> Mapping[str, Deprecation]:
    """Return the entries in a decoded table; raise ValueError that names the entry and field at fault."""
    return {identity: _entry(identity, facts) for identity, facts in table.items()}


def _entry(identity: str, facts: object) -> Deprecation:
    if not isinstance(facts, Mapping):
        raise ValueError(f"{identity} is no table")
    known = {field.name for field in fields(Deprecation)} - {"id"}
    unknown = sorted(set(facts) - known)
    if unknown:
        raise ValueError(f"{identity}: unknown fields: {', '.join(unknown)}")
    for name, value in facts.items():
        wanted = datetime.date if name in ("since_date", "not_before") else str
        if type(value) is not wanted:
            raise ValueError(f"{identity}: {name} is {value!r}, expected a {wanted.__name__}")
    try:
        return Deprecation(id=identity, **facts)
    except TypeError as error:
        raise ValueError(f"{identity}: {str(error).partition('() ')[2]}") from None


def find_deprecation(identity: str) -> Deprecation:
    """Return an entry by its id; raise LookupError for an unknown one."""
    known = known_deprecations()
    if identity not in known:
        raise LookupError(f"{identity[:80]} is no known deprecation")
    return known[identity]
