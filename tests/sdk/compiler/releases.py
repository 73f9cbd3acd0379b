"""Plans as another release, or for another machine, would have written them."""

from __future__ import annotations

import json
from typing import Any

from enginewright.plan.artifact import Section
from enginewright_compat.version import Version, parse_version
from tests.compat.artifacts import relaid, take_apart, with_passport


def _passport(data: bytes) -> dict[str, Any]:
    parts = take_apart(data)
    found: dict[str, Any] = json.loads(parts.sections[parts.find(Section.PASSPORT)])
    return found


def _with(data: bytes, passport: dict[str, Any]) -> bytes:
    text = json.dumps(passport, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return with_passport(data, text.encode())


def of_release(data: bytes, **fields: int) -> bytes:
    """The same plan by a release with other version numbers, sealed again."""
    passport = _passport(data)
    version: Version = parse_version(passport["enginewright"])._replace(**fields)
    parts = take_apart(_with(data, passport | {"enginewright": str(version)}))
    parts.prefix.update(fields)
    return parts.seal()


def for_machine(data: bytes, **target: Any) -> bytes:
    """The same plan for another machine, sealed again."""
    passport = _passport(data)
    return _with(data, passport | {"target": passport["target"] | target})


def without(data: bytes, *sections: Section) -> bytes:
    """The same plan without some sections, sealed again."""
    parts = take_apart(data)
    for section in sections:
        index = parts.find(section)
        del parts.entries[index], parts.sections[index], parts.gaps[index]
    if Section.RECIPE in sections:
        parts.header["recipe"] = bytes(32)
    return relaid(parts)
