"""Behaviour: nothing raises, runs repeat bit by bit, threads don't meet, nothing leaks, faults are attributed."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.errors import EnginewrightError, PluginError
from enginewright.registry.faults import plugin_faults
from enginewright.registry.registry import infer_specs, registry, run_reference
from enginewright.testing.checks import Skipped, check
from enginewright.testing.gpu import gpu_choices, has_gpu_tactics, late_run, no_gpu
from enginewright.testing.growth import growth
from enginewright.testing.injection import injected
from enginewright.testing.kernel_calls import Surroundings, WatchedKernel, built, same_bits, watched
from enginewright.testing.subject import Case, Subject, layer_of

THREADS = 8
SECONDS = 1.0
"""For which each tactic runs on several threads."""


@check(
    "behaviour/methods",
    "no method raises, for any case",
    "Correct the method; for inputs that an operator does not take, let infer raise ew.ShapeError.",
)
def methods(subject: Subject) -> Iterator[str]:
    """Cases are made, shapes inferred, the reference run, tactics asked."""
    cases = subject.cases
    yield from subject.problems
    for case in cases:
        specs = [None if tensor is None else tensor.spec for tensor in layer_of(case).inputs]
        for tactic in subject.tactics:
            try:
                with plugin_faults(str(subject.key), f"tactic {tactic.name}"):
                    tactic.plan(case.op, *specs)
            except EnginewrightError as error:
                yield f"{case.label}: {error.message}"


@check(
    "behaviour/hooks",
    "no hook raises",
    "Correct the hook: it may watch, and its failure is logged at every event.",
)
def hooks(subject: Subject) -> Iterator[str]:
    """A build, a load, a run and a close, while the plugin watches."""
    source = registry.source_of(subject.cls.__module__)
    before = list(registry.hooks.failures)
    case = subject.usable()[0]
    try:
        with ew.load(built(case)):
            pass
    except EnginewrightError as error:
        raise Skipped(f"the first case can't be built: {error.message}") from None
    registry.hooks.call("enginewright_doctor")
    for failure in registry.hooks.failures:
        details: Any = failure.details
        owner = f"({source.distribution}, " if source else ""
        if all(failure is not known for known in before) and owner in details.plugin:
            yield failure.message


@check(
    "behaviour/attributed",
    "what a method raises is a PluginError that names it, and the next call works",
    "Do not catch errors of the host; report this if your plugin does not.",
)
def attributed(subject: Subject) -> Iterator[str]:
    """Let each method raise, SystemExit too, and look what comes out."""
    case = subject.usable()[0]
    calls: dict[str, Callable[[], object]] = {
        "infer": lambda: infer_specs(case.op, case.specs()),
        "reference": lambda: run_reference(case.op, case.arrays()),
    }
    for (method, call), error in itertools.product(calls.items(), (RuntimeError("injected"), SystemExit(3))):
        with injected(subject.cls, method, error):
            try:
                call()
            except PluginError as caught:
                found: Any = caught.details
                if (found.plugin, found.method) != (str(subject.key), method):
                    yield f"{type(error).__name__} in {method} is put down to {found.plugin}: {found.method}"
            except BaseException as caught:  # noqa: BLE001 - exactly this must not come out
                yield f"{type(error).__name__} in {method} comes out as {type(caught).__name__}"
            else:
                yield f"{type(error).__name__} in {method} is lost"
        call()


@check(
    "behaviour/repeated",
    "the same inputs give the same bits, whatever ran before",
    "Keep no state between runs; declare deterministic=False in ew.tactic where bits may differ.",
)
def repeated(subject: Subject) -> Iterator[str]:
    """Three runs, with one on other data between, and with another number of threads."""
    for case in subject.usable():
        runs = [case.reference(case.arrays(seed)) for seed in (0, 1, 0, 0)]
        if not (_same(runs[0], runs[2]) and _same(runs[0], runs[3])):
            yield f"reference, {case.label}: three runs on the same inputs differ"
        for kernel in _deterministic(case):
            first, _, second, third = (kernel.call(seed) for seed in (0, 1, 0, 0))
            if not (same_bits(first, second) and same_bits(first, third)):
                yield f"{kernel.label}: three runs on the same inputs differ"
            elif not same_bits(first, kernel.call(around=Surroundings(threads=4))):
                yield f"{kernel.label}: with 4 threads the result is another one than with 1"


def _deterministic(case: Case) -> Iterator[WatchedKernel]:
    for kernel in watched(case):
        if kernel.choice.plugin is not None and kernel.choice.plugin.deterministic:
            yield kernel


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in zip(a, b, strict=True)]
    return all(
        x.shape == y.shape and (x.tolist() == y.tolist() if x.dtype == object else x.tobytes() == y.tobytes())
        for x, y in pairs
    )


@check(
    "behaviour/threads",
    "8 threads at once give what one gives",
    "Use the workspace instead of static or global memory.",
)
def threads(subject: Subject) -> Iterator[str]:
    """The largest case, other data on each thread."""
    case = max(subject.usable(), key=lambda c: sum(0 if a is None else a.size for a in c.arrays()))
    expected = [case.reference(case.arrays(seed)) for seed in range(THREADS)]
    data = [case.arrays(seed) for seed in range(THREADS)]
    if _at_once(lambda i: _same(case.reference(data[i]), expected[i])):
        yield f"reference, {case.label}: on several threads at once it gives another result"
    for kernel in _deterministic(case):
        calls = [kernel.prepared(seed) for seed in range(THREADS)]
        alone = [kernel.call(seed) for seed in range(THREADS)]

        def agrees(index: int, calls: Any = calls, alone: Any = alone) -> bool:
            calls[index].run()
            return bool(calls[index].gives(alone[index].outputs))

        if kernel.alias is None and _at_once(agrees):
            yield f"{kernel.label}: on several threads at once it gives another result"


def _at_once(agrees: Callable[[int], bool]) -> bool:
    """Whether a check fails on one of several threads that all run it for a while."""
    failed, barrier = threading.Event(), threading.Barrier(THREADS)
    errors: list[BaseException] = []

    def work(index: int) -> None:
        barrier.wait()
        end = time.monotonic() + SECONDS
        try:
            while not failed.is_set() and time.monotonic() < end:
                if not agrees(index):
                    failed.set()
        except BaseException as error:  # noqa: BLE001 - raised again on the calling thread
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads change often, so that they meet
    try:
        workers = [threading.Thread(target=work, args=(index,)) for index in range(THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
    return failed.is_set()


@check(
    "behaviour/streams",
    "on a stream that is late, tactics of GPUs take what is there then",
    "Queue all work on call->stream, or the stream that the function gets.",
)
def streams(subject: Subject) -> Iterator[str]:
    """A delay, then new inputs, then the run, all queued on one stream: whoever uses another one is too early."""
    if reason := no_gpu() if has_gpu_tactics(subject) else "no tactic runs on a GPU":
        raise Skipped(reason)
    for case in subject.usable():
        for choice in gpu_choices(case):
            problem = late_run(case, choice)
            if problem:
                yield f"tactic {choice.tactic}, {case.label}: {problem}"


@check(
    "behaviour/growth",
    "1,000 runs leave nothing behind",
    "Free what the kernel allocates, better use the workspace; keep nothing in global lists or caches.",
)
def grows(subject: Subject) -> Iterator[str]:
    """Memory and objects after each 200 runs."""
    case = min(subject.usable(), key=lambda c: abs(sum(0 if a is None else a.size for a in c.arrays()) - 8))
    arrays = case.arrays()
    problem = growth(lambda: case.reference(arrays))
    if problem:
        yield f"reference, {case.label}: {problem}"
    for kernel in watched(case):
        problem = growth(kernel.prepared().run)
        if problem:
            yield f"{kernel.label}: {problem}"
