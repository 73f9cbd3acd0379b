"""The facts that exceptions carry for programs, in frozen dataclasses; each row is also shown below the message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Details:
    """Base of all details; `rows` are the label and text pairs shown below the message."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that are not empty, by name; of a tuple one row for each element."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                yield from ((field.name.removesuffix("s"), str(element)) for element in value)
            elif value != "":
                yield field.name, str(value)


@dataclass(frozen=True, slots=True)
class UnsupportedNode:
    """One ONNX node that cannot be imported, and why."""

    name: str
    op_type: str
    domain: str
    version: int
    reason: str

    def __str__(self) -> str:
        return f'"{self.name}": {self.domain or "ai.onnx"}::{self.op_type} version {self.version}: {self.reason}'


@dataclass(frozen=True, slots=True)
class UnsupportedDetails(Details):
    """Every node of the model that cannot be imported, in graph order."""

    nodes: tuple[UnsupportedNode, ...]


@dataclass(frozen=True, slots=True)
class RejectedTactic:
    """One candidate that was not used for a layer, and why."""

    tactic: str
    reason: str

    def __str__(self) -> str:
        return f"{self.tactic}: {self.reason}"


@dataclass(frozen=True, slots=True)
class NoTacticDetails(Details):
    """The layer for which nothing was left, and every candidate with the reason of its rejection."""

    layer: str
    candidates: tuple[RejectedTactic, ...]


@dataclass(frozen=True, slots=True)
class UnsafeFeature:
    """A feature that the safety runtime lacks, such as "dynamic-shapes", and the first layer or input that needs it."""

    feature: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}   {self.feature}"


@dataclass(frozen=True, slots=True)
class UnsafeDetails(Details):
    """Everything that keeps a network out of a safe plan."""

    unsafe: tuple[UnsafeFeature, ...]


@dataclass(frozen=True, slots=True)
class CheckDetails(Details):
    """The pass after which the network was found broken, and the passes that ran before it, in order."""

    stage: str
    history: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputDetails(Details):
    """The tensor that does not fit: what was given and what is allowed, each as one line of text."""

    tensor: str
    given: str
    allowed: str


@dataclass(frozen=True, slots=True)
class ShapeDetails(Details):
    """The layer and axis whose sizes do not agree, and both sizes."""

    layer: str
    axis: int
    found: int
    expected: int


@dataclass(frozen=True, slots=True)
class PlanDetails(Details):
    """Which kind of artifact ("plan", "timing cache", "calibration cache", "safe plan") and which field is at fault."""

    kind: str
    field: str = ""
    found: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class VersionDetails(Details):
    """The release that wrote an artifact, the running one, and the first field (major, ..., build) that differs."""

    kind: str
    found: str
    running: str
    field: str
    rebuild: str


@dataclass(frozen=True, slots=True)
class MissingPlugin:
    """One plugin that an artifact needs: its key, what provides it, what was found, the layers, and the next step."""

    namespace: str
    requirement: str
    found: str = "not installed"
    layers: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.namespace}  {self.layers}".rstrip() + f"\n  needs {self.requirement}; {self.found}"
        return f"{text}\n  {self.remedy}" if self.remedy else text


@dataclass(frozen=True, slots=True)
class MissingPluginsDetails(Details):
    """All plugins that are missing, not only the first."""

    plugins: tuple[MissingPlugin, ...]


@dataclass(frozen=True, slots=True)
class PluginDetails(Details):
    """The plugin, and the method and layer in which it failed, as far as they are known."""

    plugin: str
    method: str = ""
    layer: str = ""


@dataclass(frozen=True, slots=True)
class CacheMissDetails(Details):
    """Every layer that the timing cache does not know."""

    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PinConflict:
    """One layer of timing caches, by key and in words, and the different tactics that are pinned for it."""

    key: str
    layer: str
    tactics: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.key}: {' or '.join(self.tactics)} for {self.layer}"


@dataclass(frozen=True, slots=True)
class CacheConflictDetails(Details):
    """Every layer for which caches that were to be merged pin different tactics."""

    pins: tuple[PinConflict, ...]


@dataclass(frozen=True, slots=True)
class NativeDetails(Details):
    """The status number that native code returned."""

    status: int
