"""Looks into the files of plans and caches: is every byte intact, what is in it, what differs between two."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from enginewright.compiler.probes import read_probes
from enginewright.errors import ConfigError
from enginewright.plan.artifact import Artifact, check_file, invalid_content
from enginewright.plan.calibration_cache import CalibrationCache
from enginewright.plan.plan import Plan
from enginewright.plan.timing_cache import TimingCache
from enginewright.runtime.session import LoadedPlan
from enginewright.trust import Trust
from enginewright.verdict import PlanInfo, plan_info
from enginewright_compat.layout import DIGEST_SIZE, Kind, Section
from enginewright_compat.recipe import decode_recipe
from enginewright_compat.rules import Level

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
JSON_SECTIONS = frozenset({Section.PASSPORT, Section.META, Section.RECIPE, Section.ENTRIES, Section.RANGES})


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One place in which two files differ: where, and what stands there; "" where one has nothing."""

    place: str
    left: str
    right: str


def verify_file(path: str | os.PathLike[str], *, trust: Trust = None) -> PlanInfo:
    """Check every byte of a file, all its digests and, where this release can load it, its programs.

    Returns the same as `ew.plan_info`. Raises a PlanError for a file that is damaged or breaks a rule of the format;
    whether it may load is a question of the verdict.
    """
    artifact, _, _ = check_file(path)
    info = plan_info(path, trust=trust)
    if info.verdict is not Level.INCOMPATIBLE:
        _check_content(artifact)
    return info


def _check_content(artifact: Artifact) -> None:
    """Check 13 for a file that may load here."""
    if artifact.kind is Kind.PLAN:
        plan = Plan.decode(artifact)
        LoadedPlan(plan.meta, plan.weights).close()
        check_origin(artifact)
    elif artifact.kind is Kind.TIMING_CACHE:
        TimingCache.load(artifact.where)
    elif artifact.kind is Kind.CALIBRATION_CACHE:
        CalibrationCache.load(artifact.where)


def check_origin(artifact: Artifact) -> None:
    """Raise PlanInvalid unless recipe and probes, which a load does not read, are what this release writes."""
    for section, read in ((Section.RECIPE, decode_recipe), (Section.PROBES, read_probes)):
        if section in artifact.sections:
            try:
                read(bytes(artifact.sections[section]))
            except ValueError as error:
                raise invalid_content(error, artifact, section) from error


def dump_file(path: str | os.PathLike[str], section: str | None = None) -> dict[str, Any]:
    """Return the content of a file of any release as plain values: header and sections, or one section.

    JSON sections are decoded; CHUNKS are digests as hex; of WEIGHTS each array has its digest; others have their size.
    Raises ConfigError for a section that is not there, PlanError for a damaged file.
    """
    artifact, container, _ = check_file(path)
    names = {s.name: s for s in artifact.sections}
    if section is not None and section not in names:
        raise ConfigError(f"{path} has no section {section}", hint=f"it has {', '.join(names)}", where=str(path))
    if section is not None:
        return {section: _plain(artifact, names[section])}
    prefix, header = container.prefix, container.header
    head = {
        "kind": prefix.kind_label,
        "version": str(prefix.version),
        "format": f"{prefix.format[0]}.{prefix.format[1]}",
        "file_size": prefix.file_size,
        "root": header.root.hex(),
        "key_id": header.key_id.hex() if header.is_signed else "",
    }
    return {"header": head} | {name: _plain(artifact, found) for name, found in names.items()}


def _plain(artifact: Artifact, section: Section) -> Any:
    """Return the content of one section as plain values."""
    if section in JSON_SECTIONS:
        return _json(artifact, section)
    if section is Section.WEIGHTS:
        return list(_weights(artifact))
    view = artifact.sections[section]
    if section is Section.CHUNKS:
        return [bytes(view[start : start + DIGEST_SIZE]).hex() for start in range(0, len(view), DIGEST_SIZE)]
    return {"bytes": len(view), "blake3": blake3(view).hexdigest()}


def _json(artifact: Artifact, section: Section) -> Any:
    """Return a JSON section as plain values; its schema may be that of any release."""
    try:
        return json.loads(bytes(artifact.sections[section]))
    except (ValueError, RecursionError) as error:
        raise invalid_content(ValueError(error), artifact, section) from error


def _weights(artifact: Artifact) -> Iterator[dict[str, Any]]:
    """Yield each array of the weights with its digest, as far as META tells of them in the way of this release."""
    view, meta = artifact.sections[Section.WEIGHTS], _json(artifact, Section.META)
    records = meta.get("weights") if isinstance(meta, dict) else None
    for record in records if isinstance(records, list) else []:
        match record:
            case {"name": str(name), "offset": int(start), "length": int(length)} if start >= 0 and length >= 0:
                digest = blake3(view[start : start + length]).hexdigest()
                yield {"name": name, "offset": start, "length": length, "blake3": digest}


def diff_files(left: str | os.PathLike[str], right: str | os.PathLike[str]) -> tuple[FileDifference, ...]:
    """Return where two files differ: header, passport, records by name, weights by digest; nothing for equal files.

    The list is empty if and only if the files hold the same bytes, signatures apart from the key that made them.
    """
    first, second = dump_file(left), dump_file(right)
    return tuple(_differences("", first, second))


def _differences(place: str, left: Any, right: Any) -> Iterator[FileDifference]:
    """Yield the places where two plain values differ; records in arrays are matched by name where they have one."""
    if isinstance(left, list) and isinstance(right, list):
        left, right = _by_name(left), _by_name(right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in dict.fromkeys([*left, *right]):
            inner = f"{place}.{_printable(key)}" if place else _printable(key)
            if key not in left or key not in right:
                yield FileDifference(inner, _short(left.get(key, "")), _short(right.get(key, "")))
            else:
                yield from _differences(inner, left[key], right[key])
    elif left != right:
        yield FileDifference(place, _short(left), _short(right))


def _by_name(records: list[Any]) -> dict[str, Any]:
    """Return the elements by name, layer or key if each has one of its own, else by number."""
    for field in ("name", "layer", "key"):
        names = [record.get(field) if isinstance(record, dict) else None for record in records]
        if records and None not in names and len(set(names)) == len(names):
            return {f"{name}": record for name, record in zip(names, records, strict=True)}
    return {f"{i}": record for i, record in enumerate(records)}


def _short(value: Any) -> str:
    """Return a value as text of at most 200 characters."""
    text = _printable(value) if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _printable(text: str) -> str:
    """Return text from a file with its control characters spelled out, so that it cannot steer a terminal."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
