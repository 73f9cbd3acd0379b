"""Which GPU a target names; without one, the error says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

import enginewright as ew
from enginewright.device import cuda
from enginewright.device.cuda import CudaDevice, find_cuda
from enginewright.errors import ConfigError, DeviceMissing

TWO = (
    CudaDevice(0, "A", "GPU-aaaa-1", (9, 0), 1 << 30, "13.0"),
    CudaDevice(1, "B", "MIG-bbbb-2", (8, 6), 1 << 30, "13.0"),
)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "cuda_devices", lambda: TWO)


@pytest.mark.parametrize(
    ("target", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("cuda:gpu-aa", 0), ("cuda:MIG-bbbb-2", 1)]
)
def test_a_target_names_a_device(two: None, target: str, index: int) -> None:
    assert find_cuda(target) is TWO[index]


def test_architecture() -> None:
    assert [device.architecture for device in TWO] == ["sm_90", "sm_86"]


@pytest.mark.parametrize("target", ["cuda:2", "cuda:GPU-x"])
def test_a_device_that_is_not_there(two: None, target: str) -> None:
    with pytest.raises(DeviceMissing, match="there is no GPU") as caught:
        find_cuda(target)
    assert "GPU-aaaa-1" in caught.value.hint


def test_building_without_pycuda_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.importlib.util, "find_spec", lambda name: None)
    cuda._driver.cache_clear()
    cuda.cuda_devices.cache_clear()
    net = ew.Network()
    x = net.input("x", ew.float32, (2,))
    net.output("y", net.relu(x))
    with pytest.raises(DeviceMissing, match="pycuda is not installed") as caught:
        ew.build(net, ew.BuilderConfig(target="cuda"))
    assert "enginewright[gpu]" in caught.value.hint


@pytest.mark.parametrize("target", ["gpu", "cuda:", "cpu:1", ""])
def test_unknown_targets(target: str) -> None:
    with pytest.raises(ConfigError):
        ew.BuilderConfig(target=target)


def test_precision_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="nothing is gained"):
        ew.BuilderConfig(precision="fp16")
    with pytest.raises(ConfigError, match="fp17"):
        ew.BuilderConfig(target="cuda", precision="fp17")
    assert ew.BuilderConfig(target="cuda", precision="bf16").precision == "bf16"


def test_libraries_of_wheels_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia" / "cu13" / "lib").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tmp_path / "nvidia" / "cu13" / "lib" in cuda.library_folders()
