"""Opens shared libraries with cffi and keeps them open, and finds functions and data in them."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI

from enginewright.errors import PluginError, PluginInvalid

_open: dict[tuple[str, int, int], Any] = {}  # never closed: kernels may be called until the process ends
_lock = threading.Lock()


def function_address(path: Path, symbol: str) -> int:
    """The address of an exported function; `PluginInvalid` where there is none of this name."""
    return _address(path, symbol, f"int32_t {symbol}(const void *);", "function")


def data_address(path: Path, symbol: str) -> int:
    """The address of exported data; `PluginInvalid` where there is none of this name."""
    return _address(path, symbol, f"extern uint32_t {symbol};", "data")


def _address(path: Path, symbol: str, declaration: str, kind: str) -> int:
    with _lock:
        ffi = _declared(declaration)
        library = _opened(path, ffi)
        try:
            found = getattr(library, symbol) if kind == "function" else ffi.addressof(library, symbol)
        except AttributeError:
            raise PluginInvalid(
                f"{path.name} exports no {kind} {symbol}", hint="Define it, not static and not hidden.", where=str(path)
            ) from None
        return int(ffi.cast("intptr_t", found))


@cache
def _declared(declaration: str) -> FFI:
    ffi = FFI()
    ffi.cdef(declaration)
    return ffi


def _opened(path: Path, ffi: FFI) -> Any:
    """The library through these declarations; each file is opened once for each, and stays open."""
    try:
        status = path.stat()
        key = str(path), status.st_mtime_ns, id(ffi)
        if key not in _open:
            _open[key] = ffi.dlopen(str(path), ffi.RTLD_NOW | ffi.RTLD_LOCAL)
    except OSError as error:
        raise PluginError(
            f"the library {path.name} can't be opened: {error}",
            hint="Install the plugin again, or build its library for this machine.",
            where=str(path),
        ) from None
    return _open[key]
