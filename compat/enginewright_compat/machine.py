"""What this machine is, as far as a plan cares: architecture, CPU features, model and memory, read without NumPy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from enginewright_compat.gpu import find_gpus

# The names of /proc/cpuinfo for the features that our kernels are compiled for or dispatch on.
_X86 = (
    "sse4_2 avx avx2 fma f16c avx_vnni avx512f avx512bw avx512cd avx512dq avx512vl avx512_bf16 avx512_fp16 avx512_vnni"
)
_OTHER = "amx_tile amx_bf16 amx_int8 asimd asimddp asimdhp bf16 i8mm sve sve2"
KERNEL_FEATURES = frozenset(f"{_X86} {_OTHER}".split())


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about one machine: `features` are names as in /proc/cpuinfo, `memory` is in bytes (0 if unknown).

    `compute_capability` ("sm_90"), `gpu` (its name) and `cuda` (the newest that the driver can run, "13.0") are of the
    GPU that a plan would run on; empty if there is none, or if nobody asked.
    """

    arch: str
    features: frozenset[str]
    model: str
    memory: int
    compute_capability: str = ""
    gpu: str = ""
    cuda: str = ""

    @property
    def kernel_features(self) -> tuple[str, ...]:
        """The features that matter to our kernels, sorted."""
        return tuple(sorted(self.features & KERNEL_FEATURES))


@cache
def this_machine() -> Machine:
    """Return the facts of the machine that runs this process."""
    return read_machine(Path("/proc"))


def machine_for(compute_capability: str) -> Machine:
    """Return this machine with its GPU of a compute capability, else its first; "": a plan that needs no GPU."""
    if not compute_capability:
        return this_machine()
    gpus = find_gpus()
    fitting = [gpu for gpu in gpus.devices if gpu.compute_capability == compute_capability]
    for gpu in (*fitting, *gpus.devices):
        return replace(this_machine(), compute_capability=gpu.compute_capability, gpu=gpu.name, cuda=gpus.cuda)
    return this_machine()


def other_machine(text: str) -> Machine:
    """Return a machine that is described in words; raise ValueError for others.

    "sm_86": this machine with a GPU of that compute capability. "x86_64+avx2+fma", "aarch64": a CPU of that
    architecture that has these features of KERNEL_FEATURES and no others.
    """
    if re.fullmatch(r"sm_\d{2,3}[af]?", text):
        return replace(this_machine(), compute_capability=text)
    arch, *features = text.split("+")
    unknown = [name for name in features if name not in KERNEL_FEATURES]
    if not re.fullmatch(r"[a-z][a-z0-9_]+", arch) or unknown:
        what = f"unknown features {', '.join(unknown)}" if unknown else "no device"
        raise ValueError(f"{text[:80]!r}: {what}; write sm_86, aarch64 or x86_64+avx2+fma")
    return Machine(arch, frozenset(features), model="", memory=0)


def read_machine(proc: Path) -> Machine:
    """Return the facts that the files below `proc` tell; what they do not tell stays empty."""
    cpu = _fields(proc / "cpuinfo")
    flags = cpu.get("flags", cpu.get("Features", ""))
    memory = re.match(r"(\d+) kB", _fields(proc / "meminfo").get("MemTotal", ""))
    return Machine(
        arch=os.uname().machine,
        features=frozenset(flags.split()),
        model=cpu.get("model name", cpu.get("CPU part", "")),
        memory=int(memory.group(1)) * 1024 if memory else 0,
    )


def _fields(path: Path) -> dict[str, str]:
    """Return the "name: value" lines of the first block of a file; nothing if it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return _first_block(lines)
    except OSError:
        return {}


def _first_block(lines: Iterable[str]) -> dict[str, str]:
    """Return the fields up to the first empty line: /proc/cpuinfo repeats them for each processor."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line.strip():
            break
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields
