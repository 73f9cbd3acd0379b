"""Small artifacts for tests, and the means to damage them: set bytes, then seal all digests again."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from enginewright.plan.artifact import Kind, Section, artifact_bytes
from enginewright_compat.layout import ENTRY, ENTRY_SIZE, HEADER, HEADER_SIZE, PIECE, PREFIX, PREFIX_SIZE
from enginewright_compat.machine import this_machine
from enginewright_compat.passport import ModelInfo, Passport, Target, TensorInfo, Tolerance
from enginewright_compat.version import running_version

WEIGHTS = bytes(range(200))
META = b'{"programs":[]}'
PREFIX_FIELDS = [
    *("magic", "format_major", "format_minor", "kind", "flags_incompat", "major", "minor", "patch", "build"),
    *("file_size", "header_size", "n_sections", "entry_size", "flags_compat", "zero", "crc32"),
]
HEADER_FIELDS = [
    *("root", "table", "target", "recipe", "signature", "key_id", "digest_alg", "signature_alg", "signature_crc"),
    "zero",
]
ENTRY_FIELDS = ["type", "flags", "offset", "length", "align", "digest", "zero"]


def example_passport(**changes: Any) -> Passport:
    """Return the passport of a plan built here and now."""
    machine = this_machine()
    passport = Passport(
        enginewright=str(running_version()),
        name="tiny",
        inputs=(TensorInfo("x", "float32", (1, 3), (4, 3), (2**31 - 1, 3)),),
        outputs=(TensorInfo("y", "float32", (1, 2), (4, 2), (8, 2)),),
        target=Target(machine.arch, features=machine.kernel_features, device=machine.model),
        model=ModelInfo("onnx", "tiny.onnx", "00" * 32, "11" * 32),
        timings="measured",
        memory=4096,
        tolerance=Tolerance(1e-4, 1e-6),
    )
    return replace(passport, **changes)


def example_plan(**changes: Any) -> bytes:
    """Return a plan of 4.4 KB with the given changes of its passport."""
    sections = {Section.META: META, Section.WEIGHTS: WEIGHTS}
    return artifact_bytes(Kind.PLAN, sections, example_passport(**changes))


@cache
def heavy_plan() -> bytes:
    """Return a plan with so many weights that they have three sums; the last is of more bytes than the others."""
    sections = {Section.META: META, Section.WEIGHTS: WEIGHTS * (3 * PIECE // len(WEIGHTS) + 9)}
    return artifact_bytes(Kind.PLAN, sections, example_passport())


def rich_plan() -> bytes:
    """Return a plan with a section of every type but CODE and SUMS."""
    texts = {section: section.name.encode() for section in (Section.RECIPE, Section.SOURCE, Section.PROBES)}
    sections = {Section.META: META, Section.WEIGHTS: WEIGHTS, Section.LAYERINFO: b"facts"} | texts
    return artifact_bytes(Kind.PLAN, sections, example_passport())


def example_cache() -> bytes:
    """Return a timing cache."""
    passport = Passport(enginewright=str(running_version()))
    return artifact_bytes(Kind.TIMING_CACHE, {Section.ENTRIES: b"[]"}, passport)


@dataclass
class Parts:
    """An artifact taken apart: fields by name, sections as bytes with the gap before each."""

    prefix: dict[str, Any]
    header: dict[str, Any]
    entries: list[dict[str, Any]]
    gaps: list[bytes]
    sections: list[bytes]

    def find(self, section: Section) -> int:
        """Return the index of a section."""
        return next(i for i, entry in enumerate(self.entries) if entry["type"] == section)

    def seal(self) -> bytes:
        """Return the artifact with the digests of what it now holds, all other fields as they are."""
        for entry, section in zip(self.entries, self.sections, strict=True):
            entry["digest"] = hashlib.sha256(section).digest()
        kept = {entry["type"]: entry for entry in self.entries}
        if Section.WEIGHTS in kept and Section.CHUNKS in kept:
            kept[Section.WEIGHTS]["digest"] = kept[Section.CHUNKS]["digest"]
        return self.seal_frame()

    def seal_frame(self) -> bytes:
        """Return the artifact with new digests of header and table, those of the sections as they are."""
        table = b"".join(ENTRY.pack(*entry.values()) for entry in self.entries)
        header = self.header | {"table": hashlib.sha256(table).digest(), "root": bytes(32)}
        prefix = PREFIX.pack(*self.prefix.values())[:-4]
        prefix += struct.pack("<I", zlib.crc32(prefix))
        blank = header | {"signature": bytes(64), "signature_crc": 0}
        header["root"] = hashlib.sha256(prefix + HEADER.pack(*blank.values()) + table).digest()
        body = b"".join(piece for pair in zip(self.gaps, self.sections, strict=True) for piece in pair)
        return prefix + HEADER.pack(*header.values()) + table + body


def take_apart(data: bytes) -> Parts:
    """Return the parts of a valid artifact."""
    prefix = dict(zip(PREFIX_FIELDS, PREFIX.unpack(data[:PREFIX_SIZE]), strict=True))
    header = dict(zip(HEADER_FIELDS, HEADER.unpack(data[PREFIX_SIZE:HEADER_SIZE]), strict=True))
    end = HEADER_SIZE + ENTRY_SIZE * prefix["n_sections"]
    entries = [dict(zip(ENTRY_FIELDS, row, strict=True)) for row in ENTRY.iter_unpack(data[HEADER_SIZE:end])]
    gaps, sections = [], []
    for entry in entries:
        gaps.append(data[end : entry["offset"]])
        end = entry["offset"] + entry["length"]
        sections.append(data[entry["offset"] : end])
    return Parts(prefix, header, entries, gaps, sections)


def with_passport(data: bytes, passport: bytes) -> bytes:
    """Return a sealed artifact with other passport bytes, everything behind moved, the target digest following."""
    parts = take_apart(data)
    parts.sections[0] = passport
    target = json.loads(passport)["target"]
    text = json.dumps(target, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    parts.header["target"] = hashlib.sha256(text).digest() if target is not None else bytes(32)
    return relaid(parts)


def relaid(parts: Parts) -> bytes:
    """Return a sealed artifact whose offsets, lengths, gaps and counts follow from its sections."""
    end = HEADER_SIZE + ENTRY_SIZE * len(parts.entries)
    for i, (entry, section) in enumerate(zip(parts.entries, parts.sections, strict=True)):
        entry["length"] = len(section)
        entry["offset"] = -(-end // entry["align"]) * entry["align"]
        parts.gaps[i] = bytes(entry["offset"] - end)
        end = entry["offset"] + len(section)
    parts.prefix["file_size"], parts.prefix["n_sections"] = end, len(parts.entries)
    return parts.seal()


def without_sums(data: bytes | bytearray) -> bytes:
    """Return a sealed artifact without the sums of its weights."""
    parts = take_apart(bytes(data))
    at = parts.find(Section.SUMS)
    for listed in (parts.entries, parts.gaps, parts.sections):
        del listed[at]
    return relaid(parts)
