"""Chooses the tactic of every layer: candidates are run on this machine as one-step plans, timed, and compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from enginewright.compiler.accepted_sizes import MOST_ELEMENTS, usual_size
from enginewright.compiler.candidates import Candidates, candidates, on_host
from enginewright.compiler.chains import best_cut, chain_of, cut_chain
from enginewright.compiler.checking import Agreement
from enginewright.compiler.choice import Choice
from enginewright.compiler.liveness import view_offset
from enginewright.compiler.one_step import steps
from enginewright.compiler.report import LayerReport, Timing
from enginewright.compiler.timing_key import describe
from enginewright.compiler.unfuse import unfuse
from enginewright.device.fingerprint import device_fingerprint, kernel_library
from enginewright.dims import Dim, evaluate
from enginewright.errors import EnginewrightError, NoTactic, NoTacticDetails
from enginewright.graph.network import Layer, Network, Tensor, network_fields
from enginewright.ops.pointwise import Fused
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import TacticTime, TimingEntry
from enginewright.registry.registry import registry
from enginewright.tensors import TensorSpec

Step = Callable[[int, int], None]
DEFAULT_BATCH = 1
LONG = ("seq", "time", "len", "frame")
"""In the name of an axis: it is no batch, even if it is the first."""
LOWEST_TIMED = 2
MEASURED, IMPORTED, HEURISTIC = "measured", "imported", "heuristic"
HOPELESS = 2.0
"""A candidate whose best run so far took this many times as long as the best of all is not run again."""
HOPELESS_ON_DEVICE = 1.2  # there a time is the mean of many runs, and varies little
SAMPLES, SAMPLES_OF_LOWEST, SAMPLES_ON_DEVICE = 15, 5, 5


@dataclass(frozen=True, slots=True)
class Rig:
    """How candidates are timed: on what, with how many CPU threads, how often."""

    threads: int
    samples: int
    target: str = "cpu"


@dataclass(frozen=True)
class Weighed:
    """What can run a layer, and how long that took."""

    found: Candidates
    entry: TimingEntry


@dataclass
class Tuner:
    """Chooses for a whole network; `sizes` gives the number that each named dimension has while timing.

    Of these, `assumed` came from no profile. `weighed` are the layers that were chosen for by time, `untimed` those
    with a choice that could not be timed, `missing` those that `strict` forbids to time, `origins` where the times came
    from that were decided by. With `everything` layers are timed, too, that have one choice only.
    """

    level: int
    threads: int
    cache: TimingCache
    sizes: dict[str, int] = field(default_factory=dict)
    strict: bool = False
    target: str = "cpu"
    nondeterministic: bool = False
    everything: bool = False
    progress: Step = lambda done, total: None
    choices: dict[Layer, Choice] = field(default_factory=dict)
    weighed: dict[Layer, Weighed] = field(default_factory=dict)
    reports: list[LayerReport] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    measured: int = 0
    cached: int = 0
    untimed: list[str] = field(default_factory=list)
    assumed: tuple[str, ...] = ()
    origins: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Ask once what the device is."""
        self._nested = False
        self.agreement = Agreement(self.threads, self.nondeterministic, self.target)
        self._device, self._kernels = device_fingerprint(self.target, self.threads), kernel_library()
        if self.level < LOWEST_TIMED:
            self.origins.add(HEURISTIC)

    @property
    def total(self) -> int:
        """The time of all layers that have been timed, in nanoseconds."""
        return sum(choice.nanoseconds or 0 for choice in self.choices.values())

    def run(self, network: Network) -> None:
        """Fill `choices` and `reports` for the network and everything nested in it."""
        networks = list(all_networks(network))
        total = sum(len(inner.layers) for inner in networks)
        done = 0
        for inner in networks:
            self._nested = inner is not network
            for layer in list(inner.layers):
                self.progress(done, total)
                done += 1
                if view_offset(layer) is None:
                    self._choose(inner, layer)

    def _choose(self, network: Network, layer: Layer) -> None:
        device = "cpu" if self._nested else self.target.partition(":")[0]
        found = candidates(layer, every_isa=self.level >= 4, nondeterministic=self.nondeterministic, device=device)
        if any(choice.plugin for choice in found.choices):
            found = self._agreeing(layer, found)
            if not found.choices and device != "cpu" and not isinstance(layer.op, Fused):
                host = candidates(layer, every_isa=self.level >= 4, nondeterministic=self.nondeterministic)
                found = on_host(found.rejected, self._agreeing(layer, host))
        if not found.choices:
            if isinstance(layer.op, Fused):
                for part in unfuse(network, layer):
                    self._choose(network, part)
                return
            raise NoTactic(
                f'no tactic can run layer "{layer.name}" ({layer.key})',
                hint="Give the operator a tactic or a reference.",
                details=NoTacticDetails(layer.name, found.rejected),
            )
        cut = self._cut(layer) if chain_of(layer) is not None else None
        if cut is not None:
            for part in cut_chain(network, layer, cut):
                self._choose(network, part)
            return
        alone = len(found.choices) == 1 and (not self.everything or any(network_fields(layer.op)))
        entry = None if alone else self._entry(layer, found)
        best = self._best(found, entry)
        times = {name: time.nanoseconds for name, time in entry.timings.items() if time.samples} if entry else {}
        self.choices[layer] = replace(best, nanoseconds=times.get(best.tactic))
        if entry is not None and not self._nested:
            self.weighed[layer] = Weighed(found, entry)
        listed = tuple(Timing(c.tactic, c.kernel, times.get(c.tactic)) for c in found.choices)
        self.reports.append(
            LayerReport(layer.name, layer.kind, best.tactic, best.kernel, layer.sources, listed, found.rejected)
        )

    def _cut(self, layer: Layer) -> int | None:
        """Where a chain of convolutions is faster in two parts; None where it is pinned, or cannot be timed."""
        specs = self._timed_specs(layer)
        known = None if specs is None else self.cache.get(describe(layer, specs, self._device, self._kernels).key)
        pinned = known is not None and known.pinned is not None
        return None if specs is None or pinned else best_cut(layer, specs, self._least_time)

    def _least_time(self, layer: Layer) -> int | None:
        """Nanoseconds of the tactic that would run a layer."""
        found = candidates(layer, every_isa=self.level >= 4, nondeterministic=self.nondeterministic)
        entry = self._entry(layer, found)
        if entry is None:
            return None
        names = {choice.tactic for choice in found.choices}
        names &= {entry.pinned} if entry.pinned in names else entry.timings.keys()
        times = [entry.timings[name] for name in names if name in entry.timings]
        return min((time.nanoseconds for time in times if time.samples), default=None)

    def _agreeing(self, layer: Layer, found: Candidates) -> Candidates:
        return self.agreement.agreeing(layer, found, self._timed_specs(layer))

    def choices_with(self, layers: Iterable[Layer], tactic: str) -> dict[Layer, Choice]:
        """The choices, but with a tactic for some equal layers."""
        return self.choices | {layer: self._choice(layer, tactic) for layer in layers}

    def choose(self, layers: Iterable[Layer], tactic: str) -> None:
        """Let a tactic run some equal layers."""
        for layer in layers:
            choice = self.choices[layer] = self._choice(layer, tactic)
            self.reports = [
                replace(report, tactic=tactic, kernel=choice.kernel) if report.layer == layer.name else report
                for report in self.reports
            ]

    def _choice(self, layer: Layer, tactic: str) -> Choice:
        weighed = self.weighed[layer]
        time = weighed.entry.timings.get(tactic)
        found = next(choice for choice in weighed.found.choices if choice.tactic == tactic)
        return replace(found, nanoseconds=time.nanoseconds if time and time.samples else None)

    def _best(self, found: Candidates, entry: TimingEntry | None) -> Choice:
        """The pinned choice, else the fastest, ties by name; without times the best guess."""
        by_name = {choice.tactic: choice for choice in found.choices}
        if entry is not None and entry.pinned in by_name:
            return by_name[entry.pinned]
        times = {name: time.nanoseconds for name, time in entry.timings.items() if time.samples} if entry else {}
        timed = sorted((times[name], name) for name in by_name if name in times)
        if not timed and len(by_name) > 1:
            self.origins.add(HEURISTIC)
        return by_name[timed[0][1]] if timed else found.choices[0]

    def _entry(self, layer: Layer, found: Candidates) -> TimingEntry | None:
        """What the cache knows of the layer, after measuring what it lacks; None for a layer that is not timed."""
        if self.level < LOWEST_TIMED:
            return None
        specs = self._timed_specs(layer)
        several = len(found.choices) > 1
        if specs is None:
            self.untimed += [layer.name] if several else []
            return None
        description = describe(layer, specs, self._device, self._kernels)
        known = self.cache.get(description.key)
        names = {choice.tactic for choice in found.choices}
        pinned = known.pinned if known else None
        if pinned is not None and pinned not in names:
            self.notes.append(f"{layer.name}: the pinned tactic {pinned} cannot run it")
        missing = [choice for choice in found.choices if known is None or choice.tactic not in known.timings]
        if self.strict and (missing if pinned is None else pinned not in names):
            self.missing.append(layer.name)
            return None
        if missing and pinned not in names:
            known = self.cache.record(description, self._measure(layer, missing, specs))
        else:
            self.cached += 1
        assert known is not None
        if several and not any(known.timings[name].samples for name in names & known.timings.keys()):
            self.untimed.append(layer.name)
        imported = any(known.timings[name].imported for name in names & known.timings.keys())
        self.origins.add(IMPORTED if imported or pinned in names else MEASURED)
        return known

    def _measure(self, layer: Layer, choices: list[Choice], specs: list[TensorSpec | None]) -> dict[str, TacticTime]:
        """Time some choices; one that cannot be run alone gets no samples, so that nobody tries it again."""
        samples = SAMPLES_OF_LOWEST if self.level == LOWEST_TIMED else SAMPLES
        samples = samples if self.target == "cpu" else SAMPLES_ON_DEVICE
        made = time_layer(layer, choices, specs, Rig(self.threads, samples, self.target))
        self.measured += len(made)
        for name, taken in made.items():
            registry.announce("enginewright_tactic_timed", layer=layer.name, tactic=name, nanoseconds=taken.nanoseconds)
        return {choice.tactic: made.get(choice.tactic, TacticTime(0, 0)) for choice in choices}

    def _timed_specs(self, layer: Layer) -> list[TensorSpec | None] | None:
        """The specs of a layer's inputs with the sizes that it is timed with; None where some are not known."""
        try:
            return [None if tensor is None else self.timed_spec(tensor) for tensor in layer.inputs]
        except EnginewrightError:
            return None

    def timed_spec(self, tensor: Tensor) -> TensorSpec:
        """The spec with the sizes that the tensor has while timing."""
        shape = (size if isinstance(size, int) else evaluate(size, self.sizes) for size in tensor.shape)
        return replace(tensor.spec, shape=tuple(shape))


def default_sizes(network: Network) -> dict[str, int]:
    """Numbers for named dimensions where no profile says more: 1 on axis 0, elsewhere 128, less if there are many.

    An axis 0 whose name speaks of a sequence or of time is like all others.

    Twice as many, up to 16 times, where with fewer a layer would have nothing to do, such as a window longer than that.
    """
    found: dict[str, int] = {}
    usual = usual_size(network)
    for tensor in network.inputs:
        for axis, size in enumerate(tensor.shape):
            if isinstance(size, Dim) and len(size.atoms) == 1 and size.atoms[0].kind == "symbol":
                name = str(size.atoms[0].args[0])
                found.setdefault(name, usual if axis or _is_long(name, tensor, usual) else DEFAULT_BATCH)
    choices = [{name: n if n == DEFAULT_BATCH else n << more for name, n in found.items()} for more in range(5)]
    return next((sizes for sizes in choices if not _leaves_nothing(network, sizes)), choices[0])


def _is_long(name: str, tensor: Tensor, usual: int) -> bool:
    """Whether the name of a dynamic axis 0 speaks of a sequence, and the tensor stays small at the usual size."""
    others = math.prod(size if isinstance(size, int) else usual for size in tensor.shape[1:])
    return any(word in name.lower() for word in LONG) and usual * others <= MOST_ELEMENTS


def _leaves_nothing(network: Network, sizes: dict[str, int]) -> bool:
    """Whether a layer, or one of a nested network, has an empty output at these sizes but not at much larger ones."""
    large = {name: n << 10 for name, n in sizes.items()}
    tensors = (tensor for inner in all_networks(network) for layer in inner.layers for tensor in layer.outputs)
    found = {size for tensor in tensors for size in tensor.shape if isinstance(size, Dim)}
    return any(_number(size, sizes) < 1 <= _number(size, large) for size in found)


def _number(size: Dim, sizes: dict[str, int]) -> int:
    """The size as a number; 1 where it also depends on contents."""
    try:
        return evaluate(size, sizes)
    except (EnginewrightError, ZeroDivisionError):
        return 1


def all_networks(network: Network) -> Iterable[Network]:
    """A network and everything nested in it."""
    yield network
    for layer in network.layers:
        for _, inner in network_fields(layer.op):
            yield from all_networks(inner)


def time_layer(layer: Layer, choices: list[Choice], specs: list[TensorSpec | None], rig: Rig) -> dict[str, TacticTime]:
    """Median time of each choice, run as a plan of one step on generated data; rounds are interleaved.

    Each choice ran once before, so that its memory is there. One that is clearly slower is not run to the end.
    """
    times: dict[str, list[int]] = {}
    hopeless = HOPELESS if rig.target == "cpu" else HOPELESS_ON_DEVICE
    with steps(layer, choices, specs, rig.threads, rig.target) as made:
        for _ in range(rig.samples):
            best = min((min(values) for values in times.values()), default=0)
            for tactic, step in made.items():
                values = times.setdefault(tactic, [])
                if not values or min(values) <= hopeless * best:
                    values.append(step.session.time())
    return {tactic: TacticTime(int(statistics.median(values)), len(values)) for tactic, values in times.items()}
