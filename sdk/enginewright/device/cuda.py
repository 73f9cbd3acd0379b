"""NVIDIA GPUs: which there are, and making one ready; pycuda is imported when the first one is asked for."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from enginewright import _native
from enginewright.errors import ConfigError, DeviceMissing, PlanDetails, PlanDeviceMismatch

INSTALL = 'Install the driver, and `pip install "enginewright[gpu]"`; or build with target="cpu".'
_lock = threading.Lock()
_contexts: dict[int, Any] = {}


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """One GPU, or one MIG instance: what programs see as device `index`."""

    index: int
    name: str
    uuid: str
    capability: tuple[int, int]
    memory: int
    driver: str

    @property
    def architecture(self) -> str:
        """The compute capability as compilers write it: "sm_90"."""
        return f"sm_{self.capability[0]}{self.capability[1]}"


def use_cuda(target: str = "cuda") -> tuple[str, int]:
    """Make the device of a target ("cuda", "cuda:1", "cuda:GPU-...") ready; its kind and number for native code.

    Its primary context is retained until the process ends, so that pycuda, torch and others share it. Raises
    `DeviceMissing` without a GPU, driver or pycuda; `NativeError` without the CUDA kernels.
    """
    device = find_cuda(target)
    with _lock:
        if device.index not in _contexts:
            load_kernels()
            _contexts[device.index] = _driver().Device(device.index).retain_primary_context()
    return "cuda", device.index


@contextmanager
def cuda_context(target: str = "cuda") -> Iterator[Any]:
    """pycuda.driver inside the primary context of a target's device, for this thread."""
    _, index = use_cuda(target)
    _contexts[index].push()
    try:
        yield _driver()
    finally:
        _contexts[index].pop()


@cache
def load_kernels() -> None:
    """Load the CUDA kernels, which takes no GPU, and tell them where vendor libraries and the cache are."""
    library = _native.device_library()
    folders = ":".join(map(str, library_folders()))
    library.ew_cuda_folders(folders.encode(), str(kernel_cache()).encode())


def find_cuda(target: str = "cuda") -> CudaDevice:
    """The GPU that a target names by index or by (the beginning of) its UUID; `DeviceMissing` where it is not there."""
    found = cuda_devices()
    wanted = target.partition(":")[2]
    if wanted.isdecimal() or not wanted:
        index = int(wanted or 0)
        if index < len(found):
            return found[index]
    matching = [device for device in found if wanted and device.uuid.lower().startswith(wanted.lower())]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f"{device.index} ({device.uuid})" for device in found)
    raise DeviceMissing(f"there is no GPU {wanted!r}", hint=f"There are: {listed}.")


@cache
def cuda_devices() -> tuple[CudaDevice, ...]:
    """All GPUs of this process; `DeviceMissing` with the remedy where there is none."""
    driver = _driver()
    version = ".".join(map(str, (driver.get_driver_version() // 1000, driver.get_driver_version() % 1000 // 10)))
    found = []
    for index in range(driver.Device.count()):
        device = driver.Device(index)
        found.append(
            CudaDevice(index, device.name(), _uuid(device), device.compute_capability(), device.total_memory(), version)
        )
    if not found:
        raise DeviceMissing("this machine has no NVIDIA GPU, or CUDA_VISIBLE_DEVICES hides it", hint=INSTALL)
    return tuple(found)


def _uuid(device: Any) -> str:
    """The UUID as nvidia-smi shows it, where this pycuda tells it."""
    found = getattr(device, "uuid", "")
    return str(found() if callable(found) else found)


@cache
def _driver() -> Any:
    """pycuda.driver, initialized."""
    if importlib.util.find_spec("pycuda") is None:
        raise DeviceMissing("pycuda is not installed, which GPUs are used through", hint=INSTALL)
    try:
        driver = importlib.import_module("pycuda.driver")
        driver.init()
    except Exception as error:  # noqa: BLE001 - pycuda has types of its own for no library, no device, a broken driver
        raise DeviceMissing(f"the NVIDIA driver cannot be used: {error}", hint=INSTALL) from None
    return driver


def library_folders() -> tuple[Path, ...]:
    """Folders of NVIDIA's wheels that hold libraries."""
    spec = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    return tuple(sorted(folder for place in places for folder in place.glob("*/lib") if folder.is_dir()))


def library_file(name: str, versions: Sequence[int]) -> str:
    """Where a library of NVIDIA is found, in the order in which the kernels look for it; "" if nowhere."""
    names = [*(f"{name}.{version}" for version in versions), name]
    for file in names:
        for folder in library_folders():
            if (folder / file).is_file():
                return str(folder / file)
        if _opens(file):
            return file
    return ""


def _opens(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def kernel_cache() -> Path:
    """Where compiled programs are kept, by the digest of their source and their architecture."""
    base = os.environ.get("ENGINEWRIGHT_CACHE_DIR") or platformdirs.user_cache_dir("enginewright")
    folder = Path(base) / "cuda"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def check_target(target: str) -> None:
    """`ConfigError` unless the target is a kind of device, with an index or UUID behind a colon or nothing."""
    kind, colon, which = target.partition(":")
    if kind not in {"cpu", "cuda"} or (kind == "cpu" and colon) or (colon and not which):
        raise ConfigError(f"target {target!r} is not known", hint='Use "cpu", "cuda", "cuda:1" or "cuda:GPU-...".')


def check_device(device: str) -> None:
    """`ConfigError` unless it is written as a GPU is."""
    if device.partition(":")[0] != "cuda":
        raise ConfigError(f"device {device!r} is no GPU", hint='Use "cuda", "cuda:1" or "cuda:GPU-...".')
    check_target(device)


def choose_device(device: str, built_for: str) -> str:
    """The GPU that runs a plan for a compute capability ("sm_90"): for "cuda" the first that has it.

    `ConfigError` unless the device is written as a GPU is; `PlanDeviceMismatch` where it has another capability.
    """
    check_device(device)
    if not built_for:
        return device
    choice = [find_cuda(device)] if device != "cuda" else cuda_devices()
    for found in choice:
        if found.architecture == built_for:
            return f"cuda:{found.index}"
    here = ", ".join(f"{found.architecture} of GPU {found.index}, {found.name}" for found in choice)
    raise PlanDeviceMismatch(
        f"plan: compute_capability: found {built_for}, expected {here}",
        hint=f'Name a GPU of {built_for} by device="cuda:N", or build again with target="cuda:{choice[0].index}".',
        details=PlanDetails("plan", "compute_capability", built_for, choice[0].architecture),
    )
