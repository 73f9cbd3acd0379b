"""A GPU that is none, for the tests of what leads to it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from enginewright.device import cuda_driver, cuda_sources, device_functions, nvrtc
from tests.sdk.device.fake_driver import FakeGpu, FakeKernel


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """One sm_90; sources compile to nothing."""
    gpu = FakeGpu()

    def kernel(cubin: bytes, symbol: str) -> FakeKernel:
        return gpu.kernels.setdefault(symbol, FakeKernel(symbol))

    devices = (SimpleNamespace(architecture="sm_90"),)
    for module in (cuda_sources, device_functions):
        monkeypatch.setattr(module, "cuda_devices", lambda: devices)
    monkeypatch.setattr(cuda_sources, "_loaded", {})
    monkeypatch.setattr(nvrtc, "compiled", lambda text, symbol, options, arch: nvrtc.MachineCode(symbol, b""))
    monkeypatch.setattr(cuda_driver, "Kernel", kernel)
    monkeypatch.setattr(cuda_driver, "current_architecture", lambda: "sm_90")
    monkeypatch.setattr(cuda_driver, "current_device", lambda: 0)
    monkeypatch.setattr(cuda_driver, "is_capturing", lambda stream: gpu.capturing)
    monkeypatch.setattr(cuda_driver, "wait_for", gpu.waits.append)
    return gpu
