"""The records of a plan as a model wants them, read from their JSON without a Python object for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from enginewright._native.arrays import address
from enginewright._native.library import ffi, lib


@dataclass(frozen=True, eq=False, slots=True)
class Records:
    """The programs of a plan as words and strings (native/src/program.h)."""

    words: npt.NDArray[np.int64]
    strings: bytes
    uses_device: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """Type and rank of each input and output of the engine, which the first `entries` programs have."""

    inputs: Sequence[tuple[int, int]]
    outputs: Sequence[tuple[int, int]]
    entries: int
    limit: int
    """Of each kind of record, over all programs."""


def read_records(programs: bytes, weights: bytes, data: npt.NDArray[np.uint8], ends: Ends) -> Records | None:
    """Read the JSON of programs and weights; None where something is wrong, or too rare to be known here."""
    flat = [word for end in (*ends.inputs, *ends.outputs) for word in end]
    words = ffi.new("int64_t[]", flat)
    text = ffi.new("ew_plan_text *")
    text.programs, text.n_programs = ffi.from_buffer(programs), len(programs)
    text.weights, text.n_weights = ffi.from_buffer(weights), len(weights)
    text.bytes, text.n_bytes = address(data) if data.nbytes else ffi.NULL, data.nbytes
    text.ends, text.n_inputs, text.n_outputs, text.n_entries = words, len(ends.inputs), len(ends.outputs), ends.entries
    text.limit = ends.limit
    found = lib.ew_records_read(text)
    if found == ffi.NULL:
        return None
    try:
        copied = np.frombuffer(ffi.buffer(found.words, 8 * found.n_words), np.int64).copy()
        return Records(copied, ffi.buffer(found.strings, found.n_strings)[:], bool(found.uses_device))
    finally:
        lib.ew_records_free(found)
