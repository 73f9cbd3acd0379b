"""The plan: a built engine as data. It can be saved, loaded in milliseconds, looked at, and run by the runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from enginewright._native import Records, read_records
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
from enginewright.plan.graph_rules import TooMany, check_head, check_meta, engine_ends
from enginewright.plan.lazy_weights import LazyWeights
from enginewright.plan.meta import Meta, MetaHead
from enginewright.trust import Trust

PLANS = (Kind.PLAN, Kind.SAFE_PLAN)
"""What the standard runtime loads: rules L1 and L4."""
PathLike = str | os.PathLike[str]
ORIGIN = (Section.RECIPE, Section.SOURCE, Section.PROBES)


@dataclass(frozen=True, eq=False)
class Plan:
    """A built engine: programs and tensors (`meta`), packed weights, and the passport that says what it is.

    `origin` are the sections RECIPE, SOURCE and PROBES, as far as the plan has them, as bytes that nobody reads before
    the plan is built again. `code` are compiled kernels of plugins, which `meta.code` lists.
    `report` tells how it was built; it is not saved. `kind` is PLAN, or SAFE_PLAN for the safety runtime.
    `lazy` checks weights that were not checked at load, before a program first uses them.
    """

    meta: Meta
    weights: npt.NDArray[np.uint8]
    passport: Passport
    report: Any = field(default=None, repr=False)
    origin: Mapping[Section, bytes | memoryview] = field(default_factory=dict, repr=False)
    kind: Kind = Kind.PLAN
    lazy: LazyWeights | None = field(default=None, repr=False)
    code: bytes | memoryview = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.passport.name

    def save(self, path: PathLike) -> None:
        """Write the plan to a file, at once or not at all; `PlanWriteError` leaves an existing file as it was."""
        write_artifact(path, self.kind, self._sections(), self.passport)

    def to_bytes(self) -> bytes:
        """The plan as `save` would write it."""
        return artifact_bytes(self.kind, self._sections(), self.passport)

    def _sections(self) -> dict[Section, Any]:
        if self.lazy is not None:
            self.lazy.check_all()  # a copy would get right digests for whatever the weights are
        code = {Section.CODE: self.code} if self.code else {}
        return {Section.META: encode_json(self.meta), Section.WEIGHTS: self.weights.data, **self.origin, **code}

    @staticmethod
    def load(
        source: PathLike | bytes | bytearray | memoryview,
        *,
        verify: str = "full",
        mmap: bool = True,
        trust: Trust = None,
    ) -> Plan:
        """Read a plan from a file (its weights stay mapped) or from bytes; raises a `PlanError` for any other bytes."""
        return open_as(source, PLANS, Plan.decode, verify=verify, mmap=mmap, trust=trust)

    @property
    def head(self) -> Meta | MetaHead:
        """Inputs, outputs, profiles and the like, which `meta` has, too."""
        return self.meta

    @property
    def records(self) -> Records | None:
        """The programs as native code read them, if it did."""
        return None

    @staticmethod
    def decode(artifact: Artifact) -> Plan:
        """The plan in an artifact that passed its checks; raises PlanInvalid or PlanLimitExceeded."""
        head, code = artifact.decode(Section.META, MetaHead), artifact.sections.get(Section.CODE, b"")
        origin = {section: artifact.sections[section] for section in ORIGIN if section in artifact.sections}
        records = _read_records(head, artifact, len(code))
        rest = dict[str, Any](
            weights=artifact.weights,
            passport=artifact.passport,
            origin=origin,
            kind=artifact.kind,
            lazy=artifact.lazy,
            code=code,
        )
        if records is None:
            return Plan(_decode_meta(artifact, len(code)), **rest)
        return _ReadPlan.of(_Read(head, records, artifact), rest)


@dataclass(frozen=True, slots=True)
class _Read:
    """What native code read of META, and the artifact that has the rest."""

    head: MetaHead
    records: Records
    artifact: Artifact


class _ReadPlan(Plan):
    """A plan whose programs native code read: Python makes objects of them when it is asked for `meta`.

    A copy by `dataclasses.replace` has its `meta` and is like any other plan.
    """

    _read: _Read | None = None

    @staticmethod
    def of(read: _Read, rest: Mapping[str, Any]) -> _ReadPlan:
        """A plan with all its fields but `meta`."""
        plan = _ReadPlan.__new__(_ReadPlan)
        plan.__dict__.update(rest, report=None, _read=read)
        return plan

    @cached_property
    def meta(self) -> Meta:
        """The records; what native code took has no fault that Python would find."""
        assert self._read is not None
        return self._read.artifact.decode(Section.META, Meta)

    @property
    def head(self) -> Meta | MetaHead:
        return self.meta if self._read is None else self._read.head

    @property
    def records(self) -> Records | None:
        return None if self._read is None else self._read.records


def _read_records(head: MetaHead, artifact: Artifact, code: int) -> Records | None:
    """The programs and weights as native code reads them; None where Python has to."""
    if head.operators:
        return None  # they need the records of their weights
    try:
        check_head(head, code)
    except ValueError:
        return None
    return read_records(bytes(head.programs), bytes(head.weights), artifact.weights, engine_ends(head))


def _decode_meta(artifact: Artifact, code: int) -> Meta:
    """All records as Python objects, after the checks."""
    meta = artifact.decode(Section.META, Meta)
    try:
        check_meta(meta, artifact.weights, code)
    except ValueError as error:
        raise invalid_content(error, artifact, Section.META, limit=isinstance(error, TooMany)) from error
    return meta
