"""The C interface as facts: sizes and offsets of structures, constants, functions; and one digest of them."""

from __future__ import annotations

import hashlib
import json
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
    """Yield structures with size and fields (offset, size), enumerators, and the text of function types."""
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


def digest(header: str) -> str:
    """Return the SHA-256 of everything that a plugin library was compiled against."""
    facts = json.dumps(dict(interface(header)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(facts.encode()).hexdigest()


def read_digests(path: Path) -> dict[str, str]:
    """Return the digest of each released version of the interface."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


def digest_problems(header: str, released: dict[str, str]) -> list[str]:
    """Return what is wrong if the interface of a released version has changed."""
    version = abi_version(header)
    if released.get(version, digest(header)) == digest(header):
        return []
    return [f"the C interface {version} was released and has changed: raise EW_ABI_MINOR (or EW_ABI_MAJOR)"]
