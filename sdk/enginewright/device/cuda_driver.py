"""Loads machine code into the GPU that is current, and launches kernels of it: the few calls of libcuda for that."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

from enginewright.errors import DeviceError, DeviceMissing

_MAJOR, _MINOR, _MAX_DYNAMIC_SHARED = 75, 76, 8  # CUdevice_attribute twice, CUfunction_attribute
_WITHOUT_ASKING = 48 * 1024


class Kernel:
    """A kernel that is loaded, and stays so."""

    def __init__(self, cubin: bytes, symbol: str) -> None:
        """Load it. `DeviceError` where the driver refuses the code."""
        library, self._handle, self.symbol = ctypes.c_void_p(), ctypes.c_void_p(), symbol
        _check("loading a kernel", "cuLibraryLoadData", ctypes.byref(library), cubin, None, None, 0, None, None, 0)
        _check("finding a kernel", "cuLibraryGetKernel", ctypes.byref(self._handle), library, symbol.encode())

    def parameter_sizes(self) -> list[int] | None:
        """Bytes of each parameter; None where the driver (before CUDA 12.4) does not tell."""
        ask = getattr(_driver(), "cuKernelGetParamInfo", None)
        if ask is None:
            return None
        sizes: list[int] = []
        offset, size = ctypes.c_size_t(), ctypes.c_size_t()
        while not ask(self._handle, ctypes.c_size_t(len(sizes)), ctypes.byref(offset), ctypes.byref(size)):
            sizes.append(size.value)
        return sizes

    def launch(self, geometry: Sequence[int], arguments: Sequence[Any], stream: int) -> None:
        """Queue it: `geometry` is grid, block (three numbers each) and shared bytes, `arguments` are ctypes values."""
        if geometry[6] > _WITHOUT_ASKING:
            device, most = _device(), ctypes.c_int(geometry[6])
            text = f"{geometry[6]:,} bytes of shared memory"
            _check(text, "cuKernelSetAttribute", _MAX_DYNAMIC_SHARED, most, self._handle, device)
        pointers = (ctypes.c_void_p * max(len(arguments), 1))(
            *(ctypes.cast(ctypes.byref(item), ctypes.c_void_p) for item in arguments)
        )
        _check(
            f"launching {self.symbol}", "cuLaunchKernel", self._handle, *map(ctypes.c_uint, geometry),
            ctypes.c_void_p(stream), pointers, None,
        )  # fmt: skip


def current_device() -> int:
    """The number of the GPU that is current on this thread."""
    return _device().value


def current_architecture() -> str:
    """The architecture of the GPU that is current on this thread: "sm_90"."""
    device = _device()
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        found = ctypes.c_int()
        _check("asking a GPU", "cuDeviceGetAttribute", ctypes.byref(found), attribute, device)
        numbers.append(found.value)
    return f"sm_{numbers[0]}{numbers[1]}"


def is_capturing(stream: int) -> bool:
    """Whether what is queued on a stream becomes part of a graph."""
    status = ctypes.c_int()
    _check("asking a stream", "cuStreamIsCapturing", ctypes.c_void_p(stream), ctypes.byref(status))
    return status.value != 0


def wait_for(stream: int) -> None:
    """Wait until all is done that was queued on a stream (0: the default stream)."""
    _check("running on the GPU", "cuStreamSynchronize", ctypes.c_void_p(stream))


class Memory:
    """Bytes on the GPU that is current, freed with the object."""

    def __init__(self, nbytes: int) -> None:
        """`DeviceError` where there is not enough."""
        self._address = ctypes.c_uint64()
        _check(
            f"taking {nbytes:,} bytes", "cuMemAlloc_v2", ctypes.byref(self._address), ctypes.c_size_t(max(nbytes, 1))
        )

    @property
    def address(self) -> int:
        """Where it lies."""
        return self._address.value

    def fill(self, nbytes: int, value: int, stream: int) -> None:
        """Queue that each byte becomes `value`."""
        if nbytes:
            sizes = ctypes.c_ubyte(value), ctypes.c_size_t(nbytes)
            _check("filling memory", "cuMemsetD8Async", self._address, *sizes, ctypes.c_void_p(stream))

    def read_from(self, host: int, nbytes: int, stream: int) -> None:
        """Queue a copy from an address of the host."""
        if nbytes:
            sizes = ctypes.c_void_p(host), ctypes.c_size_t(nbytes)
            _check("copying", "cuMemcpyHtoDAsync_v2", self._address, *sizes, ctypes.c_void_p(stream))

    def write_to(self, host: int, nbytes: int, stream: int) -> None:
        """Queue a copy to an address of the host."""
        if nbytes:
            sizes = self._address, ctypes.c_size_t(nbytes)
            _check("copying", "cuMemcpyDtoHAsync_v2", ctypes.c_void_p(host), *sizes, ctypes.c_void_p(stream))

    def __del__(self) -> None:
        if getattr(self, "_address", None) is not None and self._address.value:
            _driver().cuMemFree_v2(self._address)


class Stream:
    """A stream of its own, which no other stream waits for."""

    def __init__(self) -> None:
        """On the GPU that is current."""
        self._handle = ctypes.c_void_p()
        _check("making a stream", "cuStreamCreate", ctypes.byref(self._handle), ctypes.c_uint(1))

    @property
    def handle(self) -> int:
        """As CUDA has it."""
        return self._handle.value or 0

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None and self._handle.value:
            _driver().cuStreamDestroy_v2(self._handle)


def _device() -> ctypes.c_int:
    device = ctypes.c_int()
    _check("asking for the GPU", "cuCtxGetDevice", ctypes.byref(device))
    return device


@cache
def _driver() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise DeviceMissing(f"the NVIDIA driver cannot be used: {error}", hint="Install the driver.") from None


def _check(what: str, function: str, *arguments: Any) -> None:
    driver = _driver()
    found = getattr(driver, function, None)
    if found is None:
        raise DeviceError(f"{what}: the NVIDIA driver has no {function}", hint="Install a driver for CUDA 12 or newer.")
    status = found(*arguments)
    if status:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(status, ctypes.byref(text))
        said = (text.value or b"").decode() or f"status {status}"
        raise DeviceError(f"{what}: {said}", hint="Check sizes and pointers of the kernel; compute-sanitizer helps.")
