"""The C interface as facts: sizes and offsets of structures, and constants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER = "native/include/enginewright.h"
SECTION = re.compile(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", re.DOTALL)
PRIVATE = "the calls below are for the Python package"


def c_facts(root: Path) -> Iterator[tuple[str, Any]]:
    """Yield what the header of a tree declares for plugins; the calls for the Python package are no promise."""
    text = (root / HEADER).read_text(encoding="utf-8")
    yield "c abi", abi_version(text)
    yield from interface(text)


def abi_version(header: str) -> str:
    """Return "major.minor" of the interface."""
    return ".".join(re.findall(r"#define EW_ABI_(?:MAJOR|MINOR) (\d+)", header))


def interface(header: str) -> Iterator[tuple[str, Any]]:
    """Yield structures with size and fields (offset, size, type), and enumerators."""
    from cffi import FFI

    promised = "\n".join(SECTION.findall(header)).partition(PRIVATE)[0].rpartition("/*")[0]
    ffi = FFI()
    ffi.cdef(promised)
    for name in sorted({name for group in ffi.list_types() for name in group}):
        kind = ffi.typeof(name if name in ffi.list_types()[0] else f"struct {name}")
        if kind.kind in ("struct", "union") and kind.fields is not None:
            fields = {
                field: [member.offset, ffi.sizeof(member.type), member.type.cname] for field, member in kind.fields
            }
            yield f"c {kind.kind} {name}", {"size": ffi.sizeof(kind), "fields": fields}
    for name, value in re.findall(r"\b(EW_[A-Z0-9_]+) = (\d+)", promised):
        yield f"c enumerator {name}", int(value)
