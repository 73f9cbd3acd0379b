"""Chooses again among the best tactics of equal layers by timing the whole network on its device.

Alone a layer finds its weights in the cache, and no neighbour overlaps with it; inside the network it is the other way
round. So of each group of equal layers the few that are close to the best are tried there.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from enginewright.compiler.choice import Choice
from enginewright.compiler.liveness import view_offset
from enginewright.compiler.lowering import Programs
from enginewright.compiler.one_step import data_for, meta_of
from enginewright.compiler.tuning import Tuner, Weighed
from enginewright.compiler.weights import Packed, WeightPool
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Layer, Network
from enginewright.plan.timing_entries import TacticTime, TimingDescription, TimingEntry
from enginewright.runtime.session import Session

Array = np.ndarray[Any, Any]
CLOSE = 1.5
"""Tactics that took at most this many times as long as the best, alone, are tried in the network."""
MOST_OF_A_KERNEL = 2
WORTH_TRYING = 0.005
"""Groups of layers with less of the time of all are left as they are."""
SAMPLES = 5
FASTER = 0.997
"""A tactic replaces the present one if the network then takes at most this part of the time."""


@dataclass(frozen=True)
class Group:
    """Equal layers, the description of what they are, and the tactics that are tried: the present one first."""

    layers: tuple[Layer, ...]
    description: TimingDescription
    tactics: tuple[str, ...]
    nanoseconds: int


def choose_in_place(network: Network, tuner: Tuner, step: Callable[[int, int], None]) -> None:
    """Replace choices of the tuner for this network where that makes the whole of it faster."""
    if not _is_all_on_device(network, tuner):
        return
    groups = _groups(tuner)
    whole = _Whole(network, tuner, {})
    for number, group in enumerate(groups):
        step(number, len(groups))
        entry = whole.entry(group)
        if entry is None:
            continue
        times = {name: time.nanoseconds for name, time in entry.timings.items() if time.samples}
        present = group.tactics[0]
        best = min(
            (name for name in group.tactics if name in times), key=lambda name: (times[name], name), default=present
        )
        if best != present and times[best] <= FASTER * times.get(present, 0):
            tuner.choose(group.layers, best)


def _is_all_on_device(network: Network, tuner: Tuner) -> bool:
    """Whether no step runs on the host, so that the device can tell the time of the network."""
    steps = [layer for layer in network.layers if view_offset(layer) is None]
    return bool(steps) and all(layer in tuner.choices and tuner.choices[layer].device for layer in steps)


def _groups(tuner: Tuner) -> list[Group]:
    """Groups with something to choose, those that take the most time first."""
    by_key: dict[str, list[Layer]] = {}
    for layer, weighed in tuner.weighed.items():
        by_key.setdefault(weighed.entry.key, []).append(layer)
    groups = []
    for layers in by_key.values():
        weighed = tuner.weighed[layers[0]]
        tactics = _rivals(weighed, tuner.choices[layers[0]])
        taken = tuner.choices[layers[0]].nanoseconds or 0
        groups.append(Group(tuple(layers), weighed.entry.description, tactics, taken * len(layers)))
    total = sum(group.nanoseconds for group in groups)
    worth = [group for group in groups if len(group.tactics) > 1 and group.nanoseconds >= WORTH_TRYING * total]
    return sorted(worth, key=lambda group: (-group.nanoseconds, group.description.key))


def _rivals(weighed: Weighed, present: Choice) -> tuple[str, ...]:
    """The present tactic and those that are close to it, a few of each kernel."""
    times = {name: time.nanoseconds for name, time in weighed.entry.timings.items() if time.samples}
    if weighed.entry.pinned is not None or present.tactic not in times:
        return (present.tactic,)
    kernels = {choice.tactic: choice.kernel for choice in weighed.found.choices}
    found, of_kernel = [present.tactic], {present.kernel: 1}
    for name in sorted(set(times) & set(kernels) - {present.tactic}, key=lambda name: (times[name], name)):
        used = of_kernel.get(kernels[name], 0)
        if times[name] <= CLOSE * times[present.tactic] and used < MOST_OF_A_KERNEL:
            of_kernel[kernels[name]] = used + 1
            found.append(name)
    return tuple(found)


@dataclass
class _Whole:
    """Times the network with a group's layers run by each of its tactics."""

    network: Network
    tuner: Tuner
    packed: dict[Any, Packed]
    data: dict[str, Array] = field(default_factory=dict)

    def entry(self, group: Group) -> TimingEntry | None:
        """What the cache knows, after measuring what it lacks."""
        inside = {"in": self._digest(group)}
        description = msgspec.structs.replace(group.description, fields=group.description.fields | inside)
        known = self.tuner.cache.get(description.key)
        if known is not None and set(group.tactics) <= set(known.timings):
            self.tuner.cached += 1
            return known
        if self.tuner.strict:
            self.tuner.missing.append(group.layers[0].name)
            return None
        self.tuner.measured += len(group.tactics)
        return self.tuner.cache.record(description, self._measure(group))

    def _digest(self, group: Group) -> str:
        """What the network is, and how its other layers run: the time depends on all this."""
        lines = []
        for layer in self.network.layers:
            weighed, choice = self.tuner.weighed.get(layer), self.tuner.choices.get(layer)
            tactic = "" if choice is None or layer in group.layers else choice.tactic
            shapes = [str(tensor.spec) for tensor in layer.outputs]
            lines.append(f"{layer.key} {shapes} {weighed.entry.key if weighed else ''} {tactic}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]

    def _measure(self, group: Group) -> dict[str, TacticTime]:
        sessions = {name: self._session(self.tuner.choices_with(group.layers, name)) for name in group.tactics}
        times: dict[str, list[int]] = {name: [] for name, session in sessions.items() if session is not None}
        for _ in range(SAMPLES):
            for name, session in sessions.items():
                if session is not None:
                    times[name].append(session.time())
        found = {name: TacticTime(int(statistics.median(values)), len(values)) for name, values in times.items()}
        return {name: found.get(name, TacticTime(0, 0)) for name in group.tactics}

    def _session(self, choices: Mapping[Layer, Choice]) -> Session | None:
        """The network with these choices, run once on generated data.

        None where it does not run on such, or not in one go, as the device can tell the time of that alone.
        """
        try:
            programs = Programs(choices, WeightPool(packed=self.packed))
            programs.add(self.network)
            weights = programs.weights.data()
            session = Session(meta_of(programs), weights, threads=self.tuner.threads, target=self.tuner.target)
            for index, tensor in enumerate(self.network.inputs):
                session.bind_input(index, self._data(tensor.name))
            session.run()
            session.time()
        except EnginewrightError:
            return None
        return session

    def _data(self, name: str) -> Array:
        if name not in self.data:
            tensor = next(tensor for tensor in self.network.inputs if tensor.name == name)
            self.data[name] = data_for(replace(self.tuner.timed_spec(tensor), value=None))
        return self.data[name]
