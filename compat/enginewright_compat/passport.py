"""The passport: everything a person or a check needs to know of an artifact, without its graph or weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from enginewright_compat.container import (
    Container,
    Source,
    open_source,
    read_container,
    read_header,
    read_prefix,
    read_section,
)
from enginewright_compat.layout import MAX_DIMENSION, MAX_PASSPORT, MAX_RANK, ZERO_DIGEST, Entry, Header, Section
from enginewright_compat.reason import Reason, Refused
from enginewright_compat.records import canonical_json, from_plain, parse_canonical, to_plain
from enginewright_compat.version import Version, parse_version, running_version


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output: dtype as text ("float32"), smallest, tuned and largest shape over all profiles.

    An axis without an upper bound has the largest size that the format knows, 2^31 - 1.
    """

    name: str
    dtype: str
    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """The machine that a plan was built for.

    `needs` are the CPU features without which a kernel of the plan cannot run, `features` those the build machine had,
    both as in /proc/cpuinfo and sorted; `compute_capability` ("sm_90") and `driver` (the CUDA
    that the driver could run, "13.0") are empty for a CPU plan; `device` is the CPU or GPU that was timed.
    """

    arch: str
    needs: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    device: str = ""
    compute_capability: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True)
class PluginUse:
    """What a plan uses of one plugin operator; `nodes` are the ONNX nodes that it replaced."""

    key: str
    distribution: str
    version: str
    schema: str
    tactic: str
    level: int
    source: str
    abi: str
    needed: bool
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model behind an artifact: format ("onnx", "network"), file name, SHA-256 of file and graph in hex."""

    format: str
    file: str
    sha256: str
    graph: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far outputs may be from the reference."""

    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Passport:
    """The content of the PASSPORT section; caches have no inputs, outputs, target or plugins."""

    enginewright: str
    name: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    target: Target | None = None
    features: tuple[str, ...] = ()
    plugins: tuple[PluginUse, ...] = ()
    model: ModelInfo | None = None
    kernel_library: str = ""
    timings: str = ""
    memory: int = 0
    tolerance: Tolerance | None = None
    deprecations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be known of an artifact without loading it; `passport` is None if this release cannot read that far."""

    path: str
    prefix_kind: int
    kind: str
    version: Version
    file_size: int
    has_code: bool = False
    header: Header | None = None
    sections: tuple[Entry, ...] = ()
    passport: Passport | None = None
    unreadable: Reason | None = None

    @property
    def signed(self) -> bool:
        """Whether there is a signature, which proves nothing before it is verified."""
        return self.header is not None and self.header.is_signed


def encode_passport(passport: Passport) -> bytes:
    """Return the bytes of the PASSPORT section; raise ValueError if the passport breaks a rule or a limit."""
    data = canonical_json(to_plain(passport))
    if len(data) > MAX_PASSPORT:
        raise ValueError(f"the passport has {len(data):,} bytes, more than {MAX_PASSPORT:,}")
    decode_passport(data, strict=True)
    return data


@lru_cache(maxsize=8)  # the same file is often asked about and then loaded; a passport never changes
def decode_passport(data: bytes, *, strict: bool) -> Passport:
    """Return the passport in the bytes of its section; raise ValueError that names the field at fault."""
    passport = from_plain(Passport, parse_canonical(data), strict=strict)
    parse_version(passport.enginewright)
    for tensor in (*passport.inputs, *passport.outputs):
        _check_tensor(tensor)
    sets = [passport.features, passport.deprecations]
    if passport.target is not None:
        sets += [passport.target.needs, passport.target.features]
    if any(list(texts) != sorted(set(texts)) for texts in sets):
        raise ValueError("a list of features or deprecations is not sorted, or names one twice")
    if passport.memory < 0:
        raise ValueError("memory is negative")
    return passport


@lru_cache(maxsize=8)
def target_digest(data: bytes) -> bytes:
    """Return the SHA-256 of the target in the bytes of a passport, zero if there is none; raise ValueError."""
    plain = parse_canonical(data)
    target = plain.get("target") if isinstance(plain, dict) else None
    return ZERO_DIGEST if target is None else hashlib.sha256(canonical_json(target)).digest()


def check_passport(source: Source, container: Container) -> Passport:
    """Check 10: return the passport of a checked container; raise Refused."""
    data = read_section(source, container, Section.PASSPORT)
    version, kind = container.prefix.version, container.prefix.kind_label
    try:
        passport = decode_passport(data, strict=version == running_version())
        if parse_version(passport.enginewright) != version:
            raise ValueError(f"it names {passport.enginewright}, the prefix {version}")
        if container.header.target != target_digest(data):
            raise ValueError("the target digest of the header is another one")
    except ValueError as error:
        raise Refused(Reason("EW-P009", "PASSPORT", str(error), "a passport", "build the file again"), kind) from error
    return passport


def read_facts(path: Path) -> Facts:
    """Return what the prefix and passport of a file tell, whichever release wrote it.

    Raises Refused if the file is damaged or no artifact. A format that this release does not know is no damage: then
    `passport` is None and `unreadable` says why.
    """
    with open_source(path) as source:
        return facts_of(source, str(path))


def facts_of(source: Source, path: str) -> Facts:
    """Return the same for any source; `path` is what to call it."""
    prefix = read_prefix(source)
    facts = Facts(path, prefix.kind, prefix.kind_label, prefix.version, source.size, has_code=prefix.has_code)
    try:
        header = read_header(source, prefix)
        facts = replace(facts, header=header)
        container = read_container(source, prefix, header)
        passport = check_passport(source, container)
    except Refused as refusal:
        if not _is_foreign(prefix.version, refusal.reason):
            raise
        return replace(facts, unreadable=refusal.reason)
    return replace(facts, passport=passport, sections=container.entries)


def _is_foreign(version: Version, reason: Reason) -> bool:
    """Whether a failure may come from what another release writes, and not from damage."""
    return reason.code == "EW-P004" or (version != running_version() and reason.code in ("EW-P008", "EW-P009"))


def _check_tensor(tensor: TensorInfo) -> None:
    """Raise ValueError unless the three shapes are in order and within the limits."""
    if not len(tensor.min) == len(tensor.opt) == len(tensor.max) <= MAX_RANK:
        raise ValueError(f'"{tensor.name}" has shapes of different or too high rank')
    for low, middle, high in zip(tensor.min, tensor.opt, tensor.max, strict=True):
        if not 0 <= low <= middle <= high <= MAX_DIMENSION:
            raise ValueError(f'"{tensor.name}" has an axis with min {low}, opt {middle}, max {high}')
