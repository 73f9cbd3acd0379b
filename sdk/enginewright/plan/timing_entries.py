"""What a timing cache knows of one layer: what was timed, how long each tactic took, and which one is pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import reduce

import msgspec

from enginewright.errors import (
    CacheConflictDetails,
    PinConflict,
    PlanDetails,
    PlanError,
    PlanInvalid,
    PlanLimitExceeded,
    TimingCacheConflict,
)
from enginewright.plan.canonical import encode_json
from enginewright.plan.graph_rules import TooMany
from enginewright_compat.layout import MAX_RECORDS, MAX_STRING, Kind
from enginewright_compat.records import check_text


class TacticTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The median of `samples` runs of a tactic in nanoseconds; no samples: it cannot be run alone, so not be timed.

    `imported`: it came from a text, which people may have written; else a build measured it on such a device.
    """

    nanoseconds: int
    samples: int
    imported: bool = False


class RoundingTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What trial runs told of a network in bfloat16: `kept` of its `products` stay in float32.

    Errors are norms of differences over norms, in millionths: `without` any care, and those that are `left`. Where care
    changes anything, products of at most `largest_kept` multiplications stay; -1: none does.
    """

    products: int
    kept: int
    without: int
    left: int
    largest_kept: int | None = None


class TimingDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was timed: operator with its fields, a text for each input, kernels, plugins, and the device.

    `clock`: what was done about the clock of the device ("free": nothing). The key is a digest of all this.
    """

    operator: str
    fields: dict[str, str]
    inputs: list[str]
    kernel_library: str
    plugins: dict[str, str]
    device: dict[str, str]
    clock: str

    @property
    def key(self) -> str:
        """The first 16 bytes of the SHA-256 of the description's canonical JSON, as hex."""
        return hashlib.sha256(encode_json(self)).hexdigest()[:32]

    @property
    def title(self) -> str:
        """In a few words: the operator, of a fused one its anchor, and its inputs."""
        anchor = self.fields.get("anchor", "").partition("(")[0]
        return f"{anchor or self.operator} on {', '.join(text.partition(' linear')[0] for text in self.inputs)}"

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in self.fields.items())
        return f"{self.operator}({fields}) on {', '.join(self.inputs)}"


class TimingEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The timings of one layer on one kind of device, by tactic; a `pinned` tactic is taken whatever the times say.

    Of a whole network in bfloat16 it holds no timings, but the `rounding` that trials found.
    """

    key: str
    description: TimingDescription
    timings: dict[str, TacticTime]
    pinned: str | None = None
    rounding: RoundingTrial | None = None

    @property
    def fastest(self) -> str | None:
        """The tactic that took the least time, the first by name among equals; None if none could be timed."""
        timed = {name: time.nanoseconds for name, time in self.timings.items() if time.samples}
        return min(timed, key=lambda name: (timed[name], name), default=None)


MOST_MILLIONTHS = 10**12
"""Of an error: what it is where the outputs have no numbers."""


class Entries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ENTRIES section, sorted by key."""

    entries: list[TimingEntry]


def merge_times(one: TacticTime, other: TacticTime) -> TacticTime:
    """The time with more samples, then the one with fewer nanoseconds, then one that was measured."""
    return max(one, other, key=lambda time: (time.samples, -time.nanoseconds, not time.imported))


def as_imported(entry: TimingEntry) -> TimingEntry:
    """The entry as one that came from a text."""
    times = {tactic: msgspec.structs.replace(time, imported=True) for tactic, time in entry.timings.items()}
    return msgspec.structs.replace(entry, timings=times)


def merge_entries(*sources: Mapping[str, TimingEntry]) -> dict[str, TimingEntry]:
    """All entries, sorted by key; `TimingCacheConflict` names every key for which two different tactics are pinned.

    The order and grouping of the sources cannot matter, nor that one is given twice.
    """
    keys = sorted({key for source in sources for key in source})
    found = {key: [source[key] for source in sources if key in source] for key in keys}
    conflicts = [_conflict(entries) for entries in found.values() if len(_pins(entries)) > 1]
    if conflicts:
        raise TimingCacheConflict(
            f"{len(conflicts)} layers are pinned to different tactics",
            hint="Decide for one: pin the same tactic, or none, in all the caches.",
            details=CacheConflictDetails(tuple(conflicts)),
        )
    return {key: reduce(_merged, entries) for key, entries in found.items()}


def _merged(one: TimingEntry, other: TimingEntry) -> TimingEntry:
    """Both have the same key, and no different pins."""
    timings = dict(one.timings)
    for tactic, time in other.timings.items():
        timings[tactic] = merge_times(timings[tactic], time) if tactic in timings else time
    return TimingEntry(one.key, one.description, timings, one.pinned or other.pinned, _more_careful(one, other))


def _more_careful(one: TimingEntry, other: TimingEntry) -> RoundingTrial | None:
    """Of two trials the one that keeps larger products: CPUs of one kind agree, unless somebody edited it."""
    found = [entry.rounding for entry in (one, other) if entry.rounding is not None]
    return max(found, key=_care, default=None)


def _care(trial: RoundingTrial) -> tuple[int, ...]:
    largest = -2 if trial.largest_kept is None else trial.largest_kept
    return largest, trial.kept, trial.without, trial.left, trial.products


def _pins(entries: Iterable[TimingEntry]) -> set[str]:
    return {entry.pinned for entry in entries if entry.pinned is not None}


def _conflict(entries: list[TimingEntry]) -> PinConflict:
    return PinConflict(entries[0].key, entries[0].description.title, tuple(sorted(_pins(entries))))


def refusal(error: ValueError, field: str, where: str) -> PlanError:
    """The exception for entries that this process is about to write, or that a person edited."""
    label = Kind.TIMING_CACHE.label
    cls = PlanLimitExceeded if isinstance(error, TooMany) else PlanInvalid
    hint = "correct that place, or export the cache again"
    return cls(f"{label}: {error}", hint=hint, where=where, details=PlanDetails(label, field, str(error)))


def check_entries(content: Entries) -> dict[str, TimingEntry]:
    """The entries by key; ValueError for what no release writes, TooMany for more than the format allows."""
    if len(content.entries) > MAX_RECORDS:
        raise TooMany(f"{len(content.entries):,} entries, at most {MAX_RECORDS:,} are allowed")
    last = ""
    for entry in content.entries:
        _check_entry(entry)
        if entry.key <= last:
            raise ValueError(f"entry {entry.key} does not come behind the one before")
        last = entry.key
    return {entry.key: entry for entry in content.entries}


def _check_entry(entry: TimingEntry) -> None:
    if entry.key != entry.description.key:
        check_text(entry.key)
        raise ValueError(f'entry "{entry.key}" describes what has the key {entry.description.key}')
    if len(encode_json(entry.description)) > MAX_STRING:
        raise TooMany(f"the description of entry {entry.key} has more than {MAX_STRING:,} bytes")
    for tactic, time in entry.timings.items():
        check_text(tactic)
        if not 0 <= min(time.nanoseconds, time.samples) <= max(time.nanoseconds, time.samples) < 2**63:
            raise ValueError(f'entry {entry.key}: tactic "{tactic}" has a negative or too large number')
    if entry.rounding is not None:
        _check_rounding(entry.key, entry.rounding)
    if entry.pinned is not None and entry.pinned not in entry.timings:
        raise ValueError(f"entry {entry.key}: the pinned tactic is none of those that have a time")


def _check_rounding(key: str, trial: RoundingTrial) -> None:
    largest = -1 if trial.largest_kept is None else trial.largest_kept
    if not 0 <= trial.kept <= trial.products < 2**63 or not -1 <= largest < 2**63:
        raise ValueError(f"entry {key}: the trial keeps a number of products that there cannot be")
    if not 0 <= min(trial.without, trial.left) <= max(trial.without, trial.left) <= MOST_MILLIONTHS:
        raise ValueError(f"entry {key}: the trial has a negative or too large error")
