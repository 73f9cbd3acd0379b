"""The byte layout of format 1.1: numbers, structures and limits of the container, shared by reader and writer."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from enginewright_compat.version import Version

MAGIC = b"\x89EWP\r\n\x1a\n"
FORMAT = (1, 1)
PREFIX_SIZE = 64
HEADER_SIZE = 320
ENTRY_SIZE = 80
DIGEST_SIZE = 32
ALIGN = 64
WEIGHTS_ALIGN = 4096
CHUNK = 4 << 20
PIECE = 256 << 10
SUM_SIZE = 16
ZERO_DIGEST = bytes(DIGEST_SIZE)
SIGNED_TEXT = b"enginewright artifact v1\0"

MAX_SECTIONS = 64
MAX_PASSPORT = 256 << 10
MAX_JSON = 64 << 20
MAX_SIZE = (1 << 63) - 1
MAX_RANK = 8
MAX_DIMENSION = (1 << 31) - 1
MAX_NAME = 1024
MAX_STRING = 1 << 20
MAX_DEPTH = 32
MAX_RECORDS = 1_000_000

PREFIX = struct.Struct("<8sHHHHIIIIQIIIIII")
HEADER = struct.Struct("<32s32s32s32s64s32sHHI24s")
ENTRY = struct.Struct("<IIQQQ32s16s")


class Kind(IntEnum):
    """The four kinds of artifact."""

    PLAN = 1
    TIMING_CACHE = 2
    CALIBRATION_CACHE = 3
    SAFE_PLAN = 4

    @property
    def label(self) -> str:
        """The name as people read it: "timing cache"."""
        return self.name.lower().replace("_", " ")


class Section(IntEnum):
    """The types of sections."""

    PASSPORT = 1
    META = 2
    WEIGHTS = 3
    CHUNKS = 4
    RECIPE = 5
    SOURCE = 6
    PROBES = 7
    LAYERINFO = 8
    CODE = 9
    ENTRIES = 10
    RANGES = 11
    SUMS = 12


class SectionFlag(IntFlag):
    """What a section table entry says about its section."""

    REQUIRED = 1
    CODE = 2
    CHUNKED = 4


HAS_CODE = 1  # the only bit of flags_incompat that this release knows
SHA256_AND_BLAKE3 = 1  # digest_alg
ED25519 = 1  # signature_alg

OPTIONAL = frozenset({Section.PROBES, Section.LAYERINFO, Section.SUMS})
NEEDED = {
    Kind.PLAN: frozenset({Section.PASSPORT, Section.META, Section.WEIGHTS, Section.CHUNKS}),
    Kind.TIMING_CACHE: frozenset({Section.PASSPORT, Section.ENTRIES}),
    Kind.CALIBRATION_CACHE: frozenset({Section.PASSPORT, Section.RANGES}),
    Kind.SAFE_PLAN: frozenset({Section.PASSPORT, Section.META, Section.WEIGHTS, Section.CHUNKS}),
}
ALLOWED = NEEDED | {
    Kind.PLAN: NEEDED[Kind.PLAN]
    | {Section.RECIPE, Section.SOURCE, Section.PROBES, Section.LAYERINFO, Section.CODE, Section.SUMS},
}
LIMITS = {
    Section.PASSPORT: MAX_PASSPORT,
    Section.META: MAX_JSON,
    Section.ENTRIES: MAX_JSON,
    Section.RANGES: MAX_JSON,
    Section.RECIPE: MAX_JSON,
}


def section_flags(section: Section) -> SectionFlag:
    """Return the flags that a section of this type always has."""
    flags = SectionFlag(0) if section in OPTIONAL else SectionFlag.REQUIRED
    if section is Section.CODE:
        flags |= SectionFlag.CODE
    if section is Section.WEIGHTS:
        flags |= SectionFlag.CHUNKED
    return flags


def section_align(section: Section | int) -> int:
    """Return the alignment of a section: a page for weights, which are mapped, a cache line for all others."""
    return WEIGHTS_ALIGN if section == Section.WEIGHTS else ALIGN


def align_up(offset: int, align: int) -> int:
    """Return the next multiple of `align`, a power of two."""
    return (offset + align - 1) & -align


def chunk_count(length: int) -> int:
    """Return the number of chunks of a chunked section of `length` bytes."""
    return -(-length // CHUNK)


def piece_count(length: int) -> int:
    """Return the number of pieces of weights of `length` bytes that have a sum: the last takes what is left over."""
    return length // PIECE


@dataclass(frozen=True, slots=True)
class Prefix:
    """Bytes 0-63, whose meaning never changes."""

    format: tuple[int, int]
    kind: int
    flags_incompat: int
    version: Version
    file_size: int
    header_size: int
    n_sections: int
    entry_size: int
    flags_compat: int
    zero: int = 0

    @property
    def kind_label(self) -> str:
        """The name of the kind, with its number if this release does not know it."""
        return Kind(self.kind).label if self.kind in Kind._value2member_map_ else f"artifact of kind {self.kind}"

    @property
    def has_code(self) -> bool:
        """Whether the artifact carries executable code."""
        return bool(self.flags_incompat & HAS_CODE)

    def pack(self) -> bytes:
        """Return the 64 bytes, sealed with their crc32."""
        fields = (*self.format, self.kind, self.flags_incompat, *self.version, self.file_size, self.header_size)
        counts = (self.n_sections, self.entry_size, self.flags_compat, self.zero)
        body = PREFIX.pack(MAGIC, *fields, *counts, 0)[:-4]
        return body + struct.pack("<I", zlib.crc32(body))


@dataclass(frozen=True, slots=True)
class Header:
    """Bytes 64-319: digests and signature."""

    root: bytes
    table: bytes
    target: bytes
    recipe: bytes
    signature: bytes
    key_id: bytes
    digest_alg: int
    signature_alg: int
    signature_crc: int
    zero: bytes = bytes(24)

    @property
    def is_signed(self) -> bool:
        """Whether there is a signature (which proves nothing before it is verified)."""
        return self.signature_alg != 0

    def pack(self) -> bytes:
        """Return the 256 bytes."""
        digests = (self.root, self.table, self.target, self.recipe, self.signature, self.key_id)
        return HEADER.pack(*digests, self.digest_alg, self.signature_alg, self.signature_crc, self.zero)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the section table; `type` is a plain number, because newer releases may add types."""

    type: int
    flags: int
    offset: int
    length: int
    align: int
    digest: bytes
    zero: bytes = bytes(16)

    @property
    def name(self) -> str:
        """The name of the section, its number if this release does not know it."""
        return Section(self.type).name if self.type in Section._value2member_map_ else f"section type {self.type}"

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length

    def pack(self) -> bytes:
        """Return the 80 bytes."""
        return ENTRY.pack(self.type, self.flags, self.offset, self.length, self.align, self.digest, self.zero)


def root_digest(prefix: bytes, header: Header, table: bytes) -> bytes:
    """Return the SHA-256 of prefix, header and table, taking root digest, signature and its crc32 as zero."""
    blank = Header(
        root=ZERO_DIGEST,
        table=header.table,
        target=header.target,
        recipe=header.recipe,
        signature=bytes(64),
        key_id=header.key_id,
        digest_alg=header.digest_alg,
        signature_alg=header.signature_alg,
        signature_crc=0,
        zero=header.zero,
    )
    return hashlib.sha256(prefix + blank.pack() + table).digest()
