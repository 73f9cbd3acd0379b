"""Facts about a machine come from /proc, and what it does not tell stays empty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from enginewright_compat import machine as machine_module
from enginewright_compat.gpu import Gpu, Gpus
from enginewright_compat.machine import KERNEL_FEATURES, machine_for, other_machine, read_machine, this_machine

X86 = """processor\t: 0
model name\t: Fast CPU @ 3 GHz
flags\t\t: fpu avx2 fma made_up

processor\t: 1
model name\t: Other CPU
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp sve
CPU part\t: 0xd40

"""


def test_x86(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(X86)
    (tmp_path / "meminfo").write_text("MemTotal:       1024 kB\nMemFree: 5 kB\n")
    machine = read_machine(tmp_path)
    assert machine.model == "Fast CPU @ 3 GHz"
    assert machine.features == {"fpu", "avx2", "fma", "made_up"}
    assert machine.kernel_features == ("avx2", "fma")
    assert machine.memory == 1 << 20
    assert machine.arch == os.uname().machine


def test_arm(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(ARM)
    machine = read_machine(tmp_path)
    assert machine.kernel_features == ("asimd", "asimddp", "sve")
    assert (machine.model, machine.memory) == ("0xd40", 0)


def test_nothing_to_read(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert (machine.features, machine.model, machine.memory) == (frozenset(), "", 0)


def test_this_machine() -> None:
    machine = this_machine()
    assert machine.memory > 1 << 26
    assert set(machine.kernel_features) <= KERNEL_FEATURES


@pytest.mark.parametrize(("wanted", "gpu"), [("sm_90", "B"), ("sm_86", "A"), ("sm_70", "A")])
def test_the_gpu_of_a_plan(monkeypatch: pytest.MonkeyPatch, wanted: str, gpu: str) -> None:
    two = Gpus("580.1", "13.0", (Gpu("A", "sm_86", 1, "GPU-a"), Gpu("B", "sm_90", 1, "GPU-b")))
    monkeypatch.setattr(machine_module, "find_gpus", lambda: two)
    machine = machine_for(wanted)
    assert (machine.gpu, machine.compute_capability, machine.cuda) == (gpu, {"A": "sm_86", "B": "sm_90"}[gpu], "13.0")


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "find_gpus", Gpus)
    assert machine_for("sm_90") is this_machine()


def test_gpus_are_not_looked_for_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "find_gpus", None)
    assert machine_for("") is this_machine()


@pytest.mark.parametrize(
    ("text", "arch", "features", "capability"),
    [
        ("aarch64", "aarch64", set(), ""),
        ("x86_64+avx2+fma", "x86_64", {"avx2", "fma"}, ""),
        ("sm_86", os.uname().machine, this_machine().features, "sm_86"),
        ("sm_120a", os.uname().machine, this_machine().features, "sm_120a"),
    ],
)
def test_machine_in_words(text: str, arch: str, features: set[str], capability: str) -> None:
    machine = other_machine(text)
    assert (machine.arch, machine.features, machine.compute_capability) == (arch, features, capability)


@pytest.mark.parametrize("text", ["", "SM_86", "x86_64+warp", "../etc", "+avx2", "a b"])
def test_no_machine(text: str) -> None:
    with pytest.raises(ValueError, match="write sm_86"):
        other_machine(text)
