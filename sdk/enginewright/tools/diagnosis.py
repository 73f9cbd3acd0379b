"""Collects everything that a bug report needs: versions, CPU, native library, caches, plugins, a working engine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from enginewright.compiler.builder import build
from enginewright.compiler.config import BuilderConfig
from enginewright.device.cache_folder import cache_folder, is_writable
from enginewright.device.cuda import library_file
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Network
from enginewright.registry.discovery import reason_of
from enginewright.registry.registry import registry
from enginewright.runtime.engine import Engine
from enginewright.tensors import float32
from enginewright_compat.gpu import find_gpus
from enginewright_compat.machine import this_machine
from enginewright_compat.version import running_version

NEEDED = ("numpy", "cffi", "onnx", "ml_dtypes", "msgspec", "blake3", "click", "rich")
PACKAGES = (*NEEDED, "pycuda", "onnxruntime", "openvino")
LIBRARIES = {"libcublasLt.so": (13, 12), "libnvrtc.so": (13, 12), "libcudnn.so": (9,)}  # and their versions


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact; `problem` says what is wrong with it, empty if nothing is."""

    topic: str
    name: str
    value: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All facts, by topic in the order in which they are shown."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The facts that are wrong."""
        return tuple(finding for finding in self.findings if finding.problem)


def diagnose() -> Diagnosis:
    """Look at this installation and machine; problems are told, not raised."""
    installed = (*_release(), *_machine(), *_native(), *_packages(), *_gpus())
    return Diagnosis((*installed, *_caches(), *_plugins(), *_variables(), _engine()))


def _release() -> Iterator[Finding]:
    yield Finding("enginewright", "version", str(running_version()))
    yield Finding("enginewright", "folder", str(Path(__file__).parents[1]))
    yield Finding("enginewright", "python", f"{platform.python_version()} ({platform.python_implementation()})")
    yield Finding("enginewright", "system", platform.platform())


def _machine() -> Iterator[Finding]:
    machine, allowed = this_machine(), len(os.sched_getaffinity(0))
    yield Finding("machine", "cpu", machine.model or "unknown")
    yield Finding("machine", "architecture", machine.arch)
    yield Finding("machine", "features", " ".join(machine.kernel_features) or "none that kernels are made for")
    yield Finding("machine", "threads", f"{allowed} of {os.cpu_count()} CPUs may be used")
    yield Finding("machine", "memory", f"{machine.memory / 2**30:.1f} GiB" if machine.memory else "unknown")
    yield Finding("machine", "load", " ".join(f"{load:.2f}" for load in os.getloadavg()))


def _gpus() -> Iterator[Finding]:
    """What a plan for GPUs takes; nothing that is missing is a problem, as plans for the CPU need none of it."""
    gpus = find_gpus()
    yield Finding("gpus", "driver", f"{gpus.driver}, runs CUDA {gpus.cuda}" if gpus.driver else "none")
    for number, gpu in enumerate(gpus.devices):
        facts = f"{gpu.name}, {gpu.compute_capability}, {gpu.memory / 2**30:.1f} GiB, {gpu.uuid}"
        yield Finding("gpus", f"gpu {number}", facts)
    try:
        from enginewright import _native as native

        native.device_library()
        yield Finding("gpus", "kernels", "in this build")
    except EnginewrightError as error:
        yield Finding("gpus", "kernels", error.message)
    for name, versions in LIBRARIES.items():
        yield Finding("gpus", name, library_file(name, versions) or "not found")


def _native() -> Iterator[Finding]:
    try:
        from enginewright import _native as native
        from enginewright._native.library import LIBRARY
    except EnginewrightError as error:
        yield Finding("native library", "library", "cannot be loaded", f"{error.message}; {error.hint}")
        return
    yield Finding("native library", "file", f"{LIBRARY} ({LIBRARY.stat().st_size / 1e6:.1f} MB)")
    yield Finding("native library", "interface", ".".join(map(str, native.ABI)))
    yield Finding("native library", "instruction sets", " ".join(native.isas()))
    yield Finding("native library", "kernels", str(len(native.kernel_names())))


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding("packages", name, version(name))
        except PackageNotFoundError:
            yield Finding("packages", name, "not installed")
    compiler = shutil.which(os.environ.get("CC") or "cc")
    yield Finding("packages", "C compiler", _first_line([compiler, "--version"]) if compiler else "none")


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout or done.stderr).partition("\n")[0]


def _caches() -> Iterator[Finding]:
    folder = cache_folder()
    yield Finding("caches", "folder", str(folder), "" if is_writable(folder) else f"{folder} cannot be written to")
    for path in sorted(folder.glob("**/*")) if folder.is_dir() else ():
        if path.is_file() and path.suffix != ".lock":
            yield Finding("caches", str(path.relative_to(folder)), f"{path.stat().st_size:,} bytes")


def _plugins() -> Iterator[Finding]:
    discovery = registry.discovery
    discovery.load_everything()
    for source in discovery.every_source():
        broken = discovery.broken.get(source, "").strip()
        problem = reason_of(broken) if broken else ""
        yield Finding("plugins", source.namespace, f"{source.module} of {source.owner}", problem)
    for plugin, lines in registry.hooks.call("enginewright_doctor"):
        for line in lines:
            yield Finding("plugins", plugin, str(line))


def _variables() -> Iterator[Finding]:
    for name, value in sorted(os.environ.items()):
        if name.startswith("ENGINEWRIGHT_") or name in {"NO_COLOR", "CC", "CUDA_VISIBLE_DEVICES"}:
            yield Finding("environment", name, value)


def _engine() -> Finding:
    """Build and run an engine of one layer."""
    network = Network("doctor")
    x = network.input("x", float32, ("N", 4))
    network.output("y", network.add(x, x))
    array = np.arange(8, dtype=np.float32).reshape(2, 4)
    try:
        plan = build(network, BuilderConfig(timing_cache="", level=0))
        result = Engine(plan).run({"x": array})["y"]
    except EnginewrightError as error:
        return Finding("engine", "one layer", "fails", f"{error.code}: {error.message}")
    right = np.array_equal(result, array + array)
    return Finding("engine", "one layer", "builds and runs", "" if right else f"gives {result.tolist()}")
