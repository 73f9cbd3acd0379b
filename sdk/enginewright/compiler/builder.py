"""Builds a plan: parse, optimize, choose a tactic for every layer, lower to programs, and write the passport."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import enginewright.ops
import enginewright.tactics
from enginewright import _native
from enginewright.compiler.config import BuilderConfig, profile_records
from enginewright.compiler.embedding import Embedded, embed
from enginewright.compiler.fixed_sizes import fix_sizes
from enginewright.compiler.in_place import choose_in_place
from enginewright.compiler.interruptible import run_interruptibly
from enginewright.compiler.layouts import Layout, choose_layout, optimize_layouts, unused_precision
from enginewright.compiler.lowering import Programs
from enginewright.compiler.plugin_uses import deprecated_plugins, is_registered, plugin_uses
from enginewright.compiler.probes import Wanted, run_probes, wanted_probes
from enginewright.compiler.progress import Phases
from enginewright.compiler.recipe import default_rtol, make_recipe
from enginewright.compiler.report import BuildReport
from enginewright.compiler.safety import refuse_unsafe
from enginewright.compiler.sensitive_products import optimize_measured
from enginewright.compiler.sensitive_roundings import Trials, optimize_rounded
from enginewright.compiler.tuning import (
    HEURISTIC,
    IMPORTED,
    LOWEST_TIMED,
    MEASURED,
    Tuner,
    all_networks,
    default_sizes,
)
from enginewright.compiler.weights import WeightPool, room_for
from enginewright.device.cuda import find_cuda, use_cuda
from enginewright.dims import Dim
from enginewright.errors import CacheMissDetails, NetworkError, TimingCacheMiss
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network, Tensor
from enginewright.onnx_io.origin import NONE, Origin, read_origin
from enginewright.ops.refusal import Refusal
from enginewright.optimize import PIPELINE, Pass, optimize, pipeline
from enginewright.optimize.autocast import autocast_bf16
from enginewright.optimize.round_products import round_products
from enginewright.plan.artifact import Kind, Passport, Section
from enginewright.plan.features import find_features
from enginewright.plan.meta import SCHEMA, Items, Meta, Port, ProfileRecord
from enginewright.plan.plan import Plan
from enginewright.plan.timing_cache import TimingCache
from enginewright.progress import ProgressMonitor
from enginewright.registry.faults import OWN
from enginewright.registry.registry import registry
from enginewright.replacement.replacer import Replacer, SizeChoices, trial_sizes
from enginewright.replacement.report import ReplacementReport
from enginewright.runtime.session import uses_device
from enginewright.tensors import DataType, ItemSpec
from enginewright_compat.deprecation import identity_of, warn_deprecated
from enginewright_compat.machine import this_machine
from enginewright_compat.passport import ModelInfo, Target, TensorInfo, Tolerance
from enginewright_compat.recipe import encode_recipe
from enginewright_compat.version import running_version

Source = Any
Read = Callable[[Replacer], Origin]
MAX_SIZE = 2**31 - 1
LOWEST_IN_PLACE = 3
PHASES = ("parse", "optimize", "time tactics", "write", "probe")
"""Of a build; for a device there is one more, "time in place"."""


def build(source: Source, config: BuilderConfig | None = None, *, progress: ProgressMonitor | None = None) -> Plan:
    """Build a plan from an ONNX model (path, bytes, ModelProto) or a `Network`, which is left as it is.

    Weights are read where they lie in a model's file, which must not be overwritten meanwhile (replaced it may be).

    Raises `ModelError`, `NetworkError`, `ConfigError`, `BuildError`; `BuildCancelled` where `progress` says so. Ctrl-C
    on the main thread raises KeyboardInterrupt at once. Timings measured before are kept in the cache.
    """
    config = config or BuilderConfig()
    return build_origin(lambda replacer: read_origin(source, config.recipe, replacer), config, progress=progress)


def build_origin(read: Read, config: BuilderConfig, *, progress: ProgressMonitor | None = None) -> Plan:
    """The same for a model that `read` imports, with what is known of where it came from."""
    job = _Build(config, Phases(progress))
    try:
        plan = run_interruptibly(lambda: job.run(read), job.phases.cancelled)
    finally:
        if job.cache is not None:
            job.cache.save()  # here, not in the job: only the thread that called writes files
    for identity in plan.passport.deprecations:
        warn_deprecated(identity)  # nor in the job: the warning is for the caller's line
    for note in job.deprecated:
        warnings.warn(note, DeprecationWarning, stacklevel=3)
    return plan


@dataclass
class _Build:
    """One build."""

    config: BuilderConfig
    phases: Phases
    seconds: dict[str, float] = field(default_factory=dict)
    cache: TimingCache | None = None
    origin: Origin | None = None
    deprecated: tuple[str, ...] = ()

    def run(self, read: Read) -> Plan:
        """The plan; all phases are inside one, and when it ends, in whatever way, nobody reads the model's file."""
        try:
            with self.phases.phase("build", len(PHASES) + (self.config.target != "cpu")):
                return self._run(read)
        finally:
            if self.origin is not None:
                self.origin.settle()

    def _run(self, read: Read) -> Plan:
        origin, replacements = self._parse(read)
        network = origin.network
        registry.announce("enginewright_build_started", network=network, config=self.config)
        self.deprecated = deprecated_plugins(network)
        threads = threads_for(self.config)
        ports = [_port(tensor.name, tensor) for tensor in network.inputs]
        profiles = profile_records(self.config, network)
        tolerance = Tolerance(default_rtol(network), 0.0)
        probes = wanted_probes(network, profiles) if origin.mode != NONE else []
        self.cache = self._timing_cache()
        trials = Trials(self.cache, threads, self.config.error_on_timing_cache_miss)
        with self._phase("optimize", 1):
            layouts = optimize_for(network, self.config, trials)
        layout, tuners, programs = self._programs(layouts, profiles, trials)
        network = layout.network
        embedded = embed(programs.choices, self._architecture()) if self.config.embed_code else Embedded()
        meta = Meta(
            schema=SCHEMA,
            inputs=ports,
            outputs=[_port(name, tensor) for name, tensor in network.outputs],
            profiles=profiles,
            programs=[program for program in programs.programs if program is not None],
            weights=programs.weights.records,
            operators=programs.operators,
            threads=threads,
            code=embedded.records,
        )
        plugins = plugin_uses(programs.choices, embedded)
        safe = self.config.runtime == "safety"
        if safe:
            refuse_unsafe(meta, plugins)
        report = self._report(layout, tuners, replacements)
        features = tuple(find_features(meta, plugins))
        passport = _passport(network, meta, origin.model, report)
        passport = replace(passport, plugins=plugins, features=features, tolerance=tolerance)
        passport = replace(passport, target=self._target(passport.target, meta, embedded))
        kind = Kind.SAFE_PLAN if safe else Kind.PLAN
        plan = Plan(meta, programs.weights.data(), passport, report, kind=kind, code=embedded.content)
        if not safe:  # which has no recipe
            plan = self._with_recipe(plan, origin, probes if all(map(is_repeatable, tuners)) else [])
        registry.announce("enginewright_build_finished", plan=plan, report=plan.report)
        return plan

    def _parse(self, read: Read) -> tuple[Origin, tuple[ReplacementReport, ...]]:
        """The model as a network, with what rules of plugins replaced in it."""
        with self._phase("parse", 1):
            if self.config.target != "cpu":
                use_cuda(self.config.target)
            registry.discovery.load_extensions()
            replacer = replacer_for(self.config)
            enginewright.ops.load()
            enginewright.tactics.load()
            origin = self.origin = read(replacer)
            replacer.replace_all(origin.network)
        if not origin.network.outputs:
            raise NetworkError("the network has no outputs", hint="Mark one with network.output(name, tensor).")
        return origin, replacer.reports

    def _with_recipe(self, plan: Plan, origin: Origin, probes: Sequence[Wanted]) -> Plan:
        """The plan with what it takes to build it again, and to tell that the result is right."""
        sections: dict[Section, bytes] = {}
        notes = [origin.note] if origin.note else []
        if origin.mode != NONE:
            sections[Section.RECIPE] = encode_recipe(make_recipe(self.config, origin.info, plan))
            if origin.source:
                sections[Section.SOURCE] = origin.source
            with self._phase("probe", len(probes)) as step:
                found, failure = run_probes(plan, probes, step)
            if found:
                sections[Section.PROBES] = found
            else:
                why = f": {failure}" if failure else ", or not twice the same"
                notes.append(f"no probes: the model does not run on generated inputs{why}")
        report = replace(plan.report, seconds=dict(self.seconds), notes=(*plan.report.notes, *notes))
        return replace(plan, origin=sections, report=report)

    def _target(self, target: Target | None, meta: Meta, embedded: Embedded) -> Target | None:
        """The machine that the plan needs: with the GPU if it uses one, and all of this CPU if its code is for that."""
        if target is not None and embedded.is_native:
            target = replace(target, needs=target.features)
        return _on_gpu(target, self.config.target) if uses_device(meta) else target

    def _architecture(self) -> str:
        return "" if self.config.target == "cpu" else find_cuda(self.config.target).architecture

    def _programs(
        self, layouts: Sequence[Layout], profiles: Sequence[ProfileRecord], trials: Trials
    ) -> tuple[Layout, list[Tuner], Programs]:
        """Tune and lower once for each profile; the programs for all profiles come first, in their order."""
        wanted: Sequence[ProfileRecord | None] = profiles or [None]
        tuned = [self._tuned(layouts, profile, trials.threads, trials.cache) for profile in wanted]
        tuners = [tuner for _, _, tuner in tuned]
        check_misses(tuners, profiles, trials.missing)
        choices = {layer: choice for tuner in tuners for layer, choice in tuner.choices.items()}
        programs = Programs(choices, WeightPool(room_for(choices)))
        with self._phase("write", len(tuned)):
            programs.add_all([inner for _, inner, _ in tuned])
        return tuned[0][0], tuners, programs

    def _tuned(
        self, layouts: Sequence[Layout], profile: ProfileRecord | None, threads: int, cache: TimingCache
    ) -> tuple[Layout, Network, Tuner]:
        """The fastest layout for a profile, with its network and its tuner; the first one if nothing is timed."""
        found = []
        for layout in layouts if self.config.level >= LOWEST_TIMED else layouts[:1]:
            inner = specialize(layout.network, profile, layout.passes)
            total = sum(len(network.layers) for network in all_networks(inner))
            with self._phase("time tactics", total) as step:
                tuner = Tuner(
                    self.config.level, threads, cache, _sizes(inner, profile),
                    strict=self.config.error_on_timing_cache_miss, target=self.config.target, progress=step,
                    nondeterministic=self.config.allow_nondeterministic, everything=len(layouts) > 1,
                )  # fmt: skip
                tuner.assumed = () if profile else tuple(tuner.sizes)
                tuner.run(inner)
            found.append((layout, inner, tuner))
        layout, inner, tuner = choose_layout(found)
        if self.config.target != "cpu" and self.config.level >= LOWEST_IN_PLACE:
            with self._phase("time in place", 1) as step:
                choose_in_place(inner, tuner, step)
        return layout, inner, tuner

    def _report(self, layout: Layout, tuners: list[Tuner], replacements: tuple[ReplacementReport, ...]) -> BuildReport:
        said = (*layout.network.notes, *unused_precision(self.config, layout.records), *self.deprecated)
        return BuildReport(
            passes=layout.records,
            layers=tuple(report for tuner in tuners for report in tuner.reports),
            seconds=dict(self.seconds),
            notes=(*said, *(note for t in tuners for note in tuning_notes(t))),
            timings_measured=sum(tuner.measured for tuner in tuners),
            timings_cached=sum(tuner.cached for tuner in tuners),
            timings=next((word for word in (HEURISTIC, IMPORTED) if any(word in t.origins for t in tuners)), MEASURED),
            replacements=replacements,
            wide=tuple(layout.network.wide),
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


def check_misses(tuners: Sequence[Tuner], profiles: Sequence[ProfileRecord], untried: Sequence[str] = ()) -> None:
    """Raise TimingCacheMiss for the layers of all profiles that must not be timed, and what must not be tried.

    Nothing was timed or tried by now.
    """
    names = [f" ({profile.name})" if len(profiles) > 1 else "" for profile in profiles] or [""]
    missing = [layer + name for tuner, name in zip(tuners, names, strict=True) for layer in tuner.missing]
    missing += untried
    if missing:
        raise TimingCacheMiss(
            f"{len(missing)} layers are not in the timing cache",
            hint="Build once without error_on_timing_cache_miss, or merge the cache of the build machine.",
            details=CacheMissDetails(tuple(missing)),
        )


def optimize_for(network: Network, config: BuilderConfig, trials: Trials | None = None) -> list[Layout]:
    """The network after the passes for the target and the precision, in all ways in which it may run there.

    Without `trials` nothing is known of earlier ones.
    """
    passes = pipeline(config.target.partition(":")[0], config.precision) if config.level else ()
    if round_products not in passes and autocast_bf16 not in passes:
        return optimize_layouts(network, passes)
    enginewright.tactics.load()  # trials run on the CPU
    probes, threads = wanted_probes(network, profile_records(config, network)), threads_for(config)
    if round_products in passes:
        return optimize_rounded(network, passes, probes, trials or Trials(TimingCache(), threads))
    return optimize_measured(network, passes, [probe.arrays() for probe in probes], threads)


def threads_for(config: BuilderConfig) -> int:
    """As many as asked for, else one for each CPU that the process may use."""
    return config.threads or len(os.sched_getaffinity(0))


def tuning_notes(tuner: Tuner) -> Iterator[str]:
    """What a user should know about the choices: sizes that nobody gave, branches left out, layers not timed."""
    if tuner.assumed and tuner.measured:
        sizes = ", ".join(f"{name} = {tuner.sizes[name]}" for name in tuner.assumed)
        yield f"tactics were timed at assumed sizes ({sizes}): a profile of those that run may find faster ones"
    if unfit := sum(report.operator == Refusal.__name__ for report in tuner.reports):
        yield f"{unfit} branches do not fit the sizes of the profile and are left out: ShapeError if one is taken"
    if tuner.untimed:
        yield f"chosen by rule, not by time: {', '.join(tuner.untimed)}"
    yield from tuner.notes
    if tuner.agreement.unchecked:
        layers = ", ".join(tuner.agreement.unchecked)
        yield f"not compared with the reference, which generated data can't run: {layers}"


def specialize(network: Network, profile: ProfileRecord | None, passes: Sequence[Pass] = PIPELINE) -> Network:
    """The network for one profile: a copy in which sizes with min = max are numbers; itself without a profile."""
    if profile is None:
        return network
    fixed: dict[str, int] = {}
    for tensor in network.inputs:
        for size, (low, _, high) in zip(tensor.shape, profile.shapes[tensor.name], strict=True):
            if isinstance(size, Dim) and low == high:
                fixed[str(size)] = low
    made = copy_network(network)
    fix_sizes(made, fixed)
    made.infer()
    if fixed:
        optimize(made, passes)
    return made


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


def is_repeatable(tuner: Tuner) -> bool:
    """Whether every chosen tactic computes the same bits at each run."""
    return all(
        tactic.deterministic
        for layer, choice in tuner.choices.items()
        for tactic in registry.tactics_of(type(getattr(layer.op, "anchor", layer.op)))
        if tactic is choice.plugin or tactic.name == choice.tactic.partition("@")[0]
    )


def _sizes(network: Network, profile: ProfileRecord | None) -> dict[str, int]:
    sizes = default_sizes(network)
    for tensor in network.inputs if profile else ():
        assert profile is not None
        for size, (_, opt, _) in zip(tensor.shape, profile.shapes[tensor.name], strict=True):
            if isinstance(size, Dim):
                sizes[str(size)] = opt
    return sizes


def _port(name: str, tensor: Tensor) -> Port:
    shape = [size if isinstance(size, int) else str(size) for size in tensor.shape]
    return Port(name, int(tensor.dtype), shape, _items(tensor.spec.items))


def _items(held: ItemSpec | None) -> Items | None:
    if held is None:
        return None
    return Items(int(held.dtype), None if held.shape is None else list(held.shape), _items(held.items))


def _passport(network: Network, meta: Meta, model: ModelInfo, report: BuildReport) -> Passport:
    machine = this_machine()
    isas = {item.kernel.partition("@")[2] for item in report.layers}
    needs = sorted({feature for isa in isas for feature in _native.isa_features(isa)})
    return Passport(
        enginewright=str(running_version()),
        name=network.name,
        inputs=tuple(_tensor_info(port, meta) for port in meta.inputs),
        outputs=tuple(_tensor_info(port, None) for port in meta.outputs),
        target=Target(machine.arch, tuple(needs), machine.kernel_features, machine.model),
        model=model,
        timings=report.timings,
        memory=max((weight.offset + weight.length for weight in meta.weights), default=0),
        deprecations=_deprecations(network),
    )


def _on_gpu(target: Target | None, name: str) -> Target:
    device = find_cuda(name)
    assert target is not None
    return replace(target, device=device.name, compute_capability=device.architecture, driver=device.driver)


def _deprecations(network: Network) -> tuple[str, ...]:
    """The ids of what is deprecated among the operators that are left, sorted as a passport wants them.

    Those of plugins have one if their authors keep a registry of deprecations, too.
    """
    layers = [layer for layer in network.layers if layer.key.namespace == OWN or is_registered(layer.op)]
    marks = {getattr(layer.op, "DEPRECATED", "") for layer in layers}
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
