"""Life: a plan is saved and runs in a new process; without the plugin it says so; foreign libraries are refused."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.compiler.checking import disagreement
from enginewright.device.kernels import LibraryKernel
from enginewright.device.plugin_library import open_library
from enginewright.errors import EnginewrightError, PluginAbiMismatch
from enginewright.tensors import DataType
from enginewright.testing.checks import Skipped, check
from enginewright.testing.kernel_calls import built
from enginewright.testing.processes import Job, importable_modules, python
from enginewright.testing.subject import Array, Case, Subject

MAX_CASES = 2
RECORD = struct.Struct("<IIII")
"""The first four numbers of an `ew_plugin`: struct_size, abi_major, abi_minor, n_kernels."""


@check(
    "life/new-process",
    "a saved plan gives the same in a new process",
    "Let results depend on inputs and fields only, and declare the operator in a module that can be imported.",
)
def new_process(subject: Subject) -> Iterator[str]:
    """Build, save, run here; load and run in a process that imports the plugin by its key."""
    cases = [case for case in _with_inputs(subject) if _has_numbers(case)][:MAX_CASES]
    modules = importable_modules(subject.cls)
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            place = Path(folder, str(number))
            place.mkdir()
            expected = _saved(case, place)
            done = python(Job("load", {"modules": modules, "plan": str(place / "a.plan"), "folder": str(place)}))
            if done.returncode != 0:
                yield f"{case.label}: {done.reason}"
                continue
            found = _read(place, "out")
            if any(found[name].tobytes() != array.tobytes() for name, array in expected.items()):
                problem = disagreement(case.op, list(expected.values()), [found[name] for name in expected])
                yield f"{case.label}: in a new process, {problem or 'bits of the outputs differ'}"


def _with_inputs(subject: Subject) -> list[Case]:
    """The cases that are not computed while building, because all of it is constant."""
    found = [case for case in subject.usable() if any(isinstance(item, ew.TensorSpec) for item in case.inputs)]
    if not found:
        raise Skipped("all inputs of all cases are constants")
    return found


def _has_numbers(case: Case) -> bool:
    return all(array is None or (array.dtype != object and array.dtype.kind != "O") for array in case.arrays())


def _saved(case: Case, place: Path) -> dict[str, Array]:
    """Save plan and inputs; what the plan gives here."""
    plan = built(case)
    plan.save(place / "a.plan")
    given = {f"x{i}": a for i, a in enumerate(case.arrays()) if isinstance(case.inputs[i], ew.TensorSpec)}
    write_arrays(place, "in", {name: array for name, array in given.items() if array is not None})
    with ew.load(place / "a.plan") as engine:
        return engine.run(given)


def write_arrays(folder: Path, name: str, arrays: dict[str, Array]) -> None:
    """Write arrays of any element type: raw bytes, and what they are."""
    facts = {key: [DataType.of(array).name, list(array.shape)] for key, array in arrays.items()}
    (folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    for key, array in arrays.items():
        (folder / f"{name}.{key}.bin").write_bytes(np.ascontiguousarray(array).tobytes())


def _read(folder: Path, name: str) -> dict[str, Array]:
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return {
        key: np.frombuffer((folder / f"{name}.{key}.bin").read_bytes(), DataType[dtype].numpy).reshape(shape)
        for key, (dtype, shape) in facts.items()
    }


def load_and_run(folder: Path, plan: str) -> None:
    """What the new process does with it."""
    with ew.load(plan) as engine:
        write_arrays(folder, "out", engine.run(_read(folder, "in")))


@check(
    "life/removed",
    "without the plugin, loading a plan raises EW-G001",
    "Report this: the host did not notice that the plugin is missing.",
)
def removed(subject: Subject) -> Iterator[str]:
    """Load in a process that sees no plugins."""
    with tempfile.TemporaryDirectory() as folder:
        built(_with_inputs(subject)[0]).save(Path(folder, "a.plan"))
        job = Job("missing", {"modules": [], "plan": str(Path(folder, "a.plan")), "folder": folder})
        done = python(job, environment={"ENGINEWRIGHT_PLUGINS": "none"})
    if done.returncode != 0:
        yield f"without the plugin, {done.reason}"
    elif "EW-G001" not in done.output:
        yield f"the plan loads without the plugin: {done.output.strip() or 'no error'}"


@check(
    "life/abi",
    "libraries for another C interface are refused with EW-G005",
    "Export ew_plugin_v1 with EW_PLUGIN, and let nothing run when the library is opened.",
)
def abi(subject: Subject) -> Iterator[str]:
    """Copies of each library that claim another major or minor version."""
    paths = {tactic.kernel.path for tactic in subject.tactics if isinstance(tactic.kernel, LibraryKernel)}
    tried = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(paths):
            for number, claimed in enumerate(_claims(path)):
                made = Path(folder, f"{number}-{path.name}")
                if not _patched(path, made, claimed):
                    continue
                tried += 1
                yield from _refusal(made, claimed)
    if not tried:
        raise Skipped("no tactic has a prebuilt library whose record can be changed")


def _claims(path: Path) -> list[tuple[int, int]]:
    try:
        major, minor = open_library(path).abi
    except EnginewrightError:
        return []
    return [(major + 1, 0), (major, minor + 100)]


def _refusal(path: Path, claimed: tuple[int, int]) -> Iterator[str]:
    try:
        open_library(path)
    except PluginAbiMismatch:
        return
    except EnginewrightError as error:
        yield f"interface {claimed[0]}.{claimed[1]} is refused with [{error.code}] {error.message}"
    else:
        yield f"{path.name} is opened, and it claims the interface {claimed[0]}.{claimed[1]}"


def _patched(path: Path, made: Path, claimed: tuple[int, int]) -> bool:
    """Write a copy that claims another interface; False where its record is not found once and only once."""
    library = open_library(path)
    shutil.copy(path, made)
    data = bytearray(made.read_bytes())
    record = _record(library)
    if data.count(record) != 1:
        return False
    size, _, _, kernels = RECORD.unpack(record)
    place = data.find(record)
    data[place : place + RECORD.size] = RECORD.pack(size, *claimed, kernels)
    made.write_bytes(bytes(data))
    return True


def _record(library: Any) -> bytes:
    from enginewright._native.library import ffi

    return RECORD.pack(ffi.sizeof("ew_plugin"), *library.abi, len(library.kernels))
