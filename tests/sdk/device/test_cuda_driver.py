"""The few calls of libcuda, on a library that is none: what they get, and how its refusals look."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

import enginewright as ew
from enginewright.device import cuda_driver


class FakeLibrary(SimpleNamespace):
    """Functions that succeed and keep their arguments, unless they are told a status."""

    def __init__(self, **status: int) -> None:
        super().__init__()
        self.status, self.calls = status, []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu") or self.status.get(name) == -1:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            self.calls.append((name, arguments))
            return self.status.get(name, 0)

        return call

    def cuGetErrorString(self, status: int, text: Any) -> int:
        text._obj.value = b"no kernel image"
        return 0

    def cuDeviceGetAttribute(self, found: Any, attribute: int, device: Any) -> int:
        found._obj.value = {75: 9, 76: 0}[attribute]
        return 0

    def cuStreamIsCapturing(self, stream: Any, found: Any) -> int:
        found._obj.value = int(stream.value == 7)
        return 0

    def cuMemAlloc_v2(self, found: Any, nbytes: Any) -> int:
        found._obj.value = 4096
        return 0


def use(monkeypatch: pytest.MonkeyPatch, **status: int) -> FakeLibrary:
    library = FakeLibrary(**status)
    monkeypatch.setattr(cuda_driver, "_driver", lambda: library)
    return library


def test_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    library = use(monkeypatch)
    kernel = cuda_driver.Kernel(b"code", "_Z5scale")
    given = [ctypes.c_int64(5), ctypes.c_float(0.5)]
    kernel.launch((3, 2, 1, 64, 4, 1, 100_000), given, 77)
    names = [name for name, _ in library.calls]
    assert names == [
        "cuLibraryLoadData",
        "cuLibraryGetKernel",
        "cuCtxGetDevice",
        "cuKernelSetAttribute",
        "cuLaunchKernel",
    ]
    arguments = library.calls[-1][1]
    assert [item.value for item in arguments[1:9]] == [3, 2, 1, 64, 4, 1, 100_000, 77]
    assert ctypes.cast(arguments[9][0], ctypes.POINTER(ctypes.c_int64))[0] == 5
    assert ctypes.cast(arguments[9][1], ctypes.POINTER(ctypes.c_float))[0] == 0.5


def test_sizes_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    library = use(monkeypatch)
    kernel, sizes = cuda_driver.Kernel(b"code", "k"), [8, 8, 4]

    def info(handle: Any, index: Any, offset: Any, size: Any) -> int:
        if index.value < len(sizes):
            size._obj.value = sizes[index.value]
        return int(index.value >= len(sizes))

    library.cuKernelGetParamInfo = info
    assert kernel.parameter_sizes() == [8, 8, 4]
    use(monkeypatch, cuKernelGetParamInfo=-1)
    assert kernel.parameter_sizes() is None


def test_what_is_asked_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    assert cuda_driver.current_architecture() == "sm_90"
    assert cuda_driver.current_device() == 0
    assert [cuda_driver.is_capturing(stream) for stream in (7, 8)] == [True, False]


def test_memory_and_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    library = use(monkeypatch)
    memory, stream = cuda_driver.Memory(64), cuda_driver.Stream()
    assert (memory.address, stream.handle) == (4096, 0)
    for nbytes in (0, 64):
        memory.fill(nbytes, 0xFF, 7)
        memory.read_from(100, nbytes, 7)
        memory.write_to(100, nbytes, 7)
    cuda_driver.wait_for(7)
    del memory
    names = [name for name, _ in library.calls]
    copies = ["cuMemsetD8Async", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2"]
    assert names == ["cuStreamCreate", *copies, "cuStreamSynchronize", "cuMemFree_v2"]


def test_a_refusal_is_told_in_the_drivers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, cuLibraryLoadData=209)
    with pytest.raises(ew.DeviceError, match="loading a kernel: no kernel image"):
        cuda_driver.Kernel(b"code", "k")


def test_an_old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, cuLibraryLoadData=-1)
    with pytest.raises(ew.DeviceError, match="has no cuLibraryLoadData") as caught:
        cuda_driver.Kernel(b"code", "k")
    assert "CUDA 12" in caught.value.hint


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open")

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", absent)
    cuda_driver._driver.cache_clear()
    with pytest.raises(ew.DeviceMissing, match="cannot open"):
        cuda_driver.wait_for(0)
