"""Loads a plan and gives an engine that runs it."""

from __future__ import annotations

import os

from enginewright.errors import ConfigError, PlanDeviceMismatch, PlanVersionMismatch
from enginewright.plan.artifact import Artifact, open_as
from enginewright.plan.plan import PLANS, Plan
from enginewright.runtime.engine import Engine
from enginewright.runtime.safe_engine import load_safe
from enginewright.trust import Trust


def load(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | Plan,
    *,
    threads: int | None = None,
    device: str = "cuda",
    verify: str = "full",
    mmap: bool = True,
    trust: Trust = None,
    on_mismatch: str = "raise",
    runtime: str = "standard",
) -> Engine:
    """Load a plan (path, bytes or `Plan`) as an engine.

    `threads` bounds the CPU threads of one run; `device` is the GPU that a plan for GPUs runs on: "cuda" (the first
    that fits), "cuda:1" or "cuda:GPU-..." (the beginning of a UUID). `verify` is "full", "lazy" (weights are hashed
    before a context first runs on them) or "header" (they are not, with a warning). `mmap=False` copies the file
    first; `trust`: see the plan format. `on_mismatch="rebuild"`: a plan file of another release, or for another
    machine, is built again from its recipe and kept in the plan cache; the file stays as it is. `runtime="safety"`
    loads a safe plan by the rules of the restricted runtime: signed by one of the keys in `trust`, copied, verified
    whole, never rebuilt, and nothing is allocated after loading. Raises a `PlanError`, or `PluginNotFound`.
    """
    if on_mismatch not in ("raise", "rebuild"):
        raise ConfigError(f'on_mismatch="{on_mismatch}" is unknown', hint='use on_mismatch="raise" or "rebuild"')
    if runtime not in ("standard", "safety"):
        raise ConfigError(f"runtime {runtime!r} is not known", hint='Use "standard" or "safety".')
    if runtime == "safety":
        if on_mismatch == "rebuild":
            raise ConfigError("the safety runtime builds nothing", hint='Use on_mismatch="raise".')
        if device != "cuda":
            raise ConfigError("the safety runtime uses no GPU", hint="Leave device= out.")
        return load_safe(source, threads=threads, verify=verify, trust=trust)
    if isinstance(source, Plan):
        return Engine(source, threads=threads, device=device)

    def engine(artifact: Artifact) -> Engine:
        return Engine(Plan.decode(artifact), threads=threads, device=device)

    try:
        return open_as(source, PLANS, engine, verify=verify, mmap=mmap, trust=trust)
    except (PlanVersionMismatch, PlanDeviceMismatch):
        if on_mismatch == "raise" or isinstance(source, bytes | bytearray | memoryview):
            raise
    from enginewright.compiler.plan_cache import load_rebuilt  # brings the builder and onnx, which a load never needs

    return Engine(load_rebuilt(source, trust=trust), threads=threads, device=device)
