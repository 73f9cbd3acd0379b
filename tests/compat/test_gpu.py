"""GPUs as the driver's management library tells of them; without one there are none, and nothing is raised."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright_compat import gpu
from enginewright_compat.gpu import Gpu, Gpus, find_gpus, read_gpus


class Nvml:
    """Stands in for the library: two GPUs, the second of which is split into two MIG instances."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.open = 0

    def nvmlInit_v2(self) -> int:
        self.open += self.works
        return 0 if self.works else 9

    def nvmlShutdown(self) -> int:
        self.open -= 1
        return 0

    def nvmlSystemGetDriverVersion(self, text: Any, size: int) -> int:
        text.value = b"580.82.07"
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, out: Any) -> int:
        out._obj.value = 12090
        return 0

    def nvmlDeviceGetCount_v2(self, out: Any) -> int:
        out._obj.value = 3
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, out: Any) -> int:
        out._obj.value = 10 * (index + 1)
        return 0 if index < 2 else 4  # no permission

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any, out: Any) -> int:
        out._obj.value = 7
        return 0 if handle.value == 20 else 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int, out: Any) -> int:
        out._obj.value = handle.value + index
        return 0 if index in (2, 5) else 6

    def nvmlDeviceGetCudaComputeCapability(self, handle: Any, major: Any, minor: Any) -> int:
        major._obj.value, minor._obj.value = (8, 6) if handle.value == 10 else (9, 0)
        return 0

    def nvmlDeviceGetName(self, handle: Any, text: Any, size: int) -> int:
        text.value = b"GPU %d" % handle.value
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, text: Any, size: int) -> int:
        text.value = b"UUID-%d" % handle.value
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, out: Any) -> int:
        out[0] = handle.value << 30
        return 0 if handle.value < 25 else 1


def test_gpus_and_instances() -> None:
    nvml = Nvml()
    found = read_gpus(nvml)
    assert (found.driver, found.cuda) == ("580.82.07", "12.9")
    assert found.devices == (
        Gpu("GPU 10", "sm_86", 10 << 30, "UUID-10"),
        Gpu("GPU 22", "sm_90", 22 << 30, "UUID-22"),
        Gpu("GPU 25", "sm_90", 0, "UUID-25"),
    )
    assert nvml.open == 0, "it is shut down"


def test_a_driver_that_does_not_work() -> None:
    assert read_gpus(Nvml(works=False)) == Gpus()


@pytest.mark.parametrize("library", ["libno-such-library.so.1", "libm.so.6"])
def test_no_driver(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setattr(gpu, "LIBRARY", library)
    assert find_gpus.__wrapped__() == Gpus()


@pytest.mark.cuda
def test_the_gpus_here_are_those_of_cuda() -> None:
    from enginewright.device.cuda import cuda_devices
    from enginewright.errors import DeviceMissing

    try:
        (first, *_) = cuda_devices()
    except DeviceMissing as error:
        pytest.skip(error.message)
    found = find_gpus()
    assert first.driver == found.cuda
    assert (first.name, first.architecture) in {(device.name, device.compute_capability) for device in found.devices}
