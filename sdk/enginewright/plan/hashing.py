"""Hashes weights chunk by chunk, on other threads while the rest of a plan is read."""

from __future__ import annotations

import os

import numpy as np

from enginewright import _native
from enginewright_compat.layout import (
    CHUNK,
    DIGEST_SIZE,
    ENTRY,
    ENTRY_SIZE,
    HEADER_SIZE,
    MAGIC,
    MAX_SECTIONS,
    PREFIX,
    PREFIX_SIZE,
    Section,
)

UNIT, NODES = 128 << 10, 16
"""Bytes for each of which the kernel wants room for so many digests."""
CLAIMED, BEGUN, NUMBERS = 0, 1, 2
NO_WORKSPACE = np.empty(0, np.uint8)
WORTH_WAKING = 1 << 20
"""From so many bytes on other threads begin: one takes as long to wake as to hash a fifth of them."""


class ChunkHashing:
    """The BLAKE3-256 of each 4 MiB chunk of `data`, computed natively, without the interpreter's lock.

    All who hash take pieces of `data` until none is left. After `begin`, the same thread must call `digests` or
    `cancel`: then no thread uses `data` any more, and others have the thread pool again.
    """

    def __init__(self, data: memoryview) -> None:
        count = -(-len(data) // CHUNK)
        self._size = len(data)
        self._digests = np.empty(count * DIGEST_SIZE, np.uint8)
        self._numbers = np.zeros(NUMBERS + count, np.int64)
        nodes = np.empty(-(-len(data) // UNIT) * NODES * DIGEST_SIZE, np.uint8)
        self._inputs = _native.TensorList([np.frombuffer(data, np.uint8)]) if len(data) else None
        self._outputs = _native.TensorList([self._digests, nodes, self._numbers])

    def begin(self) -> None:
        """Let all CPUs but the caller's hash."""
        if self._size >= WORTH_WAKING:
            self._call(len(os.sched_getaffinity(0)))

    def digests(self) -> bytes:
        """One digest after another; the caller hashes what is left."""
        self._call(0)
        return self._digests.tobytes()

    def cancel(self) -> None:
        """Hash no more."""
        self._numbers[CLAIMED] = self._size
        self._call(0)

    def _call(self, begin_with: int) -> None:
        if self._inputs is None:
            return
        kernel = f"cpu_blake3_chunks@{_native.isas()[0]}"
        _native.call_in_place(kernel, self._inputs, self._outputs, (CHUNK, begin_with), NO_WORKSPACE)


def chunk_digests(data: memoryview) -> bytes:
    """The BLAKE3-256 of each 4 MiB chunk of `data`, one after another, computed on all CPUs."""
    return ChunkHashing(data).digests()


def claimed_weights(view: memoryview) -> slice:
    """Where the section table of an unchecked artifact puts its weights: hashing them early believes nothing.

    Nowhere if there is no such table.
    """
    if len(view) >= PREFIX_SIZE and bytes(view[: len(MAGIC)]) == MAGIC:
        table = view[HEADER_SIZE : HEADER_SIZE + ENTRY_SIZE * min(PREFIX.unpack_from(view)[-5], MAX_SECTIONS)]
        for at in range(0, len(table) - ENTRY_SIZE + 1, ENTRY_SIZE):
            number, _, offset, length, *_ = ENTRY.unpack_from(table, at)
            if number == Section.WEIGHTS and offset + length <= len(view):
                return slice(offset, offset + length)
    return slice(0, 0)
