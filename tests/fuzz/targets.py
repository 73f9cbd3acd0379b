"""What the fuzzer runs: any bytes give a valid object or a typed refusal, within the promised time and memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from enginewright import _native
from enginewright.compiler.probes import Probes
from enginewright.compiler.recipe import config_of
from enginewright.errors import EnginewrightError, PlanError, PluginNotFound
from enginewright.plan.artifact import Kind, Section, open_artifact
from enginewright.plan.calibration_cache import CalibrationCache, TensorRange
from enginewright.plan.meta import Meta
from enginewright.plan.plan import Plan
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import TacticTime, TimingDescription
from enginewright.runtime.engine import Engine
from enginewright.tools.plan_files import check_origin
from enginewright_compat.container import BytesSource
from enginewright_compat.machine import this_machine
from enginewright_compat.passport import facts_of
from enginewright_compat.reason import Refused
from enginewright_compat.recipe import decode_recipe
from enginewright_compat.rules import judge
from enginewright_compat.version import running_version
from tests.compat.artifacts import heavy_plan
from tests.fuzz.mutation import Choices, mutated, respelled, with_keys, with_section
from tests.golden.plans import MORE, NETWORKS, OBJECTS, golden

SECONDS_PER_MIB = 2
MEMORY = 64 << 20


class LimitBroken(Exception):
    """An input took longer, or more memory, than the format promises."""


@cache
def timing_cache() -> bytes:
    """Return a timing cache with two entries, one of them pinned."""
    made = TimingCache()
    for name in ("ew::Relu@1", "ew::Add@1"):
        what = TimingDescription(name, {"axis": "1"}, ["float32[2, 3]"], "kernels", {}, {"model": "cpu"}, "free")
        entry = made.record(what, {"a": TacticTime(5, 15), "b": TacticTime(7, 3)})
    made.pin(entry.key, "b")
    return made.to_bytes()


def load_plan(data: bytes) -> None:
    """Load a plan as `ew.load` does; then let native code compute all sizes for some shapes."""
    with Engine(Plan.load(data), threads=1) as engine:
        for profile in range(max(1, len(engine.plan.meta.profiles))):
            context = _native.Context(engine.loaded.model, profile, 1)
            with suppress(EnginewrightError):
                for index, port in enumerate(engine.inputs):
                    context.bind_shape(index, [size if isinstance(size, int) else 2 for size in port.shape])
                context.resolve()
            context.close()


def open_plan(data: bytes) -> None:
    """Check all bytes of a plan, whatever its programs are."""
    open_artifact(data, Kind.PLAN)


@cache
def calibration_cache() -> bytes:
    """Return a calibration cache of two tensors."""
    ranges = {name: TensorRange(0.5, 3, "max", 10, "ab" * 32) for name in ("x", "y")}
    return CalibrationCache("cd" * 32, ranges).to_bytes()


def load_cache(data: bytes) -> None:
    """Load a timing cache."""
    TimingCache.load(data)


def load_calibration(data: bytes) -> None:
    """Load a calibration cache."""
    CalibrationCache.load(data)


def ask(data: bytes) -> None:
    """Judge a file as `plan check` does."""
    judge(facts_of(BytesSource(data), "bytes"), running_version(), this_machine(), {})


def raw(data: bytes) -> tuple[bytes, Callable[[bytes], None]]:
    """Bytes as they come; the first says what to do with the rest, 64 of them may replace the head of a plan."""
    choices = Choices(data)
    what = choices.below(8)
    base = golden(list(NETWORKS)[what % len(NETWORKS)])
    if what < 3:
        return data[1:], load_plan
    if what == 3:
        return data[1:], ask
    if what == 4:
        return data[1:], load_calibration if data[-1] % 2 else load_cache
    if what == 6:
        base = heavy_plan()
    at = choices.below(len(base))
    patch = choices.bytes(1 + choices.below(64))
    return base[:at] + patch + base[at + len(patch) :], {5: load_plan, 6: open_plan, 7: ask}[what]


def metadata(data: bytes) -> tuple[bytes, Callable[[bytes], None]]:
    """A plan whose META or PASSPORT was changed and sealed again."""
    choices = Choices(data)
    names = [*NETWORKS, *MORE, *OBJECTS]
    base = golden(names[choices.below(len(names))])
    passport = choices.below(6) == 0
    section = Section.PASSPORT if passport else Section.META
    content = mutated(_section(base, section), choices)
    if not passport:
        content = respelled(content, Meta)
    return with_section(base, section, content), ask if passport and choices.below(2) else load_plan


def caches(data: bytes) -> tuple[bytes, Callable[[bytes], None]]:
    """A timing cache whose entries or passport were changed and sealed again."""
    choices = Choices(data)
    section = Section.PASSPORT if choices.below(4) == 0 else Section.ENTRIES
    content = mutated(_section(timing_cache(), section), choices)
    if section is Section.ENTRIES:
        content = with_keys(content)
    return with_section(timing_cache(), section, content), load_cache


def calibrations(data: bytes) -> tuple[bytes, Callable[[bytes], None]]:
    """A calibration cache whose ranges or passport were changed and sealed again."""
    choices = Choices(data)
    section = Section.PASSPORT if choices.below(4) == 0 else Section.RANGES
    content = mutated(_section(calibration_cache(), section), choices)
    return with_section(calibration_cache(), section, content), load_calibration


def origins(data: bytes) -> tuple[bytes, Callable[[bytes], None]]:
    """A plan whose recipe or probes were changed and sealed again."""
    choices = Choices(data)
    base = golden(("mlp", "conv", "branches")[choices.below(3)])
    section = Section.PROBES if choices.below(2) else Section.RECIPE
    content = _section(base, section)
    if section is Section.RECIPE:
        return with_section(base, section, mutated(content, choices)), read_origin
    end = 8 + int.from_bytes(content[:8], "little")
    head = respelled(mutated(content[8:end], choices), Probes)
    length = choices.below(300) if choices.below(8) == 0 else len(head)
    return with_section(base, section, length.to_bytes(8, "little") + head + content[end:]), read_origin


def read_origin(data: bytes) -> None:
    """Load a plan, which does not read them; then read its recipe and probes as a rebuild does."""
    load_plan(data)
    artifact = open_artifact(data, Kind.PLAN)
    check_origin(artifact)
    config_of(decode_recipe(bytes(artifact.sections[Section.RECIPE])))


TARGETS = {"raw": raw, "origins": origins, "metadata": metadata, "caches": caches, "calibrations": calibrations}


@cache
def _section(data: bytes, section: Section) -> bytes:
    return bytes(open_artifact(data, Kind(data[12])).sections[section])


def accepts(data: bytes, action: Callable[[bytes], None]) -> bool:
    """Whether an artifact is taken; raise whatever is neither that nor a typed refusal."""
    try:
        with limits(len(data)):
            action(data)
    except (PlanError, PluginNotFound, Refused):
        return False
    return True


@contextmanager
def limits(size: int) -> Iterator[None]:
    """Raise LimitBroken if the block takes more CPU time or memory than the promise for `size` bytes."""
    before = _reset_peak()
    start = time.process_time()
    try:
        yield
    finally:
        seconds, memory = time.process_time() - start, _status("VmHWM") - before
        if seconds > SECONDS_PER_MIB * max(1, size / 2**20):
            raise LimitBroken(f"{seconds:.2f} s for {size:,} bytes")
        if memory > 2 * size + MEMORY:
            raise LimitBroken(f"{memory:,} bytes of memory for {size:,} bytes")


def _reset_peak() -> int:
    """Let the kernel count the peak of this process's memory anew; return what it has now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
