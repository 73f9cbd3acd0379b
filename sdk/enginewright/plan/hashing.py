"""Hashes weights piece by piece, on other threads while the rest of a plan is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from enginewright import _native
from enginewright_compat.container import Container
from enginewright_compat.layout import (
    CHUNK,
    DIGEST_SIZE,
    ENTRY,
    ENTRY_SIZE,
    HEADER,
    HEADER_SIZE,
    MAGIC,
    MAX_SECTIONS,
    PIECE,
    PREFIX,
    PREFIX_SIZE,
    SUM_SIZE,
    Header,
    Section,
    chunk_count,
    piece_count,
)

UNIT, NODES = 128 << 10, 16
"""Bytes for each of which the kernel of digests wants room for so many of them."""
CLAIMED, BEGUN, NUMBERS = 0, 1, 2
NO_WORKSPACE = np.empty(0, np.uint8)
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class Hashing:
    """What a kernel finds in each piece of `data`, computed natively, without the interpreter's lock.

    All who hash take parts of `data` until none is left. After `begin`, the same thread must call `finish` or `cancel`:
    then no thread uses `data` any more, and others have the thread pool again.
    """

    WORTH_WAKING = 1 << 20
    """From so many bytes on other threads begin: one takes as long to wake as to hash a fifth of them."""

    def __init__(self, data: memoryview, kernel: str, piece: int, found: Bytes, numbers: Numbers, *room: Bytes) -> None:
        self._size, self._piece, self._found, self._numbers = len(data), piece, found, numbers
        self._kernel = f"{kernel}@{_native.isas()[0]}"
        self._inputs = _native.TensorList([np.frombuffer(data, np.uint8)]) if len(data) else None
        self._outputs = _native.TensorList([found, numbers, *room])

    def begin(self) -> None:
        """Let all CPUs but the caller's hash."""
        if self._size >= self.WORTH_WAKING:
            self._call(len(os.sched_getaffinity(0)))

    def finish(self) -> bytes:
        """Hash what is left; return what was found, of one piece after another."""
        self._call(0)
        return self._found.tobytes()

    def cancel(self) -> None:
        """Hash no more."""
        self._numbers[CLAIMED] = self._size
        self._call(0)

    def _call(self, begin_with: int) -> None:
        if self._inputs is None:
            return
        _native.call_in_place(self._kernel, self._inputs, self._outputs, (self._piece, begin_with), NO_WORKSPACE)


class ChunkHashing(Hashing):
    """The BLAKE3-256 of each chunk of 4 MiB, which nobody can forge."""

    def __init__(self, data: memoryview) -> None:
        count = chunk_count(len(data))
        digests, numbers = np.empty(count * DIGEST_SIZE, np.uint8), np.zeros(NUMBERS + count, np.int64)
        nodes = np.empty(-(-len(data) // UNIT) * NODES * DIGEST_SIZE, np.uint8)
        super().__init__(data, "cpu_blake3_chunks", CHUNK, digests, numbers, nodes)


class PieceHashing(Hashing):
    """The XXH3-128 of each piece of 256 KiB, the last with what is left over: finds accidents, twice as fast."""

    WORTH_WAKING = 3 << 20

    def __init__(self, data: memoryview) -> None:
        sums = np.empty(piece_count(len(data)) * SUM_SIZE, np.uint8)
        super().__init__(data, "cpu_xxh3_pieces", PIECE, sums, np.zeros(NUMBERS, np.int64))


def chunk_digests(data: memoryview) -> bytes:
    """The BLAKE3-256 of each 4 MiB chunk of `data`, one after another, computed on all CPUs."""
    return ChunkHashing(data).finish()


def piece_sums(data: memoryview) -> bytes:
    """The XXH3-128 of each 256 KiB piece of `data`, which has one at least, computed on all CPUs."""
    return PieceHashing(data).finish()


@dataclass(frozen=True, slots=True)
class Claim:
    """Where an artifact has its weights, and whether their sums decide; nowhere if it has none."""

    start: int = 0
    end: int = 0
    by_sums: bool = False

    def hashing(self, view: memoryview) -> Hashing:
        """What to do with the weights in the artifact's bytes."""
        return (PieceHashing if self.by_sums else ChunkHashing)(view[self.start : self.end])


def claim_of(container: Container) -> Claim:
    """What a checked artifact says. Its sums decide if nobody signed it, for then its digests prove no more."""
    sections = {entry.type: (entry.offset, entry.end) for entry in container.entries}
    return _claim(sections, container.header)


def early_claim(view: memoryview) -> Claim:
    """What an unchecked artifact says, as far as it can be: hashing its weights early believes nothing."""
    if len(view) < HEADER_SIZE or bytes(view[: len(MAGIC)]) != MAGIC:
        return Claim()
    sections: dict[int, tuple[int, int]] = {}
    table = view[HEADER_SIZE : HEADER_SIZE + ENTRY_SIZE * min(PREFIX.unpack_from(view)[-5], MAX_SECTIONS)]
    for at in range(0, len(table) - ENTRY_SIZE + 1, ENTRY_SIZE):
        number, _, offset, length, *_ = ENTRY.unpack_from(table, at)
        sections[number] = offset, offset + length
    claim = _claim(sections, Header(*HEADER.unpack_from(view, PREFIX_SIZE)))
    return claim if claim.end <= len(view) else Claim()


def _claim(sections: Mapping[int, tuple[int, int]], header: Header) -> Claim:
    start, end = sections.get(Section.WEIGHTS, (0, 0))
    return Claim(start, end, Section.SUMS in sections and not header.is_signed and piece_count(end - start) > 0)
