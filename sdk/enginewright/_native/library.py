"""Loads the native library and refuses one that does not belong to this package."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from enginewright.errors import (
    DeviceError,
    DeviceOutOfMemory,
    EnginewrightError,
    InputError,
    NativeDetails,
    NativeError,
    PlanDetails,
    PlanDeviceMismatch,
    PlanInvalid,
    RunError,
    ShapeError,
    UsageError,
)

ABI = (0, 1)
"""Major and minor version of the C interface that this package was written for."""
LIBRARY = Path(__file__).with_name("libenginewright.so")
REINSTALL = "Reinstall the package; in a source tree, run `make native`."

OK, FAILED, INVALID_PLAN, SHAPE, INPUT, OUT_OF_MEMORY, PYTHON, CANCELLED, UNKNOWN_KERNEL, USAGE, DEVICE = range(11)


def _load() -> tuple[Any, Any]:
    """The cffi objects `ffi` and `lib`; `NativeError` where the library is missing, broken or another version's."""
    try:
        ffi = importlib.import_module("enginewright._native._abi").ffi
        lib = ffi.dlopen(str(LIBRARY), ffi.RTLD_NOW | ffi.RTLD_LOCAL)
    except (ImportError, OSError) as error:
        raise NativeError(f"the native library cannot be loaded: {error}", hint=REINSTALL) from None
    check_abi(lib.ew_abi())
    return ffi, lib


def check_abi(number: int) -> None:
    """`NativeError` unless the library's C interface is the one this package was written for."""
    found = (number >> 16, number & 0xFFFF)
    if found != ABI:
        texts = [f"{major}.{minor}" for major, minor in (found, ABI)]
        raise NativeError(f"the native library has the C interface {texts[0]}, this package {texts[1]}", hint=REINSTALL)


ffi, lib = _load()


def error_of(status: int, message: str) -> EnginewrightError:
    """The exception for a status of native code."""
    text = message or f"native code returned status {status}"
    match status:
        case 1 | 7:
            return RunError(
                text, hint="The message says what the kernel refused." if status == FAILED else "Run again."
            )
        case 2:
            return PlanInvalid(text, hint="Build the plan again.", details=PlanDetails("plan"))
        case 3:
            return ShapeError(text, hint="Give inputs whose sizes agree with the model.")
        case 4:
            return InputError(text, hint="Correct the values in the inputs.")
        case 5:
            return DeviceOutOfMemory(text, hint="Use smaller inputs, fewer contexts, or a machine with more memory.")
        case 8:
            return PlanDeviceMismatch(text, hint="Build the plan on this machine.", details=PlanDetails("plan"))
        case 10:
            return DeviceError(text, hint="`enginewright doctor` shows the devices, drivers and libraries found.")
        case 9:
            return UsageError(text, hint="Bind every input, and use a context on one thread at a time.")
    return NativeError(text, hint="Run `enginewright doctor` and report this.", details=NativeDetails(status))
