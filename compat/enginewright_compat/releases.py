"""The table of known releases: `1.4.2` alone is enough to say which build is meant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from enginewright_compat.version import Version, parse_version


@cache
def known_releases() -> Mapping[str, Version]:
    """Return each release by its text without build, in the order in which they were made."""
    return read_releases(Path(__file__).with_name("releases.toml"))


def read_releases(path: Path) -> Mapping[str, Version]:
    """Return the releases in a table file."""
    import tomllib  # 4 ms, and most questions are about the running release

    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {text: parse_version(f"{text}+{facts['build']}") for text, facts in table.items()}


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
