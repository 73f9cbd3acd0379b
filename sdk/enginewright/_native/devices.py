"""Libraries of devices beside the host: each brings memory, streams, graphs and kernels of one kind of device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from enginewright._native.library import ABI, LIBRARY, OK, check_abi, ffi, lib
from enginewright.errors import NativeError

CUDA_LIBRARY = LIBRARY.with_name("libenginewright_cuda.so")
_libraries: dict[str, Any] = {}


def add_device(path: Path = CUDA_LIBRARY) -> str:
    """Load the library of a kind of device, once; the kind's name. `NativeError` where it is missing or foreign."""
    known = _libraries.get(str(path))
    if known is None:
        try:
            library = ffi.dlopen(str(path), ffi.RTLD_NOW | ffi.RTLD_LOCAL)
            device = library.ew_device_v1()
        except (OSError, AttributeError) as error:
            hint = "Install a package that was built where nvcc is, or run `make native` there."
            raise NativeError(f"the CUDA kernels cannot be loaded: {error}", hint=hint) from None
        check_abi(device.abi_major << 16 | device.abi_minor)
        register_device(device)
        known = _libraries[str(path)] = library, device
    return str(ffi.string(known[1].name).decode())


def register_device(device: Any) -> None:
    """Make a device known by its C table, which must stay alive."""
    if lib.ew_device_add(device) != OK:
        raise NativeError("another device, or a kernel of it, has the same name", hint="Load one library of a kind.")


def device_library(path: Path = CUDA_LIBRARY) -> Any:
    """The loaded library of a device, for functions that it alone exports."""
    add_device(path)
    return _libraries[str(path)][0]


__all__ = ["ABI", "CUDA_LIBRARY", "add_device", "device_library", "register_device"]
