"""Reads from a plugin library, without loading it, for which C interface it was compiled."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

ELF64_LITTLE = b"\x7fELF\x02\x01"
SYMBOL = b"ew_plugin_v1"
HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
DYNSYM, LOAD = 11, 1
PROGRAM = struct.Struct("<IIQQQQQQ")
ENTRY = struct.Struct("<IBBHQQ")
DATA = struct.Struct("<III")


class _Section(NamedTuple):
    kind: int
    offset: int
    size: int
    link: int


def library_abi(path: Path) -> tuple[int, int] | None:
    """Return major and minor of the C interface of a plugin library; None for any other file.

    The number lies in exported data (`ew_plugin_v1`: size, major, minor), so nothing of the library has to run.
    """
    with path.open("rb") as file:
        if file.read(len(ELF64_LITTLE)) != ELF64_LITTLE:
            return None
    try:
        return _read_abi(path.read_bytes())
    except (struct.error, IndexError, OverflowError):
        return None  # cut off or damaged: no library


def _read_abi(data: bytes) -> tuple[int, int] | None:
    _, _, _, _, programs, sections, _, _, _, n_programs, _, n_sections, _ = HEADER.unpack_from(data)
    found = []
    for index in range(n_sections):
        _, kind, _, _, offset, size, link, *_ = SECTION.unpack_from(data, sections + index * SECTION.size)
        found.append(_Section(kind, offset, size, link))
    for section in found:
        if section.kind == DYNSYM:
            address = _address(data, section, found[section.link])
            if address is not None:
                return _numbers(data, address, programs, n_programs)
    return None


def _address(data: bytes, symbols: _Section, names: _Section) -> int | None:
    """Return the address of the exported data, None if the library has none."""
    for offset in range(symbols.offset, symbols.offset + symbols.size, ENTRY.size):
        name, _, _, section, value, _ = ENTRY.unpack_from(data, offset)
        start = names.offset + name
        if section and data[start : start + len(SYMBOL) + 1] == SYMBOL + b"\0":
            return int(value)
    return None


def _numbers(data: bytes, address: int, programs: int, count: int) -> tuple[int, int] | None:
    """Return the two numbers behind the size at an address of the loaded library."""
    for index in range(count):
        kind, _, offset, start, _, size, _, _ = PROGRAM.unpack_from(data, programs + index * PROGRAM.size)
        if kind == LOAD and start <= address < start + size:
            _, major, minor = DATA.unpack_from(data, offset + address - start)
            return int(major), int(minor)
    return None
