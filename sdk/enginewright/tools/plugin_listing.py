"""What plugins there are, what one of them offers, and why one is not seen."""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from enginewright.device.cuda import cuda_devices
from enginewright.device.kernels import KernelSource
from enginewright.errors import DeviceMissing, PluginConflict, PluginError, PluginNotFound
from enginewright.registry.discovery import Source, reason_of
from enginewright.registry.faults import OWN
from enginewright.registry.keys import Key
from enginewright.registry.registry import Tactic, doc_of, registry
from enginewright.registry.state import describe_fields
from enginewright_compat.plugins import EXTENSIONS, PLUGINS, allowed_namespaces
from enginewright_compat.version import running_version


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One operator, or one entry point of which no operator is known; `state` is ok, broken: why, or conflict."""

    key: str
    distribution: str
    version: str
    abi: str
    state: str
    place: str


def list_plugins(*, load: bool = False) -> tuple[PluginRow, ...]:
    """Every installed plugin, from metadata alone; with `load` all are imported, and their operators listed."""
    if load:
        registry.discovery.load_everything()
    rows: list[PluginRow] = []
    for source in (*registry.discovery.sources(), *registry.discovery.sources(EXTENSIONS)):
        rows += _rows(source, load=load)
    rows += [
        _operator_row(key, None) for key in _keys() if registry.source_of(registry.operators[key].__module__) is None
    ]
    return tuple(dict.fromkeys(rows))


def _rows(source: Source, *, load: bool) -> Iterator[PluginRow]:
    broken = registry.discovery.broken.get(source)
    if broken is not None:
        reason = f"broken: {reason_of(broken)}"
        yield PluginRow(f"{source.namespace}::*", source.distribution, source.version, "", reason, source.place)
        return
    keys = [key for key in _keys() if source.distribution in _owners(key)] if load else []
    if not keys or source.group == EXTENSIONS:
        state = "extension" if source.group == EXTENSIONS else "no operators" if load else "not loaded"
        yield PluginRow(f"{source.namespace}::*", source.distribution, source.version, "", state, source.place)
    if source.group == PLUGINS:
        yield from (_operator_row(key, source) for key in keys)


def _keys() -> list[Key]:
    return sorted(key for key in registry.operators if key.namespace != OWN)


def _owners(key: Key) -> set[str]:
    rivals = registry.rivals.get(key)
    return set(rivals) if rivals else {registry.owner_of(registry.operators[key])}


def _operator_row(key: Key, source: Source | None) -> PluginRow:
    cls = registry.rivals.get(key, {}).get(source.distribution if source else "", registry.operators[key])
    abis = {_abi(tactic) for tactic in registry.tactics_of(cls)} - {""}
    try:
        chosen: type[Any] | None = registry.operator(key)
    except PluginConflict:
        chosen = None
    state = "ok" if chosen is cls else "conflict" if chosen is None else "not preferred"
    if source is None:
        return PluginRow(str(key), "", "", ", ".join(sorted(abis)), state, _file(cls))
    return PluginRow(
        str(key), source.distribution, source.version, ", ".join(sorted(abis)), state, _file(cls) or source.place
    )


def _abi(tactic: Tactic) -> str:
    try:
        return tactic.kernel.abi if isinstance(tactic.kernel, KernelSource) else ""
    except PluginError as error:
        return error.code if _is_for_this_machine(tactic) else ""


def _file(cls: type[Any]) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or ""


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """What an operator is: its fields, its signature, its tactics with level and kernel, its names in ONNX."""

    key: str
    distribution: str
    summary: str
    fields: str
    signature: str
    alias: str
    tactics: tuple[str, ...]
    onnx: tuple[str, ...]


def _parameter(parameter: inspect.Parameter) -> str:
    """As the source has it: an annotation that is not evaluated is text, which `str` would put into quotes."""
    text = str(parameter)
    annotation = parameter.annotation
    return text.replace(repr(annotation), annotation, 1) if isinstance(annotation, str) else text


def describe_plugin(key: str) -> PluginDescription:
    """Describe an operator, of the newest version unless the key names one; `PluginNotFound` if there is none."""
    cls = _class(key)
    found: Key = cls.KEY
    source = registry.source_of(cls.__module__)
    names = list(inspect.signature(cls.infer).parameters)
    aliases = [f"output {output} is the memory of {names[1 + index]}" for output, index in cls.ALIAS.items()]
    onnx = sorted(f"{domain}::{op}" for (domain, op), keys in registry.onnx_names.items() if found in keys)
    return PluginDescription(
        key=str(found),
        distribution=source.owner if source else "",
        summary=doc_of(cls).partition("\n")[0],
        fields=describe_fields(cls),
        signature=", ".join(
            _parameter(p) for p in inspect.signature(cls.infer).parameters.values() if p.name != "self"
        ),
        alias=", ".join(aliases),
        tactics=(*(_tactic_text(tactic) for tactic in registry.tactics_of(cls)), "reference (level 0): NumPy"),
        onnx=(found.base, *onnx),
    )


def _class(key: str) -> type[Any]:
    parsed = Key.parse(key)
    newest = None if "@" in key else registry.newest(parsed.namespace, parsed.name)
    return newest or registry.operator(parsed)


def _tactic_text(tactic: Tactic) -> str:
    level = f"level {tactic.level}" if isinstance(tactic.kernel, KernelSource) else "built in"
    doc = (inspect.getdoc(tactic.plan) or "").partition("\n")[0]
    return f"{tactic.name} ({level}): {doc or 'no description'}{_unready(tactic)}"


def _unready(tactic: Tactic) -> str:
    """Why the tactic's kernel can't be used here, in brackets; empty if it can."""
    if not isinstance(tactic.kernel, KernelSource):
        return ""
    try:
        tactic.kernel.load()
    except (PluginError, DeviceMissing) as error:
        return f" [{error.code}: {error.message}]"
    return ""


def _is_for_this_machine(tactic: Tactic) -> bool:
    """Whether a kernel that can't be used is a fault: one for GPUs is none where there is no GPU."""
    if tactic.device == "cpu":
        return True
    try:
        return bool(cuda_devices())
    except DeviceMissing:
        return False


@dataclass(frozen=True, slots=True)
class DoctorStep:
    """One question about a plugin, what was found, and what is wrong with it ("" if nothing is)."""

    question: str
    found: str
    problem: str = ""


def examine_plugins(key: str = "") -> tuple[DoctorStep, ...]:
    """Why is a plugin (a key or a namespace; none: each one) not seen? Questions in order, up to the first problem."""
    steps: list[DoctorStep] = [_python(), *_groups()]
    names = (
        [key.partition("::")[0]] if key else sorted({source.namespace for source in registry.discovery.every_source()})
    )
    for namespace in names:
        for step in _about(namespace, key if "::" in key else ""):
            steps.append(step)
            if step.problem:
                break
    return tuple(steps)


def _about(namespace: str, key: str) -> Iterator[DoctorStep]:
    yield _name(namespace)
    yield from _imports(namespace)
    if key:
        yield _version(key)
        yield _interface(key)


def _python() -> DoctorStep:
    return DoctorStep("python", f"{sys.executable} with enginewright {running_version()}")


def _groups() -> Iterator[DoctorStep]:
    """Yield how many entry points there are, and those of groups that look as if they were meant."""
    found = registry.discovery.every_source()
    yield DoctorStep("group", f"{len(found)} entry points in {PLUGINS} and {EXTENSIONS}")
    for group in sorted(importlib.metadata.entry_points().groups):
        if group.startswith("enginewright") and group not in (PLUGINS, EXTENSIONS):
            yield DoctorStep("group", group, f"nobody reads this group; meant is {PLUGINS} or {EXTENSIONS}")


def _name(namespace: str) -> DoctorStep:
    sources = [source for source in registry.discovery.every_source() if source.namespace == namespace]
    if not sources and any(key.namespace == namespace for key in registry.operators):
        return DoctorStep("name", f"{namespace} was declared by a module that this process imported itself")
    if not sources:
        known = sorted({source.namespace for source in registry.discovery.every_source()})
        near = difflib.get_close_matches(namespace, known, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        text = f"no installed distribution declares it; declared are {', '.join(known) or 'none'}{guess}"
        return DoctorStep("name", namespace, text)
    allowed = allowed_namespaces()
    found = " and ".join(dict.fromkeys(source.owner for source in sources))
    if allowed is not None and namespace not in allowed:
        return DoctorStep("name", f"{namespace} of {found}", "ENGINEWRIGHT_PLUGINS does not allow it")
    return DoctorStep("name", f"{namespace} is declared by {found}")


def _imports(namespace: str) -> Iterator[DoctorStep]:
    registry.discovery.load(namespace)
    for source in registry.discovery.sources():
        if source.namespace == namespace:
            problem = registry.discovery.broken.get(source, "")
            yield DoctorStep("import", f"{source.module} from {source.place}", problem.strip())


def _version(key: str) -> DoctorStep:
    try:
        cls = _class(key)
    except (PluginNotFound, PluginConflict) as error:
        return DoctorStep("version", key, f"{error.message}; {error.hint}")
    versions = registry.versions(cls.KEY.namespace, cls.KEY.name)
    return DoctorStep("version", f"{cls.KEY}; known are {', '.join(map(str, versions))}")


def _interface(key: str) -> DoctorStep:
    tactics = registry.tactics_of(_class(key))
    here = [tactic for tactic in tactics if _is_for_this_machine(tactic)]
    reasons = [f"{tactic.name}{reason}" for tactic in here if (reason := _unready(tactic))]
    if reasons:
        return DoctorStep("kernels", "some can't be used here", "; ".join(reasons))
    others = ", ".join(tactic.name for tactic in tactics if tactic not in here)
    return DoctorStep("kernels", f"all can be used but {others}: there is no GPU" if others else "all can be used")
