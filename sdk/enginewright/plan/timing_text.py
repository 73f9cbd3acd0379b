"""The text form of a timing cache: indented JSON that people read, edit, and compare in git."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from enginewright.plan.canonical import encode_json
from enginewright.plan.graph_rules import TooMany
from enginewright.plan.timing_entries import Entries, TimingEntry, check_entries, refusal
from enginewright.verdict import as_error
from enginewright_compat.layout import MAX_JSON, Kind
from enginewright_compat.rules import judge_version
from enginewright_compat.version import parse_version, running_version


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole text: the release, because timings hold for no other, and the entries."""

    enginewright: str
    entries: list[TimingEntry]


def write_text(entries: Mapping[str, TimingEntry]) -> str:
    """Return the entries as JSON, sorted, one fact a line."""
    content = _Text(str(running_version()), [entries[key] for key in sorted(entries)])
    return json.dumps(json.loads(encode_json(content)), indent=2, sort_keys=True) + "\n"


def read_text(text: str, where: str) -> dict[str, TimingEntry]:
    """Return the entries of a text; raise PlanInvalid, PlanLimitExceeded or PlanVersionMismatch."""
    try:
        if len(text) > MAX_JSON:
            raise TooMany(f"{len(text):,} characters, at most {MAX_JSON:,} are allowed")
        content = msgspec.json.decode(text.encode(), type=_Text)
        version = parse_version(content.enginewright)
    except (ValueError, RecursionError) as error:
        raise refusal(error if isinstance(error, ValueError) else ValueError(error), "text", where) from error
    reason = judge_version(Kind.TIMING_CACHE, version, running_version())
    if reason is not None:
        raise as_error(reason, Kind.TIMING_CACHE.label, where)
    try:
        return check_entries(Entries(sorted(content.entries, key=lambda entry: entry.key)))
    except ValueError as error:
        raise refusal(error, "text", where) from error
