"""Engines and contexts in any order of calls, and random models through building, saving, loading and running."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

import enginewright as ew
from enginewright.errors import ClosedError, EnginewrightError, InputError, UsageError
from tests.conformance.random_graphs import RandomModel
from tests.conformance.random_models import models

COUNT, LONG_COUNT = 500, 20_000
CONFIG = ew.BuilderConfig(level=1, threads=1, timing_cache="", recipe="none")
Array = np.ndarray[Any, Any]


def options(count: int) -> settings:
    """So many examples, the same each time, however slow the machine."""
    checks = list(HealthCheck)
    return settings(max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=checks)


# --- Building, saving, loading, running -------------------------------------------------------------------------------


def same(a: dict[str, Array], b: dict[str, Array]) -> bool:
    """Whether outputs have the same bits, whatever NaN means."""
    return a.keys() == b.keys() and all(
        (a[name].dtype, a[name].shape, a[name].tobytes()) == (b[name].dtype, b[name].shape, b[name].tobytes())
        for name in a
    )


def round_trip(case: RandomModel, verify: str, mmap: bool) -> None:
    """A saved and loaded plan is the plan that was built: its bytes, and the bits that it computes."""
    plan = ew.build(case.model, CONFIG)
    with TemporaryDirectory() as folder, ew.Engine(plan) as built:
        path = Path(folder) / "random.plan"
        plan.save(path)
        assert path.read_bytes() == plan.to_bytes()
        assert ew.Plan.load(path).to_bytes() == plan.to_bytes()
        with ew.load(path, verify=verify, mmap=mmap) as loaded:
            for _ in range(2):
                assert same(loaded.run(case.inputs), built.run(case.inputs))


CASES = (models(), st.sampled_from(["full", "lazy"]), st.booleans())


@options(COUNT)
@given(*CASES)
def test_a_loaded_plan_is_the_one_that_was_saved(case: RandomModel, verify: str, mmap: bool) -> None:
    round_trip(case, verify, mmap)


@pytest.mark.long
@options(LONG_COUNT)
@given(*CASES)
def test_twenty_thousand_plans(case: RandomModel, verify: str, mmap: bool) -> None:
    round_trip(case, verify, mmap)


# --- Any order of calls -----------------------------------------------------------------------------------------------


@cache
def plan_bytes() -> bytes:
    """Twice the input, whose first axis is free; and an output whose size depends on the values."""
    net = ew.Network("twice")
    x = net.input("x", ew.float32, ("N", 3))
    net.output("y", net.mul(x, net.constant(np.float32(2))))
    net.output("places", net.nonzero(x))
    return ew.build(net, CONFIG).to_bytes()


def numbers(rows: int, start: int) -> Array:
    """Different numbers for each start, some of them zero."""
    return ((np.arange(rows * 3, dtype=np.float32) + start) % 4).reshape(rows, 3)


class Lives(RuleBasedStateMachine):
    """Calls in any order end as documented: with the right numbers, or with the typed error for what was wrong."""

    engines: Bundle[Any] = Bundle("engines")
    contexts: Bundle[Any] = Bundle("contexts")
    rows, starts = st.integers(0, 5), st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        self.closed: set[int] = set()
        self.bound: dict[int, Array] = {}
        self.results: dict[int, Array] = {}
        self.ran: dict[int, Array] = {}

    @rule(target=engines, verify=st.sampled_from(["full", "lazy"]))
    def load(self, verify: str) -> ew.Engine:
        return ew.load(plan_bytes(), verify=verify)

    @rule(engine=engines, rows=rows, start=starts)
    def run_engine(self, engine: ew.Engine, rows: int, start: int) -> None:
        x = numbers(rows, start)
        if id(engine) in self.closed:
            with pytest.raises(ClosedError):
                engine.run({"x": x})
            return
        found = engine.run({"x": x})
        assert np.array_equal(found["y"], 2 * x)
        assert np.array_equal(found["places"], np.array(np.nonzero(x)))

    @rule(engine=engines)
    def run_engine_on_nonsense(self, engine: ew.Engine) -> None:
        for inputs in ({}, {"x": np.zeros((2, 4), np.float32)}, {"x": np.zeros(3)}, {"z": numbers(1, 1)}):
            with pytest.raises((InputError, ClosedError)):
                engine.run(inputs)

    @rule(engine=engines)
    def close_engine(self, engine: ew.Engine) -> None:
        engine.close()
        self.closed.add(id(engine))

    @rule(target=contexts, engine=engines)
    def create_context(self, engine: ew.Engine) -> tuple[ew.Engine, ew.Context]:
        context = engine.create_context()
        for table in (self.bound, self.results, self.ran):
            table.pop(id(context), None)  # of a context that is gone
        return engine, context

    @rule(pair=contexts, rows=rows, start=starts)
    def bind_input(self, pair: tuple[ew.Engine, ew.Context], rows: int, start: int) -> None:
        self.bound[id(pair[1])] = numbers(rows, start)
        pair[1].bind_input("x", self.bound[id(pair[1])])
        self.ran.pop(id(pair[1]), None)

    @rule(pair=contexts, rows=rows)
    def bind_output(self, pair: tuple[ew.Engine, ew.Context], rows: int) -> None:
        self.results[id(pair[1])] = np.empty((rows, 3), np.float32)
        pair[1].bind_output("y", self.results[id(pair[1])])
        self.ran.pop(id(pair[1]), None)

    @rule(pair=contexts)
    def unbind_output(self, pair: tuple[ew.Engine, ew.Context]) -> None:
        pair[1].bind_output("y", None)
        self.results.pop(id(pair[1]), None)
        self.ran.pop(id(pair[1]), None)

    @rule(pair=contexts)
    def run_context(self, pair: tuple[ew.Engine, ew.Context]) -> None:
        engine, context = pair
        x, result = self.bound.get(id(context)), self.results.get(id(context))
        self.ran.pop(id(context), None)
        if x is None or id(engine) in self.closed:
            with pytest.raises((InputError, ClosedError)):
                context.run()
        elif result is not None and result.nbytes < x.nbytes:
            with pytest.raises(UsageError, match="the memory bound to it has"):
                context.run()
        else:
            context.run()
            self.ran[id(context)] = x
            if result is not None:
                assert np.array_equal(result.ravel()[: x.size], 2 * x.ravel())

    @rule(pair=contexts)
    def read_output(self, pair: tuple[ew.Engine, ew.Context]) -> None:
        x = self.ran.get(id(pair[1]))
        if x is None or id(pair[0]) in self.closed:
            try:
                pair[1].output("places")
            except EnginewrightError:
                return
            return
        assert np.array_equal(pair[1].output("y"), 2 * x)
        assert np.array_equal(pair[1].output("places"), np.array(np.nonzero(x)))

    @rule(pair=contexts)
    def ask_for_a_shape(self, pair: tuple[ew.Engine, ew.Context]) -> None:
        x = self.bound.get(id(pair[1]))
        self.ran.pop(id(pair[1]), None)
        if x is None or id(pair[0]) in self.closed:
            with pytest.raises((InputError, ClosedError)):
                pair[1].output_shape("y")
        else:
            assert pair[1].output_shape("y") == x.shape

    @rule(pair=contexts)
    def close_context(self, pair: tuple[ew.Engine, ew.Context]) -> None:
        pair[1].close()
        self.ran.pop(id(pair[1]), None)

    @rule(pair=consumes(contexts))
    def forget_context(self, pair: tuple[ew.Engine, ew.Context]) -> None:
        assume(pair[1] is not None)

    def teardown(self) -> None:
        self.bound.clear()


def test_any_order_of_calls() -> None:
    run_state_machine_as_test(Lives, settings=settings(options(COUNT), stateful_step_count=30))


@pytest.mark.long
def test_any_order_of_calls_for_long() -> None:
    run_state_machine_as_test(Lives, settings=settings(options(LONG_COUNT), stateful_step_count=60))
