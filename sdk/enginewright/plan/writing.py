"""Writes an artifact: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from enginewright.errors import PlanDetails, PlanInvalid, PlanLimitExceeded, PlanWriteError
from enginewright.plan.hashing import chunk_digests, piece_sums
from enginewright_compat.layout import (
    ALLOWED,
    ENTRY_SIZE,
    FORMAT,
    HAS_CODE,
    HEADER_SIZE,
    LIMITS,
    NEEDED,
    SHA256_AND_BLAKE3,
    ZERO_DIGEST,
    Entry,
    Header,
    Kind,
    Prefix,
    Section,
    align_up,
    piece_count,
    root_digest,
    section_align,
    section_flags,
)
from enginewright_compat.passport import Passport, encode_passport, target_digest
from enginewright_compat.version import parse_version

Data = bytes | bytearray | memoryview | npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Sealed:
    """An artifact ready to be written: the bytes before the first section, and each section at its offset."""

    head: bytes
    sections: tuple[tuple[Entry, memoryview], ...]

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield everything behind the head in order, gaps included."""
        end = len(self.head)
        for entry, data in self.sections:
            yield bytes(entry.offset - end)
            yield data
            end = entry.end


def artifact_bytes(kind: Kind, sections: Mapping[Section, Data], passport: Passport) -> bytes:
    """Return an artifact as bytes; PASSPORT, CHUNKS and SUMS are made here. Raises PlanInvalid or PlanLimitExceeded."""
    sealed = _seal(kind, sections, passport)
    return b"".join((sealed.head, *sealed.pieces()))


def write_artifact(
    path: str | os.PathLike[str], kind: Kind, sections: Mapping[Section, Data], passport: Passport
) -> None:
    """Write an artifact to a file, replacing an existing one at once; raise PlanWriteError and leave the old one.

    A temporary file in the same folder is written, synced and renamed. It is locked while its writer lives; one whose
    lock is free belongs to a dead process and is removed here.
    """
    sealed = _seal(kind, sections, passport)
    replace_file(Path(path), sealed.head, sealed.pieces(), kind.label)


def replace_file(target: Path, head: bytes, pieces: Iterable[bytes | memoryview], label: str) -> None:
    """Write `head` and what follows it, `head` last, and put it in the place of `target`; raise PlanWriteError."""
    try:
        remove_abandoned(target.parent)
        with _temporary(target) as (temporary, file):
            file.seek(len(head))
            for piece in pieces:
                file.write(piece)
            file.seek(0)
            file.write(head)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), _final_mode(target))
            temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise PlanWriteError(
            f"{label}: cannot write: {error.strerror or error}",
            hint="check that the folder exists, may be written, and has space; an existing file is intact",
            where=str(target),
            details=PlanDetails(label),
        ) from error


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files of dead writers, known by their free lock."""
    for path in folder.glob(".*.ew-tmp"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _seal(kind: Kind, sections: Mapping[Section, Data], passport: Passport) -> _Sealed:
    """Lay out the sections in the order of their types, and compute all digests."""
    contents = {section: _bytes_of(data) for section, data in sections.items()}
    if Section.WEIGHTS in contents:
        weights = contents[Section.WEIGHTS]
        contents[Section.CHUNKS] = memoryview(chunk_digests(weights))
        if Section.SUMS in ALLOWED[kind] and piece_count(len(weights)):
            contents[Section.SUMS] = memoryview(piece_sums(weights))
    contents[Section.PASSPORT] = memoryview(_encode(kind, passport))
    _check_sections(kind, contents)
    offset, entries = HEADER_SIZE + ENTRY_SIZE * len(contents), []
    for section in sorted(contents):
        align = section_align(section)
        start = align_up(offset, align)
        digest = hashlib.sha256(contents[Section.CHUNKS if section is Section.WEIGHTS else section]).digest()
        entries.append(Entry(section, section_flags(section), start, len(contents[section]), align, digest))
        offset = start + len(contents[section])
    target = target_digest(bytes(contents[Section.PASSPORT]))
    head = _head(kind, entries, passport, target)
    return _Sealed(head, tuple((entry, contents[Section(entry.type)]) for entry in entries))


def _bytes_of(data: Data) -> memoryview:
    """Return the bytes of a buffer or of an array of any dtype; without a copy if it is contiguous."""
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
    return memoryview(data).cast("B")


def _head(kind: Kind, entries: list[Entry], passport: Passport, target: bytes) -> bytes:
    """Return prefix, header and section table, sealed."""
    prefix = Prefix(
        format=FORMAT,
        kind=kind,
        flags_incompat=HAS_CODE if any(entry.type == Section.CODE for entry in entries) else 0,
        version=parse_version(passport.enginewright),
        file_size=entries[-1].end,
        header_size=HEADER_SIZE,
        n_sections=len(entries),
        entry_size=ENTRY_SIZE,
        flags_compat=0,
    ).pack()
    table = b"".join(entry.pack() for entry in entries)
    header = Header(
        root=ZERO_DIGEST,
        table=hashlib.sha256(table).digest(),
        target=target,
        recipe=next((entry.digest for entry in entries if entry.type == Section.RECIPE), ZERO_DIGEST),
        signature=bytes(64),
        key_id=ZERO_DIGEST,
        digest_alg=SHA256_AND_BLAKE3,
        signature_alg=0,
        signature_crc=0,
    )
    return prefix + replace(header, root=root_digest(prefix, header, table)).pack() + table


def _encode(kind: Kind, passport: Passport) -> bytes:
    try:
        return encode_passport(passport)
    except ValueError as error:
        raise PlanInvalid(
            f"{kind.label}: PASSPORT: {error}",
            hint="shorten names, or correct the field that is named",
            details=PlanDetails(kind.label, "PASSPORT", str(error), "a passport"),
        ) from error


def _check_sections(kind: Kind, contents: Mapping[Section, memoryview]) -> None:
    """Refuse to write what the reader would refuse: sections that this kind lacks or may not have, or over a limit."""
    if not NEEDED[kind] <= contents.keys() <= ALLOWED[kind]:
        given, needed = (", ".join(s.name for s in sorted(names)) for names in (contents.keys(), NEEDED[kind]))
        raise PlanInvalid(
            f"{kind.label}: given the sections {given}",
            hint=f"give {needed} and only what a {kind.label} may have",
            details=PlanDetails(kind.label, "sections", given, needed),
        )
    for section, limit in LIMITS.items():
        if len(contents.get(section, b"")) > limit:
            raise PlanLimitExceeded(
                f"{kind.label}: {section.name} has {len(contents[section]):,} bytes, at most {limit:,} are allowed",
                hint="build a smaller model",
                details=PlanDetails(kind.label, section.name, f"{len(contents[section]):,}", f"{limit:,}"),
            )


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Give a locked new file beside `target`, removed again unless it was renamed."""
    path, file = _create_locked(target)
    with file:
        try:
            yield path, file
        finally:
            path.unlink(missing_ok=True)


def _create_locked(target: Path) -> tuple[Path, BinaryIO]:
    """Create and lock a temporary file; again if a cleaner took it for abandoned in between."""
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(8)}.ew-tmp")
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()


def _final_mode(target: Path) -> int:
    """Return the mode of the file that is replaced, else what the umask of this process leaves."""
    if target.exists():
        return target.stat().st_mode & 0o777
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    umask = re.search(r"^Umask:\s*([0-7]+)$", status, re.MULTILINE)
    return 0o666 & ~int(umask.group(1), 8) if umask else 0o600


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
