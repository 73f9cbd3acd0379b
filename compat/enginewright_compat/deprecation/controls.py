"""What happens at a use of something deprecated: nothing, a warning, an exception; and which uses there were."""

from __future__ import annotations

import atexit
import json
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from enginewright_compat.deprecation.registry import Deprecation, known_deprecations
from enginewright_compat.deprecation.warning import EnginewrightDeprecationWarning, EnginewrightRemovalWarning

VARIABLE = "ENGINEWRIGHT_DEPRECATIONS"
CLASSES = (EnginewrightDeprecationWarning, EnginewrightRemovalWarning)


@dataclass(frozen=True, slots=True)
class Use:
    """One deprecation that a process (or several) used: how often, and where first."""

    id: str
    count: int
    place: str


@dataclass(frozen=True, slots=True)
class Errors:
    """Which uses raise: those that a major version removes, those of some ids, or all."""

    major: int | None = None
    ids: frozenset[str] = frozenset()

    def cover(self, entry: Deprecation) -> bool:
        """Whether a use of this entry raises; what is only softly deprecated does so by its id alone."""
        if self.ids:
            return entry.id in self.ids
        return entry.stage != "soft" and (self.major is None or entry.removal_major <= self.major)


@dataclass(frozen=True, slots=True)
class Settings:
    """What ENGINEWRIGHT_DEPRECATIONS says for a process."""

    ignore: bool = False
    show: bool = False
    errors: tuple[Errors, ...] = ()
    reports: tuple[Path, ...] = ()


@dataclass
class _Uses:
    """The uses so far, by id."""

    found: dict[str, Use] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, identity: str, place: str) -> None:
        with self.lock:
            known = self.found.get(identity, Use(identity, 0, place))
            self.found[identity] = Use(identity, known.count + 1, known.place)


_uses = _Uses()
_blocks: ContextVar[tuple[Errors, ...]] = ContextVar("enginewright_deprecation_errors", default=())


def parse_settings(text: str) -> Settings:
    """Read "ignore", "warn", "error", "error:2.0", "error:EW-D0012", "json:PATH", separated by commas."""
    errors, reports, words = [], [], set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        word, _, value = part.partition(":")
        if word == "error":
            errors.append(_errors(value))
        elif word == "json" and value:
            reports.append(Path(value))
        elif part in ("ignore", "warn"):
            words.add(part)
        else:
            raise ValueError(
                f"{VARIABLE} has {part[:80]!r}: write ignore, warn, error, error:2.0, error:EW-D0012 or json:PATH"
            )
    return Settings("ignore" in words, "warn" in words, tuple(errors), tuple(reports))


def _errors(value: str) -> Errors:
    if not value:
        return Errors()
    if value.startswith("EW-D"):
        return Errors(ids=frozenset([value]))
    major = value.partition(".")[0]
    if not major.isdecimal():
        raise ValueError(f"{VARIABLE} has error:{value[:80]}: write error:2.0 or error:EW-D0012")
    return Errors(major=int(major))


@cache
def settings() -> Settings:
    """Return what the environment says; read once, at the first use of something deprecated."""
    found = parse_settings(os.environ.get("ENGINEWRIGHT_DEPRECATIONS", ""))
    if found.show:
        for category in CLASSES:
            warnings.simplefilter("default", category)
    for errors in found.errors:
        _raise_by_filter(errors)
    if found.reports:
        atexit.register(_append_report, found.reports)
    return found


def _raise_by_filter(errors: Errors) -> None:
    """Let Python's own filters raise, too: for warnings that others issue for us, as pluggy does for hooks."""
    for entry in known_deprecations().values():
        if errors.cover(entry):
            for category in CLASSES:
                warnings.filterwarnings("error", message=f"{entry.id}:", category=category)


def _append_report(paths: Iterable[Path]) -> None:
    lines = "".join(json.dumps({"id": use.id, "count": use.count, "place": use.place}) + "\n" for use in report())
    for path in paths:
        with path.open("a", encoding="utf-8") as file:
            file.write(lines)


def note(entry: Deprecation, place: str) -> None:
    """Remember one use."""
    _uses.add(entry.id, place)


def raises(entry: Deprecation) -> bool:
    """Whether a use of this entry is an exception here."""
    return any(errors.cover(entry) for errors in (*_blocks.get(), *settings().errors))


@contextmanager
def error(*, major: int | None = None, ids: Iterable[str] = ()) -> Iterator[None]:
    """Within the block, deprecated uses raise their warning: all, those that `major` removes, or those of `ids`.

    With `major=2` the block runs as if 2.0 were installed already.
    """
    errors = Errors(major, frozenset(ids))
    token = _blocks.set((*_blocks.get(), errors))
    try:
        with warnings.catch_warnings():
            _raise_by_filter(errors)
            yield
    finally:
        _blocks.reset(token)


def report() -> tuple[Use, ...]:
    """Return which deprecated things this process used so far, by id: how often, and where first."""
    with _uses.lock:
        return tuple(_uses.found[identity] for identity in sorted(_uses.found))
