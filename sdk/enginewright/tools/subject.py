"""Opens what a tool is given: a plan is loaded, a model is built first."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from enginewright.compiler.accepted_sizes import accepted_sizes
from enginewright.compiler.builder import build
from enginewright.compiler.config import BuilderConfig
from enginewright.compiler.ranges import index_limits
from enginewright.errors import UsageError
from enginewright.graph.network import Network
from enginewright.loading import load
from enginewright.onnx_io.parser import parse
from enginewright.plan.plan import Plan
from enginewright.progress import ProgressMonitor
from enginewright.runtime.engine import Engine
from enginewright.tools.inputs import Arrays, InputMaker, Shapes
from enginewright.trust import Trust
from enginewright_compat.layout import MAGIC

if TYPE_CHECKING:
    import onnx

Source: TypeAlias = "str | os.PathLike[str] | bytes | onnx.ModelProto | Network | Plan"


@dataclass(frozen=True, eq=False)
class Subject:
    """An engine and where it came from; `network` is None for a plan, `limits` bounds the indices that inputs hold."""

    name: str
    plan: Plan
    engine: Engine
    network: Network | None
    model: Any
    limits: Mapping[str, int]
    seconds_build: float
    seconds_load: float

    def input_maker(self, inputs: Arrays | None = None, shapes: Shapes | None = None) -> InputMaker:
        """Makes inputs: given ones, and random ones of sizes that the model accepts.

        `UsageError` where the model takes or gives a sequence or an optional.
        """
        for port in (*self.engine.inputs, *self.engine.outputs):
            if port.items is not None:
                hint = "Run the engine yourself: Engine.run takes and gives lists of arrays."
                raise UsageError(f'"{port.name}" is {port}; only arrays are compared and timed', hint=hint)
        maker = InputMaker(self.engine.inputs, inputs or {}, shapes or {}, self.limits)
        if self.network is None:
            return maker
        return replace(maker, defaults=accepted_sizes(self.network, maker.given_sizes()))

    def need_model(self, why: str) -> Any:
        """The ONNX model; `UsageError` where there is only a plan or a network."""
        if self.model is None:
            raise UsageError(
                f"{why} needs the ONNX model, but {self.name} has none", hint="Give the path of the .onnx file."
            )
        return self.model


def is_plan(source: Any) -> bool:
    """Whether a path or bytes begin as an artifact of ours; everything else is taken for a model."""
    if isinstance(source, Plan):
        return True
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source[: len(MAGIC)]) == MAGIC
    if isinstance(source, str | os.PathLike) and Path(source).is_file():
        with Path(source).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    return False


def open_subject(
    source: Source,
    config: BuilderConfig | None = None,
    *,
    progress: ProgressMonitor | None = None,
    trust: Trust = None,
) -> Subject:
    """Load a plan, or build a model with `config`; `config.threads` bounds the threads of the engine in both cases."""
    config = config or BuilderConfig()
    network, model, limits = None, None, {}
    start = time.perf_counter()
    if isinstance(source, Plan):
        plan = source
    elif is_plan(source):
        plan = Plan.load(source, trust=trust)  # type: ignore[arg-type]  # is_plan says so
    else:
        network = source if isinstance(source, Network) else parse(source)
        model = None if isinstance(source, Network) else source
        limits = index_limits(network)
        plan = build(network, config, progress=progress)
    middle = time.perf_counter()
    engine = Engine(plan, threads=config.threads)
    built = middle - start if network is not None else 0.0
    loaded = time.perf_counter() - (middle if network is not None else start)
    return Subject(_name(source), plan, engine, network, model, limits, built, loaded)


def open_safe_subject(path: str, trust: Trust, *, threads: int | None) -> Subject:
    """Load a safe plan into the safety runtime, which needs the keys that may have signed it."""
    start = time.perf_counter()
    engine = load(path, runtime="safety", trust=trust, threads=threads)
    return Subject(path, engine.plan, engine, None, None, {}, 0.0, time.perf_counter() - start)


def _name(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return source.name if isinstance(source, Plan | Network) else "the model"
