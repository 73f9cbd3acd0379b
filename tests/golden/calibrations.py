"""A calibration cache whose content never changes: each release leaves it behind, later ones of its major read it."""

from __future__ import annotations

import enginewright as ew
from enginewright.plan.artifact import Kind, Passport, Section, artifact_bytes, open_artifact
from enginewright_compat.version import Version

GRAPH = "de3cc57269ff740d3b77d0f31e1395abed9abc30082f6c210ec33a783f6b3120"
RANGES = {
    "w": ew.TensorRange(2.0**-5, 0, "max", 1, "00" * 32),
    "x": ew.TensorRange(0.1, 128, "entropy", 500, "11" * 32, ew.uint8),
    "y": ew.TensorRange(1e-38, -32768, "percentile", 2**40, "22" * 32, ew.int16),
}


def written_by(version: Version) -> bytes:
    """Return the cache as a release would write it that differs in its version only."""
    data = ew.CalibrationCache(GRAPH, RANGES).to_bytes()
    ranges = open_artifact(data, Kind.CALIBRATION_CACHE).sections[Section.RANGES]
    return artifact_bytes(Kind.CALIBRATION_CACHE, {Section.RANGES: ranges}, Passport(enginewright=str(version)))
