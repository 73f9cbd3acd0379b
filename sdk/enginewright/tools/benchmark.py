"""Measures how fast an engine runs, step by step if wanted, and beside other runtimes in the same run."""

from __future__ import annotations

import gc
import math
import os
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from enginewright.compiler.config import BuilderConfig
from enginewright.errors import ConfigError, UsageError
from enginewright.progress import ProgressMonitor
from enginewright.tools.advice import Advice, Conditions, advise, clock_mhz
from enginewright.tools.inputs import Arrays
from enginewright.tools.peers import PEERS, Ours, Peer, check_peers
from enginewright.tools.profile import StepProfile, profile_steps
from enginewright.tools.statistics import Times
from enginewright.tools.subject import Source, Subject, open_subject

PAUSE_SECONDS = 0.12
"""Before each block of a peer: worker threads of ONNX Runtime spin for about 45 ms after a run."""
REWARM_SECONDS, REWARM_CALLS = 0.04, 2
ROUNDS = 5
PROFILED_RUNS = 20


@dataclass(frozen=True)
class Effort:
    """How long to measure: warm-up in milliseconds, then at least so many seconds and iterations for each runtime."""

    warmup: float = 200.0
    duration: float = 3.0
    iterations: int = 10
    streams: int = 1

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        if self.iterations < 1 or self.streams < 1 or self.duration < 0 or self.warmup < 0:
            raise ConfigError("nothing would be measured", hint="Give at least 1 iteration and 1 stream, times >= 0.")


@dataclass(frozen=True, slots=True)
class PeerTimes:
    """Another runtime in the same run: `ratio` is its median over ours; `error` says why it has no times."""

    name: str
    ours: Times | None
    latency: Times | None
    ratio: float | None
    significant: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """All that was measured; times in milliseconds unless the name says another unit."""

    subject: str
    threads: int
    streams: int
    inputs: Mapping[str, str]
    throughput: float
    latency: Times
    walltime_seconds: float
    compute_seconds: float
    build_seconds: float
    load_milliseconds: float
    peak_memory_bytes: int
    context_memory_bytes: int
    clock_mhz: tuple[float, float]
    other_load: float
    peers: tuple[PeerTimes, ...]
    profile: StepProfile | None
    advice: tuple[Advice, ...]


def bench(
    source: Source,
    *,
    peers: Sequence[str] = (),
    inputs: Arrays | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    effort: Effort | None = None,
    profile: bool = False,
    config: BuilderConfig | None = None,
    progress: ProgressMonitor | None = None,
) -> Benchmark:
    """Measure a model or plan, beside `peers` ("onnxruntime", "openvino", "openvino-default") if there are any.

    All runtimes get the same inputs and as many threads as the engine; their blocks alternate in one run, each after a
    pause and a new warm-up. Raises `ConfigError` for a peer that is not known, `UsageError` where peers lack the model.
    """
    effort, names = effort or Effort(), check_peers(peers)
    load, clock = os.getloadavg()[0], clock_mhz()
    subject = open_subject(source, config, progress=progress)
    arrays = subject.input_maker(inputs, shapes).make(0)
    race = _Race(subject, arrays, effort)
    for name in names:
        race.add_peer(name)
    race.run()
    steps = profile_steps(subject.engine, race.ours, max(effort.iterations, PROFILED_RUNS)) if profile else None
    times, seconds = race.streams() if effort.streams > 1 else (race.times[Ours.name], race.seconds[Ours.name])
    latency, clocks = Times.of(times), (clock, clock_mhz())
    return Benchmark(
        subject=subject.name,
        threads=race.threads,
        streams=effort.streams,
        inputs={name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items()},
        throughput=len(times) / seconds,
        latency=latency,
        walltime_seconds=seconds,
        compute_seconds=sum(times) / 1e9,
        build_seconds=subject.seconds_build,
        load_milliseconds=subject.seconds_load * 1e3,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        context_memory_bytes=race.ours.context.memory,
        clock_mhz=clocks,
        other_load=load,
        peers=tuple(race.result(name) for name in names),
        profile=steps,
        advice=advise(Conditions(latency, clocks, race.threads * effort.streams, steps)),
    )


class _Race:
    """Several runtimes with the same inputs, measured in blocks that alternate."""

    def __init__(self, subject: Subject, arrays: Arrays, effort: Effort) -> None:
        self.subject, self.arrays, self.effort = subject, arrays, effort
        self.threads = subject.engine.threads or len(os.sched_getaffinity(0))
        self.ours = Ours(subject.engine)
        self.ours.bind(arrays)
        self.runners: dict[str, Peer] = {self.ours.name: self.ours}
        self.refused: dict[str, str] = {}
        self.times: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def add_peer(self, name: str) -> None:
        """Let a peer take part; one that is not installed or refuses the model is named with the reason."""
        model = self.subject.need_model(f"peer {name}")
        try:
            peer = PEERS[name](model, self.threads)
            peer.bind(self.arrays)
        except UsageError as error:
            self.refused[name] = error.message
        else:
            self.runners[name] = peer

    def run(self) -> None:
        """Measure everyone."""
        alone = len(self.runners) == 1
        call_for(self.ours, self.effort.warmup / 1e3, 1)
        for _ in range(1 if alone else ROUNDS):
            for name, runner in self.runners.items():
                if not alone:
                    time.sleep(PAUSE_SECONDS)
                    call_for(runner, REWARM_SECONDS, REWARM_CALLS)
                parts = 1 if alone else ROUNDS
                found, seconds = call_for(
                    runner, self.effort.duration / parts, math.ceil(self.effort.iterations / parts)
                )
                self.times.setdefault(name, []).extend(found)
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def streams(self) -> tuple[list[int], float]:
        """Nanoseconds of each inference and seconds in all, with one context on each of several threads."""
        contexts = [Ours(self.subject.engine) for _ in range(self.effort.streams)]
        for context in contexts:
            context.bind(self.arrays)
            context.run()
        start = time.perf_counter()
        with ThreadPoolExecutor(len(contexts)) as pool:
            done = list(
                pool.map(lambda context: call_for(context, self.effort.duration, self.effort.iterations), contexts)
            )
        return [nanoseconds for times, _ in done for nanoseconds in times], time.perf_counter() - start

    def result(self, name: str) -> PeerTimes:
        """How a peer did beside us."""
        if name in self.refused:
            return PeerTimes(name, None, None, None, significant=False, error=self.refused[name])
        ours, theirs = Times.of(self.times[Ours.name]), Times.of(self.times[name])
        return PeerTimes(name, ours, theirs, theirs.median / ours.median, significant=theirs.differs(ours))


def call_for(runner: Peer, seconds: float, least: int) -> tuple[list[int], float]:
    """Run for so long and at least so often: nanoseconds of each run, and seconds in all."""
    times: list[int] = []
    run, clock, collecting = runner.run, time.perf_counter_ns, gc.isenabled()
    gc.disable()
    start = now = clock()
    end = start + int(seconds * 1e9)
    try:
        while now < end or len(times) < least:
            before = clock()
            run()
            now = clock()
            times.append(now - before)
    finally:
        if collecting:
            gc.enable()
    return times, (now - start) / 1e9
