"""Remembers how long tactics took on which machine, so that a model is not timed twice; one file for many machines."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from filelock import FileLock, Timeout

from enginewright.errors import CacheError, PlanError
from enginewright.plan.artifact import Kind, Passport, Section, encode_json, open_artifact, write_artifact
from enginewright.plan.writing import remove_abandoned
from enginewright.tensors import TensorSpec
from enginewright_compat.machine import this_machine
from enginewright_compat.version import running_version

if TYPE_CHECKING:
    from enginewright.graph.network import Layer

_log = logging.getLogger("enginewright.tuning")
LOCK_SECONDS = 30


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The timings of one layer on one kind of machine: what was timed, and nanoseconds by tactic."""

    key: str
    description: str
    times: dict[str, int]


class Entries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ENTRIES section, sorted by key."""

    entries: list[Entry]


@dataclass
class TimingCache:
    """Timings by key; `path` is the file they come from and go to (None: kept in memory only)."""

    path: Path | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    changed: bool = False

    @staticmethod
    def open(path: Path | None, *, explicit: bool) -> TimingCache:
        """Read a cache file; a broken or foreign default cache is set aside with a warning, a named one is an error."""
        cache = TimingCache(path)
        if path is not None and not explicit:
            remove_abandoned(path.parent)
        if path is None or not path.exists():
            return cache
        try:
            cache.entries = _read(path)
        except PlanError as error:
            if explicit:
                raise
            _log.warning("timing cache %s is not used: %s", path, error.message)
        return cache

    def times(self, key: str) -> dict[str, int]:
        """Nanoseconds by tactic, empty for an unknown key."""
        found = self.entries.get(key)
        return dict(found.times) if found else {}

    def record(self, key: str, layer: Layer, specs: Sequence[TensorSpec | None], times: Mapping[str, int]) -> None:
        """Add timings of a layer."""
        if times:
            description = describe(layer, specs)
            self.entries[key] = Entry(key, description, {**self.times(key), **times})
            self.changed = True

    def save(self) -> None:
        """Merge with what the file holds by now, under a lock, and write it at once."""
        if self.path is None or not self.changed:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS):
                merged = {**(_existing(self.path)), **self.entries}
                content = Entries([merged[key] for key in sorted(merged)])
                passport = Passport(enginewright=str(running_version()))
                write_artifact(self.path, Kind.TIMING_CACHE, {Section.ENTRIES: encode_json(content)}, passport)
        except Timeout:
            raise CacheError(
                f"the timing cache is locked for more than {LOCK_SECONDS} s",
                hint="End the other build.",
                where=str(self.path),
            ) from None
        self.changed = False


def _read(path: Path) -> dict[str, Entry]:
    artifact = open_artifact(path, Kind.TIMING_CACHE)
    return {entry.key: entry for entry in artifact.decode(Section.ENTRIES, Entries).entries}


def _existing(path: Path) -> dict[str, Entry]:
    try:
        return _read(path) if path.exists() else {}
    except PlanError:
        return {}


def describe(layer: Layer, specs: Sequence[TensorSpec | None]) -> str:
    """What is timed, in words: operator with fields, and the specs of its inputs."""
    return f"{layer.op} on {', '.join('-' if spec is None else str(spec) for spec in specs)}"


def timing_key(layer: Layer, specs: Sequence[TensorSpec | None], threads: int) -> str:
    """The key of a layer on this machine: a digest of operator, fields, shapes, types and device fingerprint."""
    machine = this_machine()
    facts: dict[str, Any] = {
        "operator": str(layer.key),
        "layer": describe(layer, specs),
        "constant": [spec is not None and spec.constant for spec in specs],
        "device": [machine.arch, machine.model, *machine.kernel_features],
        "threads": threads,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]
