"""The container of plans and caches: written atomically, mapped without a copy, every byte checked.

The byte layout and the order of the checks are those of the plan format. Checks that any release must be
able to make live in `enginewright_compat`; here are the digests of the content and the exceptions of the SDK.
"""

from __future__ import annotations

import hashlib
import logging
import mmap as memory_map
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from enginewright.errors import (
    ConfigError,
    PlanDetails,
    PlanError,
    PlanInvalid,
    PlanKindMismatch,
    PlanLimitExceeded,
)
from enginewright.plan.canonical import NotCanonical, decode_json, encode_json
from enginewright.plan.hashing import Claim, claim_of, early_claim
from enginewright.plan.lazy_weights import LazyWeights
from enginewright.plan.plugin_check import check_plugins
from enginewright.plan.writing import artifact_bytes, write_artifact
from enginewright.trust import Trust, check_trust_option, judge_trust
from enginewright.verdict import as_error
from enginewright_compat.container import (
    BytesSource,
    Container,
    corrupt_section,
    open_source,
    read_container,
    read_header,
    read_prefix,
)
from enginewright_compat.features import judge_features
from enginewright_compat.layout import DIGEST_SIZE, SUM_SIZE, Header, Kind, Prefix, Section
from enginewright_compat.machine import machine_for
from enginewright_compat.passport import Passport, check_passport
from enginewright_compat.reason import Refused
from enginewright_compat.rules import judge_target, judge_version, rebuild_command
from enginewright_compat.version import Version, running_version

__all__ = [
    "Artifact",
    "Kind",
    "Passport",
    "Section",
    "artifact_bytes",
    "decode_json",
    "encode_json",
    "invalid_content",
    "open_artifact",
    "open_as",
    "write_artifact",
]

_log = logging.getLogger("enginewright.plan")

DECODED = 56 << 20
Bytes = npt.NDArray[np.uint8]
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact that passed its checks; sections are read-only views of the mapped file."""

    kind: Kind
    version: Version
    passport: Passport
    sections: Mapping[Section, memoryview]
    where: str
    lazy: LazyWeights | None = None
    """Checks the weights before their first use; None: that was done, or was asked not to be."""

    @property
    def weights(self) -> Bytes:
        """The WEIGHTS section as read-only uint8 array, aligned to a page, without a copy; empty for caches."""
        view = self.sections.get(Section.WEIGHTS, memoryview(b""))
        return np.frombuffer(view, dtype=np.uint8) if len(view) else np.zeros(0, dtype=np.uint8)

    def decode(self, section: Section, content: type[Content]) -> Content:
        """Return a JSON section as the msgspec type `content`; raise PlanInvalid unless it is canonical."""
        view = self.sections.get(section)
        if view is None:
            raise PlanInvalid(
                f"{self.kind.label}: no section {section.name}",
                hint="build the file again",
                where=self.where,
                details=PlanDetails(self.kind.label, section.name, "no such section", "one"),
            )
        # The promise is twice the file and 64 MiB; encoding again for the comparison takes 1.5 times the section.
        allowed = DECODED + sum(map(len, self.sections.values())) // 2
        try:
            return decode_json(view, content, allowed=allowed)
        except NotCanonical as error:
            raise invalid_content(error, self, section, limit=error.over_limit) from error


def invalid_content(error: ValueError, artifact: Artifact, section: Section, *, limit: bool = False) -> PlanError:
    """Return the exception for a section whose JSON breaks a rule of this release, or a limit."""
    kind = artifact.kind.label
    cls = PlanLimitExceeded if limit else PlanInvalid
    details = PlanDetails(kind, section.name, str(error), "canonical JSON of this release")
    message = f"{kind}: {section.name}: {error}"
    return cls(message, hint="build the file again", where=artifact.where, details=details)


def open_artifact(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    kind: Kind,
    *,
    verify: str = "full",
    mmap: bool = True,
    trust: Trust = None,
) -> Artifact:
    """Open a file, or bytes, as an artifact of one kind, after the checks of the plan format in their order.

    `verify` is "full", "lazy" (`Artifact.lazy` then checks the weights before their first use), or "header", which
    skips their digests. `mmap=False` copies the file first. Raises PlanError or PluginNotFound, whatever the bytes are;
    ConfigError for an option that does not exist.
    """
    return open_as(source, kind, lambda artifact: artifact, verify=verify, mmap=mmap, trust=trust)


def open_as(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    kinds: Kind | tuple[Kind, ...],
    decode: Callable[[Artifact], Content],
    *,
    verify: str = "full",
    mmap: bool = True,
    trust: Trust = None,
    runtime: str = "standard",
) -> Content:
    """Open an artifact and return what `decode` makes of it, which works while other threads hash the weights."""
    _check_options(verify, trust)
    where = "bytes" if isinstance(source, bytes | bytearray | memoryview) else str(source)
    with _refusals(where):
        view = _view(source, mapped=mmap)
        wanted = _Wanted(kinds, trust, runtime)
        if verify == "full":
            return _open_verified(view, wanted, where, decode)
        artifact, container = _check_frame(view, wanted, where)
        _check_machine(artifact)
        _check_content(artifact.sections, container)
        if verify == "header":
            _log.warning('%s: opened with verify="header": damaged weights would not be noticed', where)
        elif Section.WEIGHTS in artifact.sections:
            weights, digests = artifact.sections[Section.WEIGHTS], artifact.sections[Section.CHUNKS]
            artifact = replace(artifact, lazy=LazyWeights(weights, digests, container.prefix, where))
        return decode(artifact)


def _open_verified(view: memoryview, wanted: _Wanted, where: str, decode: Callable[[Artifact], Content]) -> Content:
    """All checks, and what `decode` makes of the artifact, while other threads hash what must be its weights.

    If nobody signed it, whoever changes its weights can change their digests as well: then sums do, which find
    accidents as surely.
    """
    claim = early_claim(view)
    hashing = claim.hashing(view)
    try:
        hashing.begin()
        artifact, container = _check_frame(view, wanted, where)
        _check_machine(artifact)
        _check_content(artifact.sections, container)
        made, found = decode(artifact), hashing.finish()
    except BaseException:  # Ctrl-C too, wherever it comes
        hashing.cancel()
        raise
    if claim_of(container) != claim:
        raise corrupt_section(container.prefix, "WEIGHTS")  # the file was changed meanwhile
    _compare_weights(found, claim, artifact.sections, container.prefix)
    return made


def check_file(path: str | os.PathLike[str]) -> tuple[Artifact, Container, memoryview]:
    """Return a file of any kind and release as an artifact, its frame, and its bytes, after checking every digest.

    Checks 1, 2, 5 to 7, 9, 10 and the digests of 13 and 14: the file is what its writer wrote, wherever it may load.
    """
    where = str(path)
    with _refusals(where):
        view = _view(path, mapped=True)
        source = BytesSource(view)
        prefix = read_prefix(source)
        container = read_container(source, prefix, read_header(source, prefix))
        passport, sections = check_passport(source, container), _sections(view, container)
        _check_content(sections, container)
        for by_sums in (False, True) if Section.SUMS in sections else (False,):
            claim = replace(claim_of(container), by_sums=by_sums)
            _compare_weights(claim.hashing(view).finish(), claim, sections, container.prefix)
    return Artifact(container.kind, prefix.version, passport, sections, where), container, view


def _sections(view: memoryview, container: Container) -> dict[Section, memoryview]:
    """Return a view of each section."""
    return {Section(entry.type): view[entry.offset : entry.end] for entry in container.entries}


def _check_options(verify: str, trust: Trust) -> None:
    """Raise ConfigError for an option that does not exist."""
    if verify not in ("full", "lazy", "header"):
        raise ConfigError(f'verify="{verify}" is unknown', hint='use verify="full", "lazy" or "header"')
    check_trust_option(trust)


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Turn refusals of `enginewright_compat` into the exceptions of the SDK."""
    try:
        yield
    except Refused as refusal:
        raise as_error(refusal.reason, refusal.kind, where) from refusal


def _view(source: str | os.PathLike[str] | bytes | bytearray | memoryview, *, mapped: bool) -> memoryview:
    """Return a read-only view of the whole artifact, mapped or copied, that begins on a page.

    No page is mapped before it is read: the threads that hash the weights do that, each for its own.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _copy(memoryview(source).cast("B"))
    with open_source(source) as file:
        if file.size == 0:
            return memoryview(b"")
        view = memoryview(memory_map.mmap(file.descriptor, file.size, memory_map.MAP_SHARED, memory_map.PROT_READ))
    return view if mapped else _copy(view)


def _copy(data: memoryview) -> memoryview:
    """Return a read-only copy in fresh pages, so that weights are aligned as in a mapped file."""
    if len(data) == 0:
        return memoryview(b"")
    pages = memory_map.mmap(-1, len(data))
    view = memoryview(pages)
    view[:] = data
    return view.toreadonly()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What may be opened: the kinds, whose signature, and the runtime whose load rules hold."""

    kinds: Kind | tuple[Kind, ...]
    trust: Trust
    runtime: str


def _check_frame(view: memoryview, wanted: _Wanted, where: str) -> tuple[Artifact, Container]:
    """Checks 1 to 10: everything but the machine and the content of the sections."""
    source = BytesSource(view)
    prefix = read_prefix(source)
    kind = _check_kind(prefix, wanted.kinds, where)
    _check_release(source, prefix, wanted.runtime, where)
    header = read_header(source, prefix)
    _check_trust(prefix, header, wanted.trust, where)
    container = read_container(source, prefix, header)
    passport = check_passport(source, container)
    if wanted.runtime == "safety":
        for reason in judge_features(passport.features):
            raise as_error(reason, kind.label, where)
    sections = _sections(view, container)
    return Artifact(kind, prefix.version, passport, sections, where), container


def _check_kind(prefix: Prefix, kinds: Kind | tuple[Kind, ...], where: str) -> Kind:
    """Check 3; the first kind is the one that a refusal asks for."""
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    kind = allowed[0]
    if prefix.kind not in allowed:
        raise PlanKindMismatch(
            f"this is a {prefix.kind_label}, not a {kind.label}",
            hint=f"give a {kind.label}, or open this file as what it is",
            where=where,
            details=PlanDetails(prefix.kind_label, "kind", prefix.kind_label, kind.label),
        )
    return Kind(prefix.kind)


def _check_release(source: BytesSource, prefix: Prefix, runtime: str, where: str) -> None:
    """Check 4; passport and sections are read only for the rebuild command."""
    reason = judge_version(Kind(prefix.kind), prefix.version, running_version(), runtime)
    if reason is None:
        return
    try:
        container = read_container(source, prefix, read_header(source, prefix))
        names = [entry.name for entry in container.entries]
        rebuild = rebuild_command(where, prefix.kind_label, check_passport(source, container), names)
    except Refused:
        rebuild = ""
    raise as_error(reason, prefix.kind_label, where, rebuild)


def _check_trust(prefix: Prefix, header: Header, trust: Trust, where: str) -> None:
    """Check 8."""
    reason = judge_trust(header, has_code=prefix.has_code, trust=trust)
    if reason is not None:
        raise as_error(reason, prefix.kind_label, where)


def _check_machine(artifact: Artifact) -> None:
    """Checks 11 and 12: the target is this machine, and all plugins are installed."""
    target = artifact.passport.target
    for reason in judge_target(artifact.passport, machine_for(target.compute_capability if target else "")):
        raise as_error(reason, artifact.kind.label, artifact.where)
    if artifact.passport.plugins:
        check_plugins(artifact.passport.plugins, artifact.kind.label, artifact.where)


def _check_content(sections: Mapping[Section, memoryview], container: Container) -> None:
    """Check 13, as far as digests go: every section but the weights has the bytes that were written."""
    for entry in container.entries:
        section = Section(entry.type)
        if section in (Section.PASSPORT, Section.WEIGHTS):
            continue
        if hashlib.sha256(sections[section]).digest() != entry.digest:
            raise corrupt_section(container.prefix, section.name)


def _compare_weights(found: bytes, claim: Claim, sections: Mapping[Section, memoryview], prefix: Prefix) -> None:
    """Check 14: says which piece or chunk has not the sum or digest that was written."""
    if claim.by_sums:
        section, size, name, kind = Section.SUMS, SUM_SIZE, "piece", "sum"
    else:
        section, size, name, kind = Section.CHUNKS, DIGEST_SIZE, "chunk", "digest"
    expected = sections.get(section, b"")
    if found == expected:
        return
    starts = range(0, len(found), size)
    damaged = next(i for i in starts if found[i : i + size] != expected[i : i + size]) // size
    raise corrupt_section(prefix, f"WEIGHTS {name} {damaged}", kind)
