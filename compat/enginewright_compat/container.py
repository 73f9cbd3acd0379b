"""Reads the container of an artifact of any release, checks it in the documented order, and opens none of its weights.

Implements checks 1, 2, 5, 6, 7, 9 of the plan format (`passport` has 10, `rules` has 3, 4, 11, 12). Each failure raises
`Refused` with the code of the check. A source is anything that returns bytes at an offset: a file, or bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from enginewright_compat.layout import (
    ALLOWED,
    DIGEST_SIZE,
    ED25519,
    ENTRY,
    ENTRY_SIZE,
    FORMAT,
    HAS_CODE,
    HEADER,
    HEADER_SIZE,
    LIMITS,
    MAGIC,
    MAX_SECTIONS,
    MAX_SIZE,
    NEEDED,
    PIECE,
    PREFIX,
    PREFIX_SIZE,
    SHA256_AND_BLAKE3,
    SUM_SIZE,
    ZERO_DIGEST,
    Entry,
    Header,
    Kind,
    Prefix,
    Section,
    SectionFlag,
    align_up,
    chunk_count,
    piece_count,
    root_digest,
    section_align,
    section_flags,
)
from enginewright_compat.reason import Reason, Refused
from enginewright_compat.version import Version

KNOWN_SECTIONS = frozenset(Section)
KNOWN_KINDS = frozenset(Kind)
COPY_AGAIN = "copy or build the file again"
OTHER_RELEASE = "load it with the release that wrote it, or build it again"

# How other files begin, so that the message can say what was given instead.
LOOKALIKES = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG", "a PNG image"),
    (b"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
    (b"<", "HTML or XML: was a download page saved?"),
    (b"{", "JSON"),
    *((bytes((0x80, protocol)), "a pickle") for protocol in range(2, 6)),
    *((bytes((0x08, ir_version)), "an ONNX model: build it first") for ir_version in range(1, 32)),
)


class Source(Protocol):
    """Bytes at an offset; `read` may return fewer at the end."""

    @property
    def size(self) -> int:
        """The size in bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`."""
        ...


@dataclass(frozen=True, slots=True)
class BytesSource:
    """An artifact in memory."""

    data: bytes | memoryview

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Return a copy of the bytes at `offset`."""
        return bytes(self.data[offset : offset + length])


@dataclass(frozen=True, slots=True)
class FileSource:
    """An artifact in an open file, read piece by piece."""

    descriptor: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`."""
        return os.pread(self.descriptor, length, offset)


@contextmanager
def open_source(path: str | os.PathLike[str]) -> Iterator[FileSource]:
    """Open a regular file for reading; anything else is refused without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise _not_recognized("no such file", "give the path of a file that is there") from error
    except (OSError, ValueError) as error:
        raise _not_recognized(f"a path that cannot be read: {error}", "give the path of a file") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _not_recognized("a folder or device", "give the path of a file")
        yield FileSource(descriptor, status.st_size)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Container:
    """The checked frame of an artifact: prefix, header, and the section table without unknown optional sections."""

    prefix: Prefix
    header: Header
    entries: tuple[Entry, ...]

    @property
    def kind(self) -> Kind:
        """The kind of artifact."""
        return Kind(self.prefix.kind)

    def find(self, section: Section) -> Entry | None:
        """Return the table entry of a section, None if the artifact does not have it."""
        return next((entry for entry in self.entries if entry.type == section), None)


def read_prefix(source: Source) -> Prefix:
    """Return bytes 0-63 after checks 1 and 2; works for an artifact of any release."""
    data = source.read(0, PREFIX_SIZE)
    if len(data) < PREFIX_SIZE or not data.startswith(MAGIC):
        raise _not_recognized(_describe(data), "give a file that Enginewright wrote")
    _, major, minor, kind, incompat, *rest, crc = PREFIX.unpack(data)
    version = Version(*rest[:4])
    prefix = Prefix((major, minor), kind, incompat, version, *rest[4:])
    if zlib.crc32(data[:-4]) != crc:
        raise Refused(Reason("EW-P002", "prefix crc32", f"{crc:#010x}", f"{zlib.crc32(data[:-4]):#010x}", COPY_AGAIN))
    return prefix


def read_header(source: Source, prefix: Prefix) -> Header:
    """Return bytes 64-319 after checks 5, 6 and 7."""
    _check_format(prefix)
    _check_counts(prefix, source.size)
    data = source.read(0, HEADER_SIZE + ENTRY_SIZE * prefix.n_sections)
    header = Header(*HEADER.unpack(data[PREFIX_SIZE:HEADER_SIZE]))
    _check_algorithms(prefix, header)
    _check_digests(prefix, header, data)
    return header


def read_container(source: Source, prefix: Prefix, header: Header) -> Container:
    """Return the frame of the artifact after check 9."""
    entries = tuple(
        Entry(*fields) for fields in ENTRY.iter_unpack(source.read(HEADER_SIZE, ENTRY_SIZE * prefix.n_sections))
    )
    _check_table(prefix, entries)
    _check_gaps(prefix, entries, source)
    if entries[0].type != Section.PASSPORT:
        raise _invalid(prefix, "first section", entries[0].name, "PASSPORT")
    container = Container(prefix, header, tuple(entry for entry in entries if entry.type in KNOWN_SECTIONS))
    _check_sections(container)
    return container


def read_section(source: Source, container: Container, section: Section) -> bytes:
    """Return the bytes of a small section after checking its SHA-256."""
    entry = container.find(section)
    if entry is None:
        raise _invalid(container.prefix, section.name, "no such section", "one")
    data = source.read(entry.offset, entry.length)
    if hashlib.sha256(data).digest() != entry.digest:
        raise corrupt_section(container.prefix, entry.name)
    return data


def corrupt_section(prefix: Prefix, name: str, kind: str = "digest") -> Refused:
    """Return the refusal of a section, or a part of it, whose bytes do not have the digest or sum that was written."""
    return Refused(
        Reason("EW-P002", f"{name} {kind}", "other bytes", "the bytes that were written", COPY_AGAIN),
        prefix.kind_label,
    )


def _describe(data: bytes) -> str:
    """Say what a file is that is no artifact."""
    if not data:
        return "an empty file"
    if data.startswith(MAGIC):
        return f"only {len(data)} bytes"
    if data[:4] in (MAGIC[:4], bytes(byte & 127 for byte in MAGIC[:4])):
        return "an artifact damaged by a transfer in text mode"
    return next((text for start, text in LOOKALIKES if data.startswith(start)), f"bytes {data[:8].hex(' ')}")


def _not_recognized(found: str, remedy: str) -> Refused:
    return Refused(Reason("EW-P001", "file", found, "an Enginewright artifact of at least 64 bytes", remedy))


def _invalid(prefix: Prefix, field: str, found: str, expected: str) -> Refused:
    return Refused(Reason("EW-P009", field, found, expected, "build the file again"), prefix.kind_label)


def _corrupt(prefix: Prefix, field: str, found: str, expected: str) -> Refused:
    return Refused(Reason("EW-P002", field, found, expected, COPY_AGAIN), prefix.kind_label)


def _unknown(prefix: Prefix, field: str, found: str, expected: str) -> Refused:
    return Refused(Reason("EW-P004", field, found, expected, OTHER_RELEASE), prefix.kind_label)


def _check_format(prefix: Prefix) -> None:
    """Check 5, as far as the prefix tells."""
    if prefix.format[0] != FORMAT[0]:
        raise _unknown(prefix, "format_major", str(prefix.format[0]), str(FORMAT[0]))
    if prefix.flags_incompat & ~HAS_CODE:
        raise _unknown(prefix, "flags_incompat", f"{prefix.flags_incompat:#x}", "0x0 or 0x1")
    if prefix.kind not in KNOWN_KINDS:
        raise _unknown(prefix, "kind", str(prefix.kind), "1, 2, 3 or 4")


def _check_counts(prefix: Prefix, size: int) -> None:
    """Check 6: sizes and counts."""
    if prefix.file_size != size:
        word = "truncated" if size < prefix.file_size else "extended"
        raise _corrupt(prefix, "file_size", f"{word}: {size:,} of {prefix.file_size:,} bytes", f"{prefix.file_size:,}")
    if not 1 <= prefix.n_sections <= MAX_SECTIONS:
        reason = Reason("EW-P008", "n_sections", str(prefix.n_sections), f"1 to {MAX_SECTIONS}", "build the file again")
        raise Refused(reason, prefix.kind_label)
    for field, found, expected in (
        ("header_size", prefix.header_size, HEADER_SIZE),
        ("entry_size", prefix.entry_size, ENTRY_SIZE),
    ):
        if found != expected:
            raise _invalid(prefix, field, str(found), str(expected))
    if HEADER_SIZE + ENTRY_SIZE * prefix.n_sections > size:
        raise _corrupt(prefix, "section table", f"{size:,} bytes", f"{prefix.n_sections} entries")


def _check_algorithms(prefix: Prefix, header: Header) -> None:
    """Check 5, the part that stands in the header."""
    if header.digest_alg != SHA256_AND_BLAKE3:
        raise _unknown(prefix, "digest_alg", str(header.digest_alg), str(SHA256_AND_BLAKE3))
    if header.signature_alg not in (0, ED25519):
        raise _unknown(prefix, "signature_alg", str(header.signature_alg), f"0 or {ED25519}")


def _check_digests(prefix: Prefix, header: Header, data: bytes) -> None:
    """Check 7: digests, signature crc32, zero fields; `data` ends with the section table."""
    table = data[HEADER_SIZE:]
    if hashlib.sha256(table).digest() != header.table:
        raise _corrupt(prefix, "table digest", "other bytes", "the table that was written")
    if root_digest(data[:PREFIX_SIZE], header, table) != header.root:
        raise _corrupt(prefix, "root digest", "other bytes", "the header that was written")
    signed = header.signature + header.key_id
    if header.signature_alg == 0:
        if any(signed) or header.signature_crc:
            raise _corrupt(prefix, "signature", "bytes", "zero, as there is no signature")
    elif zlib.crc32(signed) != header.signature_crc:
        raise _corrupt(prefix, "signature crc32", f"{header.signature_crc:#010x}", f"{zlib.crc32(signed):#010x}")
    if prefix.zero or any(header.zero):
        raise _corrupt(prefix, "reserved bytes", "bytes", "zero")


def _check_table(prefix: Prefix, entries: tuple[Entry, ...]) -> None:
    """Check 9: the table fills the file in order, without a hole."""
    end = HEADER_SIZE + ENTRY_SIZE * len(entries)
    for entry in entries:
        _check_unknown(prefix, entry)
        if any(entry.zero):
            raise _corrupt(prefix, f"{entry.name} reserved bytes", "bytes", "zero")
        if entry.align != section_align(entry.type):
            raise _invalid(prefix, f"{entry.name} align", str(entry.align), str(section_align(entry.type)))
        if entry.offset != align_up(end, entry.align):
            raise _invalid(prefix, f"{entry.name} offset", str(entry.offset), str(align_up(end, entry.align)))
        if entry.length > MAX_SIZE or entry.end > prefix.file_size:
            raise _invalid(prefix, f"{entry.name} length", str(entry.length), f"an end within {prefix.file_size} bytes")
        end = entry.end
    if end != prefix.file_size:
        raise _invalid(prefix, "last section", f"an end at {end}", f"the end of the file, {prefix.file_size}")


def _check_unknown(prefix: Prefix, entry: Entry) -> None:
    """Check that a section of unknown type may be skipped and brings no code past `flags_incompat`."""
    if entry.type in KNOWN_SECTIONS:
        return
    if entry.flags & SectionFlag.REQUIRED:
        raise _unknown(prefix, "required section", entry.name, "types that this release knows")
    if entry.flags & ~SectionFlag.CHUNKED:
        raise _invalid(prefix, f"{entry.name} flags", f"{entry.flags:#x}", "0x0 or 0x4")


def _check_gaps(prefix: Prefix, entries: tuple[Entry, ...], source: Source) -> None:
    """Check 9: nothing hides between sections."""
    end = HEADER_SIZE + ENTRY_SIZE * len(entries)
    for entry in entries:
        if source.read(end, entry.offset - end) != bytes(entry.offset - end):
            raise _corrupt(prefix, f"gap before {entry.name}", "bytes", "zero")
        end = entry.end


def _check_sections(container: Container) -> None:
    """Check 9: the right sections for this kind, each once and with its flags and limit."""
    prefix, known = container.prefix, {entry.type for entry in container.entries}
    if len(known) != len(container.entries):
        raise _invalid(prefix, "sections", "the same one twice", "each once")
    for missing in sorted(NEEDED[container.kind] - known):
        raise _invalid(prefix, "sections", f"no {missing.name}", "all that this kind needs")
    for foreign in sorted(known - ALLOWED[container.kind]):
        raise _invalid(prefix, "sections", Section(foreign).name, "only those that this kind may have")
    for entry in container.entries:
        _check_section(prefix, entry)
    if prefix.has_code != (Section.CODE in known):
        raise _invalid(prefix, "flags_incompat", f"{prefix.flags_incompat:#x}", "bit 0 exactly if there is CODE")
    _check_linked_digests(container)


def _check_section(prefix: Prefix, entry: Entry) -> None:
    """Check flags and limit of one known section."""
    if entry.flags != section_flags(Section(entry.type)):
        expected = f"{int(section_flags(Section(entry.type))):#x}"
        raise _invalid(prefix, f"{entry.name} flags", f"{entry.flags:#x}", expected)
    limit = LIMITS.get(Section(entry.type), MAX_SIZE)
    if entry.length > limit:
        reason = Reason("EW-P008", entry.name, f"{entry.length:,} bytes", f"at most {limit:,}", "build a smaller model")
        raise Refused(reason, prefix.kind_label)


def _check_linked_digests(container: Container) -> None:
    """Check that CHUNKS has one digest a chunk, SUMS one sum a piece, that CHUNKS seals WEIGHTS, the header RECIPE."""
    recipe, weights, chunks = (container.find(name) for name in (Section.RECIPE, Section.WEIGHTS, Section.CHUNKS))
    if container.header.recipe != (recipe.digest if recipe else ZERO_DIGEST):
        raise _invalid(container.prefix, "recipe digest", "another one", "the digest of RECIPE")
    if weights is None or chunks is None:
        return
    if chunks.length != DIGEST_SIZE * chunk_count(weights.length):
        expected = f"{chunk_count(weights.length)} digests"
        raise _invalid(container.prefix, "CHUNKS length", f"{chunks.length} bytes", expected)
    if weights.digest != chunks.digest:
        raise _invalid(container.prefix, "WEIGHTS digest", "another one", "the digest of CHUNKS")
    sums, pieces = container.find(Section.SUMS), piece_count(weights.length)
    if sums is not None and (pieces == 0 or sums.length != SUM_SIZE * pieces):
        expected = f"{pieces} sums" if pieces else f"none, for weights of less than {PIECE:,} bytes"
        raise _invalid(container.prefix, "SUMS length", f"{sums.length} bytes", expected)
