"""Reads what a plugin library says of itself (`ew_plugin_v1`); signs its kernels in if its C interface fits ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from enginewright import _native
from enginewright._native.library import ffi
from enginewright.device.shared_objects import data_address
from enginewright.errors import PluginAbiMismatch, PluginConflict, PluginInvalid

MAX_KERNELS = 10_000
_by_id: dict[tuple[str, str], tuple[str, PluginLibrary]] = {}


@dataclass(frozen=True, slots=True)
class PluginLibrary:
    """An open library: its namespace, build id and C interface, and its kernels by name with the names signed in."""

    namespace: str
    build_id: str
    abi: tuple[int, int]
    kernels: Mapping[str, str]


def open_library(path: Path) -> PluginLibrary:
    """Open a library, once; `PluginAbiMismatch` (EW-G005) if it was built for a C interface that this host lacks.

    The description is data that is read before any function of the library is called. Code that runs when a library is
    opened (constructors) runs all the same: only open what you trust.
    """
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _opened(path, stamp)


@cache
def _opened(path: Path, _stamp: int) -> PluginLibrary:
    record = ffi.cast("const ew_plugin *", data_address(path, "ew_plugin_v1"))
    abi = _checked_abi(record, path)
    namespace, build_id = _text(record.ns, path), _text(record.build_id, path)
    if record.n_kernels > MAX_KERNELS:
        raise _broken(path, f"it lists {record.n_kernels:,} kernels")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = _by_id.get((namespace, build_id))
    if known is None:
        known = _by_id[namespace, build_id] = digest, _signed_in(record, path, abi)
    elif known[0] != digest:
        raise PluginConflict(
            f"two different libraries of {namespace} have the build id {build_id!r}",
            hint="Give each build an id of its own: a plan knows its kernels by it.",
            where=str(path),
        )
    return known[1]


def _signed_in(record: Any, path: Path, abi: tuple[int, int]) -> PluginLibrary:
    namespace, build_id = _text(record.ns, path), _text(record.build_id, path)
    kernels = {}
    for index in range(record.n_kernels):
        entry = record.kernels[index]
        if entry.run == ffi.NULL:
            raise _broken(path, f"kernel {index} has no function")
        name = _text(entry.name, path)
        kernels[name] = f"lib:{namespace}:{build_id}:{name}"
        _native.add_kernel(kernels[name], int(ffi.cast("intptr_t", entry.run)))
    return PluginLibrary(namespace, build_id, abi, kernels)


def _checked_abi(record: Any, path: Path) -> tuple[int, int]:
    """The interface version of a library whose record this host can read."""
    size = ffi.sizeof("ew_plugin")
    least = ffi.offsetof("ew_plugin", "kernels") + ffi.sizeof("void *")
    if record.struct_size < ffi.offsetof("ew_plugin", "n_kernels"):
        raise _broken(path, f"its struct_size is {record.struct_size}")
    major, minor = record.abi_major, record.abi_minor
    host_major, host_minor = _native.ABI
    if major != host_major or minor > host_minor:
        newer = (major, minor) > (host_major, host_minor)
        raise PluginAbiMismatch(
            f"{path.name} was built for the C interface {major}.{minor}, this host offers {host_major}.{host_minor}",
            hint="Install a newer enginewright." if newer else "Build the library again with the header of this host.",
            where=str(path),
        )
    if record.struct_size < least:
        raise _broken(path, f"its struct_size is {record.struct_size}, this interface has {size}")
    return int(major), int(minor)


def _text(pointer: Any, path: Path) -> str:
    if pointer == ffi.NULL:
        raise _broken(path, "a text is missing")
    try:
        found = ffi.string(pointer, 255).decode()
    except UnicodeDecodeError:
        raise _broken(path, "a text is no UTF-8") from None
    if not found or not found.isprintable():
        raise _broken(path, f"{found!r} is no name")
    return str(found)


def _broken(path: Path, what: str) -> PluginInvalid:
    return PluginInvalid(
        f"{path.name} does not describe itself as a plugin library: {what}",
        hint="Export the description with EW_PLUGIN(...) of enginewright.h.",
        where=str(path),
    )
