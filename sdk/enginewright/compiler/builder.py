"""Builds a plan: parse, optimize, choose a tactic for every layer, lower to programs, and write the passport."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import enginewright.ops
import enginewright.tactics
from enginewright import _native
from enginewright.compiler.config import BuilderConfig, profile_records
from enginewright.compiler.interruptible import run_interruptibly
from enginewright.compiler.lowering import Programs
from enginewright.compiler.plugin_uses import plugin_uses
from enginewright.compiler.progress import Phases
from enginewright.compiler.report import BuildReport
from enginewright.compiler.tuning import HEURISTIC, IMPORTED, MEASURED, Tuner, default_sizes
from enginewright.compiler.weights import WeightPool
from enginewright.dims import Atom, Dim, Size, substitute
from enginewright.errors import CacheMissDetails, NetworkError, TimingCacheMiss
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network, Tensor
from enginewright.onnx_io.parser import parse
from enginewright.optimize import PassRecord, optimize
from enginewright.plan.artifact import Passport
from enginewright.plan.meta import SCHEMA, Meta, Port, ProfileRecord
from enginewright.plan.plan import Plan
from enginewright.plan.timing_cache import TimingCache
from enginewright.progress import ProgressMonitor
from enginewright.registry.registry import registry
from enginewright.replacement.replacer import Replacer, SizeChoices, trial_sizes
from enginewright.replacement.report import ReplacementReport
from enginewright.tensors import DataType
from enginewright_compat.deprecation import identity_of, warn_deprecated
from enginewright_compat.machine import this_machine
from enginewright_compat.passport import ModelInfo, Target, TensorInfo
from enginewright_compat.rules import PYTHON_STEPS
from enginewright_compat.version import running_version

Source = Any
MAX_SIZE = 2**31 - 1


def build(source: Source, config: BuilderConfig | None = None, *, progress: ProgressMonitor | None = None) -> Plan:
    """Build a plan from an ONNX model (path, bytes, ModelProto) or a `Network`, which is left as it is.

    Raises `ModelError`, `NetworkError`, `ConfigError`, `BuildError`; `BuildCancelled` where `progress` says so. Ctrl-C
    on the main thread raises KeyboardInterrupt at once. Timings measured before are kept in the cache.
    """
    job = _Build(config or BuilderConfig(), Phases(progress))
    try:
        plan = run_interruptibly(lambda: job.run(source), job.phases.cancelled)
    finally:
        if job.cache is not None:
            job.cache.save()  # here, not in the job: only the thread that called writes files
    for identity in plan.passport.deprecations:
        warn_deprecated(identity)  # nor in the job: the warning is for the caller's line
    return plan


@dataclass
class _Build:
    """One build."""

    config: BuilderConfig
    phases: Phases
    seconds: dict[str, float] = field(default_factory=dict)
    cache: TimingCache | None = None

    def run(self, source: Source) -> Plan:
        with self._phase("parse", 1):
            registry.discovery.load_extensions()
            replacer = replacer_for(self.config)
            network, model = _load(source, replacer)
            replacer.replace_all(network)
            enginewright.ops.load()
            enginewright.tactics.load()
        if not network.outputs:
            raise NetworkError("the network has no outputs", hint="Mark one with network.output(name, tensor).")
        registry.announce("enginewright_build_started", network=network, config=self.config)
        threads = self.config.threads or len(os.sched_getaffinity(0))
        ports = [_port(tensor.name, tensor) for tensor in network.inputs]
        profiles = profile_records(self.config, network)
        with self._phase("optimize", 1):
            passes = optimize(network) if self.config.level else []
        self.cache = self._timing_cache()
        tuners, programs = self._programs(network, profiles, threads, self.cache)
        meta = Meta(
            schema=SCHEMA,
            inputs=ports,
            outputs=[_port(name, tensor) for name, tensor in network.outputs],
            profiles=profiles,
            programs=[program for program in programs.programs if program is not None],
            weights=programs.weights.records,
            operators=programs.operators,
            threads=threads,
        )
        report = self._report(passes, tuners, network, replacer.reports)
        passport = replace(_passport(network, meta, model, report), plugins=plugin_uses(programs.choices))
        plan = Plan(meta, programs.weights.data(), passport, report)
        registry.announce("enginewright_build_finished", plan=plan, report=report)
        return plan

    def _programs(
        self, network: Network, profiles: Sequence[ProfileRecord], threads: int, cache: TimingCache
    ) -> tuple[list[Tuner], Programs]:
        """Tune and lower once for each profile; the programs for all profiles come first, in their order."""
        tuned: list[tuple[Network, Tuner]] = []
        wanted: Sequence[ProfileRecord | None] = profiles or [None]
        for profile in wanted:
            inner = specialize(network, profile)
            with self._phase("time tactics", len(inner.layers)) as step:
                tuner = Tuner(
                    self.config.level, threads, cache, _sizes(inner, profile),
                    strict=self.config.error_on_timing_cache_miss, target=self.config.target, progress=step,
                    nondeterministic=self.config.allow_nondeterministic,
                )  # fmt: skip
                tuner.assumed = () if profile else tuple(tuner.sizes)
                tuner.run(inner)
            tuned.append((inner, tuner))
        check_misses([tuner for _, tuner in tuned], profiles)
        programs = Programs({k: v for _, tuner in tuned for k, v in tuner.choices.items()}, WeightPool())
        with self._phase("write", len(tuned)):
            programs.add_all([inner for inner, _ in tuned])
        return [tuner for _, tuner in tuned], programs

    def _report(
        self,
        passes: list[PassRecord],
        tuners: list[Tuner],
        network: Network,
        replacements: tuple[ReplacementReport, ...],
    ) -> BuildReport:
        return BuildReport(
            passes=tuple(passes),
            layers=tuple(report for tuner in tuners for report in tuner.reports),
            seconds=dict(self.seconds),
            notes=(*network.notes, *(note for tuner in tuners for note in tuning_notes(tuner))),
            timings_measured=sum(tuner.measured for tuner in tuners),
            timings_cached=sum(tuner.cached for tuner in tuners),
            timings=next((word for word in (HEURISTIC, IMPORTED) if any(word in t.origins for t in tuners)), MEASURED),
            replacements=replacements,
        )

    def _timing_cache(self) -> TimingCache:
        given = self.config.timing_cache
        if given is None:
            return TimingCache.default()
        return TimingCache.named(given) if given else TimingCache()

    @contextmanager
    def _phase(self, name: str, steps: int) -> Iterator[Any]:
        start = time.perf_counter()
        with self.phases.phase(name, steps) as step:
            yield step
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def check_misses(tuners: Sequence[Tuner], profiles: Sequence[ProfileRecord]) -> None:
    """Raise TimingCacheMiss for the layers of all profiles that must not be timed; nothing was timed by now."""
    names = [f" ({profile.name})" if len(profiles) > 1 else "" for profile in profiles] or [""]
    missing = [layer + name for tuner, name in zip(tuners, names, strict=True) for layer in tuner.missing]
    if missing:
        raise TimingCacheMiss(
            f"{len(missing)} layers are not in the timing cache",
            hint="Build once without error_on_timing_cache_miss, or merge the cache of the build machine.",
            details=CacheMissDetails(tuple(missing)),
        )


def tuning_notes(tuner: Tuner) -> Iterator[str]:
    """What a user should know about the timings: sizes that nobody gave, and layers that could not be timed."""
    if tuner.assumed and tuner.measured:
        sizes = ", ".join(f"{name} = {tuner.sizes[name]}" for name in tuner.assumed)
        yield f"no profile gives these sizes, so tactics were timed with {sizes}"
    if tuner.untimed:
        yield f"chosen by rule, not by time: {', '.join(tuner.untimed)}"
    yield from tuner.notes
    if tuner.agreement.unchecked:
        layers = ", ".join(tuner.agreement.unchecked)
        yield f"not compared with the reference, which generated data can't run: {layers}"


def specialize(network: Network, profile: ProfileRecord | None) -> Network:
    """The network for one profile: a copy in which sizes with min = max are numbers; itself without a profile."""
    if profile is None:
        return network
    fixed: dict[str, int] = {}
    for tensor in network.inputs:
        for size, (low, _, high) in zip(tensor.shape, profile.shapes[tensor.name], strict=True):
            if isinstance(size, Dim) and low == high:
                fixed[str(size)] = low
    made = copy_network(network)
    for tensor in made.inputs:
        shape: list[Size] = [fixed.get(str(size), size) if isinstance(size, Dim) else size for size in tensor.shape]
        tensor.spec = replace(tensor.spec, shape=tuple(shape))
    _fix_sizes(made, fixed)
    made.infer()
    if fixed:
        optimize(made)
    return made


def _fix_sizes(network: Network, fixed: Mapping[str, int]) -> None:
    """Put numbers where operators hold named sizes, as those do that fold_shapes made."""

    def number(atom: Atom) -> Size | None:
        return fixed.get(str(atom.args[0])) if atom.kind == "symbol" else None

    for layer in network.layers:
        for item in fields(layer.op):
            value = getattr(layer.op, item.name)
            if isinstance(value, Network):
                _fix_sizes(value, fixed)
            elif isinstance(value, tuple) and any(isinstance(size, Dim) for size in value):
                sizes = tuple(substitute(size, number) if isinstance(size, Dim) else size for size in value)
                layer.op = replace(layer.op, **{item.name: sizes})


def replacer_for(config: BuilderConfig, *, surveying: bool = False) -> Replacer:
    """What replaces subgraphs as the config asks; it verifies at the sizes of the first profile."""

    def sizes(network: Network) -> SizeChoices:
        if not config.profiles:
            return trial_sizes(network)
        ranges = config.profiles[0].ranges(network)
        named = [
            (str(size), extent)
            for tensor in network.inputs
            for size, extent in zip(tensor.shape, ranges[tensor.name], strict=True)
            if isinstance(size, Dim)
        ]
        return [[{name: extent[which] for name, extent in named}] for which in range(3)]

    return Replacer(config.replace, config.allow_unverified, sizes, surveying)


def _load(source: Source, replacer: Replacer) -> tuple[Network, ModelInfo]:
    if isinstance(source, Network):
        return copy_network(source), ModelInfo("network", "", "", "")
    if isinstance(source, str | os.PathLike):
        network, path = parse(source, replacer), Path(source)
        return network, ModelInfo("onnx", path.name, _sha256(path), "")
    return parse(source, replacer), ModelInfo("onnx", "", "", "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sizes(network: Network, profile: ProfileRecord | None) -> dict[str, int]:
    sizes = default_sizes(network)
    for tensor in network.inputs if profile else ():
        assert profile is not None
        for size, (_, opt, _) in zip(tensor.shape, profile.shapes[tensor.name], strict=True):
            if isinstance(size, Dim):
                sizes[str(size)] = opt
    return sizes


def _port(name: str, tensor: Tensor) -> Port:
    return Port(name, int(tensor.dtype), [size if isinstance(size, int) else str(size) for size in tensor.shape])


def _passport(network: Network, meta: Meta, model: ModelInfo, report: BuildReport) -> Passport:
    machine = this_machine()
    isas = {item.kernel.partition("@")[2] for item in report.layers}
    needs = sorted(feature for isa in isas for feature in _native.isa_features(isa))
    return Passport(
        enginewright=str(running_version()),
        name=network.name,
        inputs=tuple(_tensor_info(port, meta) for port in meta.inputs),
        outputs=tuple(_tensor_info(port, None) for port in meta.outputs),
        target=Target(machine.arch, tuple(needs), machine.kernel_features, machine.model),
        features=(PYTHON_STEPS,) if meta.operators else (),
        model=model,
        timings=report.timings,
        memory=max((weight.offset + weight.length for weight in meta.weights), default=0),
        deprecations=_deprecations(network),
    )


def _deprecations(network: Network) -> tuple[str, ...]:
    """The ids of what is deprecated among the operators that are left, sorted as a passport wants them."""
    marks = {getattr(layer.op, "DEPRECATED", "") for layer in network.layers}
    return tuple(sorted({identity_of(mark) for mark in marks if mark}))


def _tensor_info(port: Port, meta: Meta | None) -> TensorInfo:
    lows = [size if isinstance(size, int) else 0 for size in port.shape]
    highs = [size if isinstance(size, int) else MAX_SIZE for size in port.shape]
    opts = [size if isinstance(size, int) else 1 for size in port.shape]
    ranges = [p.shapes[port.name] for p in meta.profiles] if meta else []
    if ranges:
        lows = [min(r[axis][0] for r in ranges) for axis in range(len(lows))]
        opts = [ranges[0][axis][1] for axis in range(len(lows))]
        highs = [max(r[axis][2] for r in ranges) for axis in range(len(lows))]
    return TensorInfo(port.name, str(DataType(port.dtype)), tuple(lows), tuple(opts), tuple(highs))
