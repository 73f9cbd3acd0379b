"""What a build did: passes, the tactic of every layer and why each other one lost, and the steps that run in Python."""

from __future__ import annotations

from dataclasses import dataclass, field

from enginewright.errors import RejectedTactic
from enginewright.graph.wide_layers import WideLayer
from enginewright.ops.refusal import Refusal
from enginewright.optimize import PassRecord
from enginewright.replacement.report import ReplacementReport


@dataclass(frozen=True, slots=True)
class Timing:
    """One candidate for a layer; `nanoseconds` is None where nothing was measured."""

    tactic: str
    kernel: str
    nanoseconds: int | None = None


@dataclass(frozen=True, slots=True)
class LayerReport:
    """How one layer runs: the chosen tactic and kernel, the other candidates, and the rejected ones with reasons."""

    layer: str
    operator: str
    tactic: str
    kernel: str
    sources: tuple[str, ...]
    candidates: tuple[Timing, ...] = ()
    rejected: tuple[RejectedTactic, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The history of a build; `seconds` by phase, `replacements` as far as rules of plugins matched.

    `timings`, also in the plan's passport, says what the choices rest on, in the worst case: "measured" on a machine
    like this one, by this build or an earlier one, "imported" (times came from a text, or a tactic is pinned),
    "heuristic" (chosen by rule).
    `wide` names the layers that stay in float32 though `precision` allows fewer bits, each with the reason.
    """

    passes: tuple[PassRecord, ...] = ()
    layers: tuple[LayerReport, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    timings_measured: int = 0
    timings_cached: int = 0
    timings: str = "measured"
    replacements: tuple[ReplacementReport, ...] = ()
    wide: tuple[WideLayer, ...] = ()

    @property
    def reference_steps(self) -> tuple[str, ...]:
        """The layers that call back into Python at each run, for want of a kernel; a branch left out only refuses."""
        found = (item for item in self.layers if item.kernel == "python" and item.operator != Refusal.__name__)
        return tuple(f"{item.layer} ({item.operator})" for item in found)
