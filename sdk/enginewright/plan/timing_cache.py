"""Remembers how long tactics took on which device, so that a model is not timed twice; one file for many machines."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from enginewright.device.cache_folder import cache_folder, check_writable, locked, make_private
from enginewright.errors import CacheError, ConfigError, EnginewrightError, PlanError
from enginewright.plan.artifact import (
    Artifact,
    Kind,
    Passport,
    Section,
    artifact_bytes,
    encode_json,
    invalid_content,
    open_as,
    write_artifact,
)
from enginewright.plan.graph_rules import TooMany
from enginewright.plan.timing_entries import (
    Entries,
    RoundingTrial,
    TacticTime,
    TimingDescription,
    TimingEntry,
    as_imported,
    check_entries,
    merge_entries,
    refusal,
)
from enginewright.plan.timing_text import read_text, write_text
from enginewright.plan.writing import remove_abandoned
from enginewright_compat.version import running_version

_log = logging.getLogger("enginewright.tuning")
PathLike = str | os.PathLike[str]


class TimingCache(Mapping[str, TimingEntry]):
    """Timings by key, in memory until `save`; `path` is the file they come from and go to, if there is one.

    A mapping: `cache.keys()`, `cache[key]`, `len(cache)`. `BuilderConfig(timing_cache=FILE)` builds with a file.
    `is_default`: it is the one that this user and release have without naming any. `measured`: the keys of what this
    process timed.
    """

    def __init__(self, path: PathLike | None = None) -> None:
        """An empty cache; use `load` to read one."""
        self.path = None if path is None else Path(path)
        self.is_default = False
        self.measured: set[str] = set()
        self._entries: dict[str, TimingEntry] = {}
        self._edited: dict[str, str | None] = {}
        self._changed = False

    # ---- files ---------------------------------------------------------------------------------------------------

    @staticmethod
    def load(source: PathLike | bytes | bytearray | memoryview) -> TimingCache:
        """Read a file, or bytes; raises a `PlanError` for one that is damaged or of another release."""
        cache = TimingCache(None if isinstance(source, bytes | bytearray | memoryview) else source)
        cache._entries = open_as(source, Kind.TIMING_CACHE, _decode)
        return cache

    @staticmethod
    def named(path: PathLike) -> TimingCache:
        """The cache of a file that the user names: empty if it is not there, an error if it does not load."""
        return TimingCache.load(path) if Path(path).exists() else TimingCache(path)

    @staticmethod
    def default() -> TimingCache:
        """The cache of this user and release. It never fails: what cannot be used is said in one warning."""
        cache = TimingCache(cache_folder() / "timing" / f"{running_version()}.timing")
        cache.is_default = True
        try:
            cache._open_default()
        except (EnginewrightError, OSError) as error:
            _log.warning("timings are not kept: %s", getattr(error, "message", error))
            cache.path = None
        return cache

    def _open_default(self) -> None:
        """Read the file; a broken one is renamed, under the lock, as another process may be about to do the same."""
        assert self.path is not None
        make_private(self.path.parent)
        remove_abandoned(self.path.parent)
        if not self.path.exists():
            return
        try:
            self._entries = dict(TimingCache.load(self.path))
        except PlanError:
            with locked(self.path, Kind.TIMING_CACHE.label):
                self._entries = _set_aside(self.path)

    def save(self, path: PathLike | None = None, *, replace: bool = False) -> None:
        """Merge with what the file holds by now, under a lock, and write it at once; `replace`: without merging.

        Raises `PlanWriteError`, or `TimingCacheConflict` where somebody else pinned another tactic meanwhile; the file
        is as it was then. The default cache only warns.
        """
        target = self.path if path is None else Path(path)
        if target is None or not (self._changed or path is not None):
            return
        try:
            self._write(target, replace=replace)
        except (CacheError, PlanError, OSError) as error:
            if not self.is_default or path is not None:
                raise
            _log.warning("timings are not kept: %s", getattr(error, "message", error))

    def _write(self, target: Path, *, replace: bool) -> None:
        with locked(target, Kind.TIMING_CACHE.label):
            there = dict(TimingCache.load(target)) if target.exists() and not replace else {}
            merged = merge_entries({key: self._seen_by_editor(entry) for key, entry in there.items()}, self)
            write_artifact(target, Kind.TIMING_CACHE, _sections(merged), Passport(enginewright=str(running_version())))
        self._entries, self._edited, self._changed = merged, {}, False

    def _seen_by_editor(self, entry: TimingEntry) -> TimingEntry:
        """An entry of the file, without the pin that this cache replaced or took away."""
        if entry.key in self._edited and entry.pinned == self._edited[entry.key]:
            return msgspec.structs.replace(entry, pinned=None)
        return entry

    def to_bytes(self) -> bytes:
        """The cache as a file would hold it."""
        return artifact_bytes(Kind.TIMING_CACHE, _sections(self), Passport(enginewright=str(running_version())))

    # ---- text ----------------------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """The cache as JSON for people: to read, to edit, to keep in git."""
        return write_text(self)

    @staticmethod
    def from_text(text: str, where: str = "text") -> TimingCache:
        """Read what `to_text` wrote; raises `PlanInvalid` with the place at fault, or `PlanVersionMismatch`.

        Its times count as imported from then on: people may have edited them.
        """
        cache = TimingCache()
        cache._entries = {key: as_imported(entry) for key, entry in read_text(text, where).items()}
        cache._changed = True
        return cache

    # ---- content -------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> TimingEntry:
        """The entry of a key; KeyError if there is none."""
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        """The keys, sorted."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)

    def record(self, description: TimingDescription, timings: Mapping[str, TacticTime]) -> TimingEntry:
        """Add what was measured here and now, and return all that is known.

        The first call raises `PlanWriteError` where the file can't be written: after a long build it would be late.
        """
        return self._add(TimingEntry(description.key, description, dict(timings)))

    def record_rounding(self, description: TimingDescription, trial: RoundingTrial) -> RoundingTrial:
        """Add what trial runs of a network in bfloat16 told, in the same way, and return what is known."""
        entry = self._add(TimingEntry(description.key, description, {}, rounding=trial))
        assert entry.rounding is not None
        return entry.rounding

    def _add(self, entry: TimingEntry) -> TimingEntry:
        if not (self._changed or self.is_default or self.path is None):
            check_writable(self.path, Kind.TIMING_CACHE.label)
        key = entry.key
        self._entries[key] = merge_entries({key: entry}, self._only(key))[key]
        self.measured.add(key)
        self._changed = True
        return self._entries[key]

    def merge(self, *others: Mapping[str, TimingEntry]) -> None:
        """Add the entries of other caches; the order does not matter. `TimingCacheConflict`: nothing is added.

        For each tactic the record with more samples wins, then the one with fewer nanoseconds, then one not imported.
        """
        self._entries = merge_entries(self, *others)
        self._changed = True

    def pin(self, key: str, tactic: str | None) -> None:
        """Let builds take this tactic, whatever the times say; None: the fastest again. `ConfigError` if unknown."""
        entry = self._entries.get(key)
        if entry is None:
            raise ConfigError(f"the timing cache has no key {key!r}", hint="cache.keys() lists them.")
        if tactic is not None and tactic not in entry.timings:
            raise ConfigError(
                f"tactic {tactic!r} has no time for {entry.description}",
                hint=f"Pin one of these: {', '.join(sorted(entry.timings))}.",
            )
        self._edited.setdefault(key, entry.pinned)
        self._entries[key] = msgspec.structs.replace(entry, pinned=tactic)
        self._changed = True

    def _only(self, key: str) -> dict[str, TimingEntry]:
        return {key: self._entries[key]} if key in self._entries else {}

    def __repr__(self) -> str:
        return f"<TimingCache {self.path or 'in memory'}: {len(self)} entries>"


def _decode(artifact: Artifact) -> dict[str, TimingEntry]:
    content = artifact.decode(Section.ENTRIES, Entries)
    try:
        return check_entries(content)
    except ValueError as error:
        raise invalid_content(error, artifact, Section.ENTRIES, limit=isinstance(error, TooMany)) from error


def _sections(entries: Mapping[str, TimingEntry]) -> dict[Section, bytes]:
    content = Entries([entries[key] for key in sorted(entries)])
    try:
        check_entries(content)
    except ValueError as error:
        raise refusal(error, Section.ENTRIES.name, "") from error
    return {Section.ENTRIES: encode_json(content)}


def _set_aside(path: Path) -> dict[str, TimingEntry]:
    """The entries, if the file is good by now; else rename it, and say so."""
    try:
        return dict(TimingCache.load(path))
    except PlanError as error:
        aside = path.with_name(f"{path.name}.bad")
        path.replace(aside)
        _log.warning("timing cache %s is not used, and was renamed to %s: %s", path, aside.name, error.message)
        return {}
