"""A plan of 1 GiB for measurements: its weights are zeros that the disk does not store, its digests are right."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from pathlib import Path

from blake3 import blake3

from enginewright.plan.artifact import Section, check_file
from enginewright_compat.layout import CHUNK, ENTRY_SIZE, HEADER_SIZE, align_up
from tests.compat.artifacts import example_plan, take_apart

WEIGHTS_SIZE = 1 << 30


def write_large_plan(path: Path) -> None:
    """Write the plan as a sparse file of a few KB."""
    parts = take_apart(example_plan())
    weights, chunks = parts.find(Section.WEIGHTS), parts.find(Section.CHUNKS)
    parts.sections[chunks] = blake3(bytes(CHUNK)).digest() * (WEIGHTS_SIZE // CHUNK)
    parts.sections[weights] = b""
    end = HEADER_SIZE + ENTRY_SIZE * len(parts.entries)
    for index, (entry, section) in enumerate(zip(parts.entries, parts.sections, strict=True)):
        entry["offset"], entry["length"] = align_up(end, entry["align"]), len(section)
        entry["digest"] = hashlib.sha256(section).digest()
        if index == weights:
            entry["length"] = WEIGHTS_SIZE
            entry["digest"] = hashlib.sha256(parts.sections[chunks]).digest()
        end = entry["offset"] + entry["length"]
    parts.prefix["file_size"] = end
    places = [(entry["offset"], section) for entry, section in zip(parts.entries, parts.sections, strict=True)]
    parts.gaps, parts.sections = [], []
    with path.open("wb") as file:
        file.truncate(end)
        for offset, data in [(0, parts.seal_frame()), *places]:
            file.seek(offset)
            file.write(data)


def verification_milliseconds(path: Path) -> float:
    """Check every digest, the file being cached by the system, on at most two CPUs: the median of 7."""
    allowed, times = os.sched_getaffinity(0), []
    os.sched_setaffinity(0, sorted(allowed)[:2])
    try:
        check_file(path)
        for _ in range(7):
            start = time.perf_counter_ns()
            check_file(path)
            times.append((time.perf_counter_ns() - start) / 1e6)
    finally:
        os.sched_setaffinity(0, allowed)
    return statistics.median(times)
