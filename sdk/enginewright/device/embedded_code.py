"""Makes kernels ready that a plan carries as compiled objects; only of a plan that is trusted as a program is."""

from __future__ import annotations

import functools
import hashlib
import secrets
from contextlib import suppress
from pathlib import Path

from enginewright import _native
from enginewright.device.cache_folder import cache_folder, make_private
from enginewright.device.cuda_sources import kernel_of, queue_kernel
from enginewright.device.kernel_source import CompiledCode, check_stream
from enginewright.device.nvrtc import MachineCode
from enginewright.device.plugin_library import open_library
from enginewright.device.shared_objects import function_address
from enginewright.errors import PluginError


def load_code(code: CompiledCode) -> None:
    """Sign in the kernels of an object, unless they are known; a `PluginError` says why they can't be."""
    if all(_native.find_kernel(name) for name, _ in code.kernels):
        return
    if code.kind == "cubin":
        for name, symbol in code.kernels:
            _native.add_python_kernel(name, functools.partial(_queue, name, MachineCode(symbol, code.content)))
        return
    path = _unpacked(code.content)
    if code.kind == "library":
        open_library(path)
    for name, symbol in code.kernels if code.kind == "object" else ():
        _native.add_kernel(name, function_address(path, symbol))


def _queue(name: str, code: MachineCode, call: _native.KernelCall) -> None:
    check_stream(code.symbol, call)
    queue_kernel(code.symbol, kernel_of(name, lambda: code), call)


def _unpacked(content: bytes) -> Path:
    """The file of an object: libraries are opened by name, and no name but that of their own content is trusted."""
    folder = cache_folder() / "kernels"
    path = folder / f"embedded-{hashlib.sha256(content).hexdigest()}.so"
    half = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
    try:
        make_private(folder)
        if not path.is_file() or path.read_bytes() != content:
            half.write_bytes(content)
            half.replace(path)
    except OSError as error:
        with suppress(OSError):
            half.unlink()
        message = f"a kernel that the plan carries can't be unpacked: {error.strerror or error}"
        hint = "Set ENGINEWRIGHT_CACHE_DIR to a folder that may be written."
        raise PluginError(message, hint=hint, where=str(path)) from error
    return path
