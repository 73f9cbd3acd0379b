"""What tells machines apart for timings."""

from __future__ import annotations

from enginewright.device.fingerprint import device_fingerprint, kernel_library
from enginewright_compat.machine import this_machine
from enginewright_compat.version import running_version


def test_cpu() -> None:
    machine = this_machine()
    assert device_fingerprint("cpu", 3) == {
        "arch": machine.arch,
        "features": " ".join(machine.kernel_features),
        "model": machine.model,
        "threads": "3",
    }


def test_kernels_are_those_of_this_build() -> None:
    assert kernel_library() == str(running_version())
