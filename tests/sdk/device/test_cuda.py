"""Which GPU a target names; without one, the error says what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright import loading
from enginewright.device import cuda
from enginewright.device.cuda import CudaDevice, choose_device, find_cuda
from enginewright.errors import ConfigError, DeviceMissing, NativeError, PlanDeviceMismatch

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


def doubling() -> ew.Plan:
    net = ew.Network()
    x = net.input("x", ew.float32, (2,))
    net.output("y", net.add(x, x))
    return ew.build(net, ew.BuilderConfig(timing_cache="", level=0))


def test_loading_passes_the_device_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = doubling()
    plan.save(tmp_path / "a.plan")
    monkeypatch.setattr(loading, "Engine", lambda plan, **options: options)
    for source in (plan, plan.to_bytes(), tmp_path / "a.plan"):
        assert ew.load(source, device="cuda:GPU-aaaa-1") == {"threads": None, "device": "cuda:GPU-aaaa-1"}


@pytest.mark.parametrize("device", ["cpu", "GPU-aaaa-1", "cuda:", ""])
def test_engines_know_only_gpus(device: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ew.load(doubling(), device=device)
    assert "cuda:1" in caught.value.hint


def test_plans_for_the_cpu_need_no_gpu() -> None:
    with ew.load(doubling(), device="cuda:7") as engine:
        assert engine.run({"x": np.ones(2, np.float32)})["y"].tolist() == [2, 2]


def test_the_safety_runtime_uses_no_gpu() -> None:
    with pytest.raises(ConfigError, match="safety"):
        ew.load(b"", runtime="safety", device="cuda:1")


@pytest.mark.parametrize(
    ("device", "built_for", "chosen"),
    [
        ("cuda", "sm_90", "cuda:0"),
        ("cuda", "sm_86", "cuda:1"),
        ("cuda:MIG-b", "sm_86", "cuda:1"),
        ("cuda:7", "", "cuda:7"),
    ],
)
def test_the_gpu_that_fits_a_plan(two: None, device: str, built_for: str, chosen: str) -> None:
    assert choose_device(device, built_for) == chosen


def test_no_gpu_fits(two: None) -> None:
    with pytest.raises(PlanDeviceMismatch, match="found sm_70, expected sm_90 of GPU 0, A, sm_86 of GPU 1, B"):
        choose_device("cuda", "sm_70")


def test_a_gpu_of_another_capability_is_refused(two: None) -> None:
    plan = doubling()
    assert plan.passport.target is not None
    target = replace(plan.passport.target, compute_capability="sm_90")
    other = replace(plan, passport=replace(plan.passport, target=target))
    with pytest.raises(PlanDeviceMismatch, match="found sm_90, expected sm_86 of GPU 1") as caught:
        ew.load(other, device="cuda:1")
    assert 'target="cuda:1"' in caught.value.hint


@pytest.mark.cuda
def test_a_saved_plan_runs(tmp_path: Path) -> None:
    try:
        first = cuda.cuda_devices()[0]
        cuda.use_cuda()
    except (DeviceMissing, NativeError) as error:
        pytest.skip(error.message)
    net = ew.Network()
    x = net.input("x", ew.float32, (2,))
    net.output("y", net.add(x, x))
    path = tmp_path / "gpu.plan"
    ew.build(net, ew.BuilderConfig(timing_cache="", target="cuda")).save(path)
    assert ew.plan_info(path).verdict.name != "INCOMPATIBLE"
    for device in ("cuda", "cuda:0", *([f"cuda:{first.uuid}"] if first.uuid else [])):
        with ew.load(path, device=device) as engine:
            assert engine.run({"x": np.ones(2, np.float32)})["y"].tolist() == [2, 2]


def test_precision_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="fp16 is not computed on the CPU"):
        ew.BuilderConfig(precision="fp16")
    with pytest.raises(ConfigError, match="int8 is not computed on a GPU"):
        ew.BuilderConfig(target="cuda", precision="int8")
    with pytest.raises(ConfigError, match="fp17"):
        ew.BuilderConfig(target="cuda", precision="fp17")
    assert ew.BuilderConfig(target="cuda", precision="bf16").precision == "bf16"


def test_library_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "library_folders", lambda: (tmp_path,))
    (tmp_path / "libmade_up.so.12").touch()
    assert cuda.library_file("libmade_up.so", (13, 12)) == str(tmp_path / "libmade_up.so.12")
    assert cuda.library_file("libm.so", (6,)) == "libm.so.6"
    assert cuda.library_file("libnowhere.so", (13, 12)) == ""


def test_libraries_of_wheels_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia" / "cu13" / "lib").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tmp_path / "nvidia" / "cu13" / "lib" in cuda.library_folders()
