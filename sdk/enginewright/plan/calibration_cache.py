"""Remembers how the tensors of a model are quantized, so that it is not calibrated again; for that model alone."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from enginewright.errors import CalibrationMismatch, ConfigError, PlanDetails
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
from enginewright.tensors import DataType, int8
from enginewright_compat.layout import MAX_RECORDS
from enginewright_compat.passport import ModelInfo
from enginewright_compat.records import check_text
from enginewright_compat.version import running_version

PathLike = str | os.PathLike[str]
LABEL = Kind.CALIBRATION_CACHE.label
DIGEST = re.compile(r"[0-9a-f]{64}")
TYPES = {dtype.name.lower(): dtype for dtype in DataType if dtype.bits in (4, 8, 16) and "INT" in dtype.name}
"""What a tensor can be quantized to, by name as the file has it."""


@dataclass(frozen=True, slots=True)
class TensorRange:
    """How a tensor is quantized: real = scale * (quantized - zero_point), quantized as `dtype`.

    `method` says how it was found ("max", "entropy", ...), from so many `samples` of the calibration data; `data` is
    the SHA-256 of that data as 64 hex digits.
    """

    scale: float
    zero_point: int
    method: str
    samples: int
    data: str
    dtype: DataType = int8


class RangeRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A range as the file has it, `scale` as the text of `float.hex`; frozen for the major."""

    data: str
    dtype: str
    method: str
    name: str
    samples: int
    scale: str
    zero_point: int


class Ranges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The RANGES section, sorted by name; frozen for the major: new facts go into optional sections."""

    graph: str
    ranges: list[RangeRecord]


class CalibrationCache(Mapping[str, TensorRange]):
    """The ranges of a model's tensors by name, for the one graph that they were found with.

    A mapping: `cache[name]`, `cache.keys()`. Any release of the same major can load it.
    """

    def __init__(self, graph: str, ranges: Mapping[str, TensorRange]) -> None:
        """`graph` is what `ew.graph_digest(model)` gives. Raises `ConfigError` for an impossible range."""
        self.graph = graph
        self._ranges = dict(sorted(ranges.items()))
        try:
            _check(graph, self._ranges)
        except ValueError as error:
            raise ConfigError(f"{LABEL}: {error}", hint="Correct the range that is named.") from error

    @staticmethod
    def load(source: PathLike | bytes | bytearray | memoryview) -> CalibrationCache:
        """Read a file, or bytes, of any release of this major; raises a `PlanError` for all others."""
        return open_as(source, Kind.CALIBRATION_CACHE, _decode)

    def save(self, path: PathLike) -> None:
        """Write a file, at once or not at all; `PlanWriteError` leaves an existing file as it was."""
        write_artifact(path, Kind.CALIBRATION_CACHE, self._sections(), self._passport())

    def to_bytes(self) -> bytes:
        """The cache as `save` would write it."""
        return artifact_bytes(Kind.CALIBRATION_CACHE, self._sections(), self._passport())

    def check(self, graph: str, where: str = "") -> None:
        """Raise `CalibrationMismatch` unless the ranges were found with this graph."""
        if graph != self.graph:
            raise CalibrationMismatch(
                f"the {LABEL} was made for another graph: {self.graph[:16]}..., the model has {graph[:16]}...",
                hint="Calibrate this model, or give the model that the cache was made for.",
                where=where,
                details=PlanDetails(LABEL, "graph", self.graph, graph),
            )

    def _passport(self) -> Passport:
        """The graph stands there as well, for those who ask before they load; RANGES decides."""
        return Passport(enginewright=str(running_version()), model=ModelInfo("onnx", "", "", self.graph))

    def _sections(self) -> dict[Section, bytes]:
        records = [_record(name, found) for name, found in self._ranges.items()]
        return {Section.RANGES: encode_json(Ranges(self.graph, records))}

    def __getitem__(self, name: str) -> TensorRange:
        """The range of a tensor; KeyError if it has none."""
        return self._ranges[name]

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(self._ranges)

    def __len__(self) -> int:
        """The number of tensors."""
        return len(self._ranges)

    def __repr__(self) -> str:
        return f"<CalibrationCache for graph {self.graph[:16]}: {len(self)} tensors>"


def _record(name: str, found: TensorRange) -> RangeRecord:
    dtype, scale = found.dtype.name.lower(), float(found.scale).hex()
    return RangeRecord(found.data, dtype, found.method, name, found.samples, scale, found.zero_point)


def _decode(artifact: Artifact) -> CalibrationCache:
    content = artifact.decode(Section.RANGES, Ranges)
    try:
        names = [record.name for record in content.ranges]
        if any(first >= second for first, second in pairwise(names)):
            raise ValueError("the tensors are not sorted by name, or one is there twice")
        ranges = {record.name: _range(record) for record in content.ranges}
        _check(content.graph, ranges)
    except ValueError as error:
        raise invalid_content(error, artifact, Section.RANGES, limit=isinstance(error, TooMany)) from error
    return CalibrationCache(content.graph, ranges)


def _range(record: RangeRecord) -> TensorRange:
    try:
        scale = float.fromhex(record.scale)
    except (ValueError, OverflowError):
        scale = math.nan
    if scale.hex() != record.scale:
        raise ValueError(f'tensor "{record.name}": the scale is not written as float.hex does')
    if record.dtype not in TYPES:
        raise ValueError(f'tensor "{record.name}" has an unknown data type')
    dtype = TYPES[record.dtype]
    return TensorRange(scale, record.zero_point, record.method, record.samples, record.data, dtype)


def _check(graph: str, ranges: Mapping[str, TensorRange]) -> None:
    """Raise ValueError for what no release writes, TooMany for more than the format allows."""
    if not DIGEST.fullmatch(graph):
        raise ValueError("the graph digest is not 64 hex digits")
    if len(ranges) > MAX_RECORDS:
        raise TooMany(f"{len(ranges):,} tensors, at most {MAX_RECORDS:,} are allowed")
    for name, found in ranges.items():
        check_text(name)
        check_text(found.method)
        _check_range(name, found)


def _check_range(name: str, found: TensorRange) -> None:
    if not (math.isfinite(found.scale) and found.scale > 0):
        raise ValueError(f'tensor "{name}": the scale is {found.scale}, not finite and above 0')
    if found.dtype not in TYPES.values():
        raise ValueError(f'tensor "{name}": {found.dtype} is no type to quantize to')
    signed = not found.dtype.name.startswith("U")
    low = -(2 ** (found.dtype.bits - 1)) if signed else 0
    high = low + 2**found.dtype.bits - 1
    if not low <= found.zero_point <= high:
        raise ValueError(f'tensor "{name}": the zero point {found.zero_point} is no {found.dtype}')
    if not 1 <= found.samples < 2**63:
        raise ValueError(f'tensor "{name}": {found.samples} samples')
    if not DIGEST.fullmatch(found.data):
        raise ValueError(f'tensor "{name}": the digest of the data is not 64 hex digits')
