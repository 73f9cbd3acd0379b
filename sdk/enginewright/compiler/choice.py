"""What was chosen to run a layer: a tactic and its kernel, as the tuner finds it and programs hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from enginewright.registry.registry import Launch, Tactic


@dataclass(frozen=True)
class Choice:
    """What runs a layer: the tactic, the exact kernel, its launch, and the kernels that pack its weights.

    `plugin`: the tactic, if it is not the SDK's own. `device`: 0 is the host, 1 the device of the build.
    """

    tactic: str
    kernel: str
    launch: Launch = field(default_factory=Launch)
    packers: Mapping[int, str] = field(default_factory=dict)
    nanoseconds: int | None = None
    plugin: Tactic | None = None
    device: int = 0
