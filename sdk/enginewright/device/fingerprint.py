"""Tells machines apart as far as the speed of kernels goes, so that timings are used only where they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from enginewright.device.cuda import find_cuda
from enginewright_compat.machine import this_machine
from enginewright_compat.version import running_version


def _cpu(index: str, threads: int) -> dict[str, str]:
    machine = this_machine()
    features = " ".join(machine.kernel_features)
    return {"arch": machine.arch, "features": features, "model": machine.model, "threads": str(threads)}


def _cuda(index: str, threads: int) -> dict[str, str]:
    device = find_cuda(f"cuda:{index}")
    return {"gpu": device.name, "capability": device.architecture, "driver": device.driver, **_cpu("", threads)}


_FINGERPRINTS: Mapping[str, Callable[[str, int], dict[str, str]]] = MappingProxyType({"cpu": _cpu, "cuda": _cuda})
"""By family of targets: what is given is the rest of the target ("1" of "cuda:1") and the threads of the engine."""


def device_fingerprint(target: str, threads: int) -> dict[str, str]:
    """What of the device behind a target decides how fast kernels run there; it never changes while a build runs."""
    family, _, index = target.partition(":")
    return _FINGERPRINTS[family](index, threads)


def kernel_library() -> str:
    """Which kernels were timed: those of this release and build."""
    return str(running_version())
