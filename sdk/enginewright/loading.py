"""Loads a plan and gives an engine that runs it."""

from __future__ import annotations

import os

from enginewright.plan.artifact import Artifact, Kind, open_as
from enginewright.plan.plan import Plan
from enginewright.runtime.engine import Engine
from enginewright.trust import Trust


def load(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | Plan,
    *,
    threads: int | None = None,
    verify: str = "full",
    mmap: bool = True,
    trust: Trust = None,
) -> Engine:
    """Load a plan (path, bytes or `Plan`) as an engine.

    `threads` bounds the CPU threads of one run. `verify` is "full" or "header" (weights are not hashed); `mmap=False`
    copies the file first; `trust`: see the plan format. Raises a `PlanError`, or `PluginNotFound`.
    """
    if isinstance(source, Plan):
        return Engine(source, threads=threads)

    def engine(artifact: Artifact) -> Engine:
        return Engine(Plan.decode(artifact), threads=threads)

    return open_as(source, Kind.PLAN, engine, verify=verify, mmap=mmap, trust=trust)
