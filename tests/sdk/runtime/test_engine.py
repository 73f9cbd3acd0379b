"""Engines and contexts: right numbers for any size, bound arrays, clear refusals, many threads, no leak."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import ClosedError, ConfigError, InputError, ShapeError, UsageError

RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((8, 4)).astype(np.float32)
NO_CACHE = ew.BuilderConfig(timing_cache="", level=1)
Array = np.ndarray[Any, Any]
RUNS = """
import gc, sys
import numpy as np, psutil
import enginewright as ew
engine = ew.load(sys.argv[1])
inputs = [{"x": np.ones((n, 8), np.float32), "bias": np.ones(4, np.float32)} for n in (3, 40, 7)]
def runs(count):
    for index in range(count):
        engine.run(inputs[index % 3])
    gc.collect()
    return psutil.Process().memory_info().rss
runs(1000)
before = runs(0)
print(runs(20000) - before)
"""


def _network() -> ew.Network:
    net = ew.Network("affine")
    x = net.input("x", ew.float32, ("N", 8))
    bias = net.input("bias", ew.float32, (4,))
    net.output("y", net.relu(net.add(net.matmul(x, net.constant(WEIGHT)), bias)))
    net.output("size", net.shape(x))
    return net


def _expected(x: Array, bias: Array) -> Array:
    return np.maximum(x @ WEIGHT + bias, 0)


@pytest.fixture(name="engine")
def _engine() -> Any:
    with ew.load(ew.build(_network(), NO_CACHE)) as engine:
        yield engine


def _inputs(n: int) -> dict[str, Array]:
    return {"x": RNG.standard_normal((n, 8)).astype(np.float32), "bias": RNG.standard_normal(4).astype(np.float32)}


def test_any_size_runs_without_a_new_build(engine: ew.Engine) -> None:
    for n in (1, 5, 2, 129, 0, 5):
        inputs = _inputs(n)
        outputs = engine.run(inputs)
        np.testing.assert_allclose(outputs["y"], _expected(**inputs), rtol=1e-5, atol=1e-5)
        assert outputs["size"].tolist() == [n, 8]


def test_save_load_and_bytes_give_the_same(engine: ew.Engine, tmp_path: Any) -> None:
    path = tmp_path / "affine.plan"
    engine.plan.save(path)
    inputs = _inputs(3)
    for source in (path, str(path), engine.plan.to_bytes(), engine.plan):
        with ew.load(source) as other:
            assert (other.run(inputs)["y"] == engine.run(inputs)["y"]).all()


def test_bound_arrays_are_read_and_written_in_place(engine: ew.Engine) -> None:
    context, inputs = engine.create_context(), _inputs(6)
    y = np.full((6, 4), np.nan, np.float32)
    for name, array in inputs.items():
        context.bind_input(name, array)
    assert context.output_shape("y") == (6, 4)
    context.bind_output("y", y)
    context.run()
    np.testing.assert_allclose(y, _expected(**inputs), rtol=1e-5, atol=1e-5)
    inputs["x"][:] = 0
    context.run()
    np.testing.assert_allclose(y, _expected(**inputs), rtol=1e-5, atol=1e-5)
    assert context.output("size").tolist() == [6, 8]


def test_inputs_that_are_not_contiguous_are_copied_by_run_and_refused_when_bound(engine: ew.Engine) -> None:
    inputs = _inputs(4)
    strided = np.asfortranarray(inputs["x"])
    assert (engine.run({**inputs, "x": strided})["y"] == engine.run(inputs)["y"]).all()
    with pytest.raises(UsageError, match="contiguous"):
        engine.create_context().bind_input("x", strided)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": np.zeros((2, 8))}, "data type"),
        ({"x": np.zeros(8, np.float32)}, "rank"),
        ({"x": np.zeros((2, 9), np.float32)}, "axis 1 must be 8"),
        ({"bias": np.zeros(5, np.float32)}, "axis 0 must be 4"),
        ({"extra": np.zeros(1)}, "unknown: extra"),
    ],
)
def test_wrong_inputs_say_what_was_given_and_what_is_allowed(engine: ew.Engine, change: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        engine.run({**_inputs(2), **change})
    assert text in str(caught.value)
    assert caught.value.details is not None
    assert engine.run(_inputs(2))["y"].shape == (2, 4)


def test_missing_inputs_are_named(engine: ew.Engine) -> None:
    with pytest.raises(InputError, match="missing: bias"):
        engine.run({"x": np.zeros((1, 8), np.float32)})
    with pytest.raises(UsageError, match="one ndarray"):
        engine.run(np.zeros((1, 8), np.float32))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='no tensor "z"'):
        engine.create_context().bind_output("z", None)
    with pytest.raises(UsageError, match="nothing was run"):
        engine.create_context().output("y")


def test_an_output_is_there_after_a_run(engine: ew.Engine) -> None:
    context = engine.create_context()
    for name, array in _inputs(2).items():
        context.bind_input(name, array)
    assert context.output_shape("y") == (2, 4)
    with pytest.raises(UsageError, match="no output before a run"):
        context.output("y")
    context.run()
    assert context.output("y").shape == (2, 4)


def test_outputs_need_the_right_array(engine: ew.Engine) -> None:
    context = engine.create_context()
    for wrong in (np.zeros((2, 4)), np.zeros((4, 2), np.float32).T):
        with pytest.raises(UsageError, match="writable C-contiguous"):
            context.bind_output("y", wrong)
    for name, array in _inputs(3).items():
        context.bind_input(name, array)
    context.bind_output("y", np.zeros((2, 4), np.float32))
    with pytest.raises(ew.EnginewrightError):
        context.run()


def test_sizes_that_must_agree_are_checked_at_run_time() -> None:
    net = ew.Network()
    a, b = net.input("a", ew.float32, ("N",)), net.input("b", ew.float32, ("N",))
    net.output("y", net.add(a, b))
    engine = ew.load(ew.build(net, NO_CACHE))
    with pytest.raises(ShapeError, match=r"3 and 4|4 and 3"):
        engine.run({"a": np.zeros(3, np.float32), "b": np.zeros(4, np.float32)})


def test_profiles_bound_what_is_accepted() -> None:
    profiles = [ew.Profile({"x": ((1, 8), (2, 8), (4, 8))}), ew.Profile({"x": (16, 8)}, name="sixteen")]
    engine = ew.load(ew.build(_network(), ew.BuilderConfig(timing_cache="", level=1, profiles=profiles)))
    for n in (1, 4, 16, 3):
        inputs = _inputs(n)
        np.testing.assert_allclose(engine.run(inputs)["y"], _expected(**inputs), rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match=r"1\.\.4 x 8"):
        engine.run(_inputs(5))


def test_the_axis_outside_a_profile_is_named() -> None:
    """Of the second input, though the first fits; of several profiles the nearest counts."""
    net = ew.Network()
    a, b = net.input("a", ew.float32, ("N",)), net.input("b", ew.float32, ("M", "K"))
    net.output("y", net.add(net.reduce_sum(a), net.reduce_sum(b)))
    shapes = {"a": ((1,), (2,), (4,)), "b": ((1, 1), (2, 2), (4, 8))}
    profiles = [ew.Profile(shapes), ew.Profile({"a": (64,), "b": (64, 64)})]
    engine = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", level=1, profiles=profiles)))
    with pytest.raises(InputError, match='input "b" is outside every profile: axis 1 is 9, not 1 to 8') as caught:
        engine.run({"a": np.ones(3, np.float32), "b": np.ones((4, 9), np.float32)})
    assert caught.value.details is not None
    assert "b: 1..4 x 1..8 (profile 0) or 64 x 64 (profile 1)" in caught.value.details.allowed


def test_profiles_that_do_not_fit_are_refused() -> None:
    for shapes in ({"z": (1,)}, {"x": (1, 9)}, {"x": ((4, 8), (2, 8), (1, 8))}, {"x": (1, 8, 1)}, {"x": "?"}, {}):
        with pytest.raises(ConfigError):
            ew.build(_network(), ew.BuilderConfig(timing_cache="", profiles=[ew.Profile(shapes)]))  # type: ignore[arg-type]


def test_results_do_not_depend_on_threads_or_on_who_else_runs() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 64))
    for _ in range(3):
        x = net.softmax(net.matmul(x, net.constant(RNG.standard_normal((64, 64)).astype(np.float32))))
    net.output("y", x)
    plan = ew.build(net, NO_CACHE)
    batches = [RNG.standard_normal((n, 64)).astype(np.float32) for n in range(300, 308)]
    single = [ew.load(plan, threads=1).run({"x": batch})["y"] for batch in batches]
    engine = ew.load(plan)
    contexts = [engine.create_context() for _ in batches]

    def work(index: int) -> bool:
        return all((contexts[index].infer({"x": batches[index]})["y"] == single[index]).all() for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
        assert all(pool.map(lambda i: (engine.run({"x": batches[i]})["y"] == single[i]).all(), range(8)))


def test_a_context_refuses_a_second_thread(engine: ew.Engine) -> None:
    context = engine.create_context()
    context._busy.acquire()
    caught: list[Exception] = []

    def run() -> None:
        try:
            context.run()
        except UsageError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_closing() -> None:
    engine = ew.load(ew.build(_network(), NO_CACHE))
    engine.run(_inputs(1))
    engine.close()
    engine.close()
    with pytest.raises(ClosedError):
        engine.run(_inputs(1))
    with pytest.raises(ConfigError):
        ew.load(engine.plan, threads=0)


def test_memory_does_not_grow(engine: ew.Engine, tmp_path: Path) -> None:
    """In a process of its own, whose heap no other test has used."""
    engine.plan.save(tmp_path / "a.plan")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", RUNS, str(tmp_path / "a.plan")]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 2**20
