"""The table of known releases: `1.4.2` alone is enough to say which build is meant."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from enginewright_compat.version import Version, parse_version

TABLE = Path(__file__).with_name("releases.toml")


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its four numbers, day, and the versions of C interface, file format and recipe."""

    version: Version
    date: datetime.date
    abi: tuple[int, int]
    format: tuple[int, int]
    recipe_schema: int


@cache
def known_releases() -> Mapping[str, Version]:
    """Return each release by its text without build, in the order in which they were made."""
    return read_releases(TABLE)


def read_releases(path: Path) -> Mapping[str, Version]:
    """Return the releases in a table file."""
    return {text: release.version for text, release in read_table(path).items()}


def read_table(path: Path) -> Mapping[str, Release]:
    """Return all facts of the releases in a table file."""
    import tomllib  # 4 ms, and most questions are about the running release

    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {text: _release(text, facts) for text, facts in table.items()}


def _release(text: str, facts: Mapping[str, object]) -> Release:
    version, day = parse_version(f"{text}+{facts['build']}"), facts["date"]
    if not isinstance(day, datetime.date):
        raise ValueError(f"release {text} has the date {day!r}")
    schema = facts["recipe_schema"]
    return Release(version, day, _pair(facts["abi"]), _pair(facts["format"]), int(str(schema)))


def _pair(text: object) -> tuple[int, int]:
    major, minor = (int(part) for part in str(text).split("."))
    return major, minor


def find_release(text: str, releases: Mapping[str, Version] | None = None) -> Version:
    """Return a version by its full text, or a known release by its text without build; raise ValueError."""
    known = known_releases() if releases is None else releases
    if text in known:
        return known[text]
    try:
        return parse_version(text)
    except ValueError:
        names = ", ".join(known) or "none yet"
        raise ValueError(f"{text[:80]!r} is neither a known release ({names}) nor a version with its build") from None
