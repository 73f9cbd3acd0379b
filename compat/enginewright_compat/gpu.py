"""The NVIDIA GPUs of this machine, asked of the library that comes with the driver: no GPU gets a context for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
_TEXT = 96  # bytes that NVML asks for names, UUIDs and versions


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one MIG instance: `compute_capability` is written as "sm_90", `memory` is in bytes (0 if unknown)."""

    name: str
    compute_capability: str
    memory: int
    uuid: str


@dataclass(frozen=True, slots=True)
class Gpus:
    """All GPUs, the version of the driver ("580.82.07"), and the newest CUDA that it can run ("13.0")."""

    driver: str = ""
    cuda: str = ""
    devices: tuple[Gpu, ...] = ()


@cache
def find_gpus() -> Gpus:
    """Return what the driver tells; nothing where there is none."""
    import ctypes  # not for those who only ask about a CPU plan

    try:
        return read_gpus(ctypes.CDLL(LIBRARY))
    except (OSError, AttributeError):  # no driver, or one of before MIG
        return Gpus()


def read_gpus(nvml: Any) -> Gpus:
    """Return what a loaded NVML tells."""
    if nvml.nvmlInit_v2() != 0:
        return Gpus()
    try:
        version = _number(nvml.nvmlSystemGetCudaDriverVersion_v2)
        cuda = f"{version // 1000}.{version % 1000 // 10}" if version else ""
        return Gpus(_text(nvml.nvmlSystemGetDriverVersion), cuda, tuple(_devices(nvml)))
    finally:
        nvml.nvmlShutdown()


def _devices(nvml: Any) -> Iterator[Gpu]:
    """Yield each GPU, or its MIG instances in its place, as CUDA does."""
    for index in range(_number(nvml.nvmlDeviceGetCount_v2)):
        for gpu in _handle(nvml.nvmlDeviceGetHandleByIndex_v2, index):
            capability = _capability(nvml, gpu)
            most = range(_number(nvml.nvmlDeviceGetMaxMigDeviceCount, gpu))
            instances = [found for one in most for found in _handle(nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, one)]
            for part in instances or [gpu]:
                name, uuid = _text(nvml.nvmlDeviceGetName, part), _text(nvml.nvmlDeviceGetUUID, part)
                yield Gpu(name, capability, _memory(nvml, part), uuid)


def _capability(nvml: Any, gpu: Any) -> str:
    from ctypes import byref, c_int

    major, minor = c_int(), c_int()
    failed = nvml.nvmlDeviceGetCudaComputeCapability(gpu, byref(major), byref(minor))
    return "" if failed else f"sm_{major.value}{minor.value}"


def _memory(nvml: Any, gpu: Any) -> int:
    from ctypes import c_ulonglong

    total_free_used = (c_ulonglong * 3)()
    return 0 if nvml.nvmlDeviceGetMemoryInfo(gpu, total_free_used) else int(total_free_used[0])


def _handle(call: Callable[..., int], *which: Any) -> list[Any]:
    """Return the handle that a function of NVML gives; nothing where it fails."""
    from ctypes import byref, c_void_p

    handle = c_void_p()
    return [] if call(*which, byref(handle)) else [handle]


def _number(call: Callable[..., int], *which: Any) -> int:
    """Return the number that a function of NVML gives; 0 where it fails."""
    from ctypes import byref, c_int

    number = c_int()
    return 0 if call(*which, byref(number)) else number.value


def _text(call: Callable[..., int], *which: Any) -> str:
    """Return the text that a function of NVML gives; "" where it fails."""
    from ctypes import create_string_buffer

    text = create_string_buffer(_TEXT)
    return "" if call(*which, text, _TEXT) else text.value.decode(errors="replace")
