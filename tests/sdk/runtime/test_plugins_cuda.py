"""Plugins on a GPU: every way to write a kernel gives the same, inside the captured graph, saved and loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.checking import difference
from tests.sdk.runtime import swish_cuda
from tests.sdk.runtime.swish_cuda import ALL, OPERATORS, WAYS, counts

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("swish_library", "swish_operators")]
CONFIG = ew.BuilderConfig(target="cuda", timing_cache="", threads=1)
each_way = pytest.mark.parametrize("way", WAYS)
ROWS = (1, 300, 7, 0, 300)


def network(cls: Any, dtype: ew.DataType = ew.float32, rows: Any = "N") -> ew.Network:
    """A built-in layer before and behind, so that the plugin is inside a graph."""
    net = ew.Network()
    x = net.input("x", dtype, (rows, 64))
    two = net.constant(np.full((), 2, dtype.numpy))
    net.output("y", net.add(net.add(*net.add(cls(), net.mul(x, two)), two), two))
    return net


def expected(cls: Any, x: Any) -> Any:
    """What the references give."""
    return (cls().reference((x * x.dtype.type(2)).astype(x.dtype)) + x.dtype.type(4)).astype(x.dtype)


def numbers(rows: int, seed: int, dtype: ew.DataType = ew.float32) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, 64)).astype(np.float32).astype(dtype.numpy)


@each_way
def test_dynamic_shapes_in_the_graph(way: str) -> None:
    cls = OPERATORS[way]
    plan = ew.build(network(cls), CONFIG)
    (layer,) = [layer for layer in plan.report.layers if "acme_gpu" in layer.operator]
    assert "swish" in layer.tactic, layer.rejected
    assert all(step.device for step in plan.meta.programs[0].steps)
    before = counts[way]
    with ew.load(plan) as engine:
        context = engine.create_context()
        for seed, rows in enumerate(ROWS):
            for repeat in range(4):
                x = numbers(rows, 10 * seed + repeat)
                context.bind_input("x", x)
                context.run()
                assert difference(context.output("y"), expected(cls, x), cls()) == ""
    # Once and once more to be captured, for each of four shapes; new sizes may move memory, and so record again.
    assert counts[way] - before <= 4 * 4 if way in ("cupy", "torch", "triton") else counts[way] == 0


@pytest.mark.parametrize("dtype", [ew.float16, ew.bfloat16])
@pytest.mark.parametrize("way", [way for way in WAYS if way in ("source", "torch", "triton")])
def test_small_types(way: str, dtype: ew.DataType) -> None:
    cls = OPERATORS[way]
    plan = ew.build(network(cls, dtype, 5), CONFIG)
    (layer,) = [layer for layer in plan.report.layers if "acme_gpu" in layer.operator]
    assert "swish" in layer.tactic, layer.rejected
    with ew.load(plan) as engine:
        for seed in range(3):
            x = numbers(5, seed, dtype)
            wanted = expected(cls, x)
            found = engine.run({"x": x})["y"]
            np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), rtol=2e-2, atol=4e-2)


def test_all_ways_are_timed_and_give_the_same() -> None:
    plan = ew.build(network(ALL, rows=300), CONFIG)
    (layer,) = [layer for layer in plan.report.layers if "acme_gpu" in layer.operator]
    times = {timing.tactic: timing.nanoseconds for timing in layer.candidates}
    print("\n".join(f"{name:24} {time} ns" for name, time in sorted(times.items())))
    assert len(times) == len(WAYS)
    assert all(times.values())
    assert min(times, key=lambda name: times[name] or 0) == layer.tactic
    x, found = numbers(300, 5), []
    for way in WAYS:
        with ew.load(ew.build(network(OPERATORS[way]), CONFIG)) as engine:
            found.append([engine.run({"x": x})["y"] for _ in range(3)][-1])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=3e-6, atol=3e-6)


SCRIPT = """
import sys
import numpy as np
import enginewright as ew
from tests.sdk.runtime import swish_cuda, test_plugins_cuda as own
swish_cuda.register()
for rows in (300, 3):
    x = own.numbers(rows, 1)
    engine = ew.load(sys.argv[1])
    for _ in range(3):
        y = engine.run({"x": x})["y"]
    np.testing.assert_array_equal(y, np.load(sys.argv[2])[:rows] if rows == 300 else y)
    assert own.difference(y, own.expected(swish_cuda.ALL, x), swish_cuda.ALL()) == ""
"""


@each_way
def test_saved_and_loaded_in_a_new_process(way: str, tmp_path: Path) -> None:
    plan = ew.build(network(OPERATORS[way]), CONFIG)
    plan.save(tmp_path / "one.plan")
    (use,) = plan.passport.plugins
    assert use.level == (3 if way == "library" else 2)
    assert bool(use.source) is (way in ("source", "library"))
    with ew.load(plan) as engine:
        np.save(tmp_path / "y.npy", engine.run({"x": numbers(300, 1)})["y"])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "one.plan"), str(tmp_path / "y.npy")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


EMBEDDED = """
import sys
import numpy as np
import enginewright as ew
with ew.load(sys.argv[1], trust="any") as engine:
    for _ in range(3):
        y = engine.run({"x": np.load(sys.argv[2])})["y"]
np.testing.assert_array_equal(y, np.load(sys.argv[3]))
assert "tests" not in sys.modules
"""


@pytest.mark.parametrize("way", ["source", "library"])
def test_a_plan_that_carries_its_kernels(way: str, tmp_path: Path) -> None:
    plan = ew.build(network(OPERATORS[way]), replace(CONFIG, embed_code=True))
    assert not plan.passport.plugins[0].needed
    assert plan.meta.code[0].kind == ("cubin" if way == "source" else "library")
    plan.save(tmp_path / "one.plan")
    x = numbers(300, 1)
    with ew.load(plan) as engine:
        y = [engine.run({"x": x})["y"] for _ in range(3)][-1]
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    command = [sys.executable, "-c", EMBEDDED, *(str(tmp_path / name) for name in ("one.plan", "x.npy", "y.npy"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ENGINEWRIGHT_CACHE_DIR": str(tmp_path / "c")}
    subprocess.run(command, check=True, env=environment)


def test_queued_on_the_callers_stream() -> None:
    torch = pytest.importorskip("torch")
    for way in WAYS:
        cls = OPERATORS[way]
        stream = torch.cuda.Stream()
        with ew.load(ew.build(network(cls, rows=300), CONFIG)) as engine:
            context = engine.create_context()
            x, y = torch.zeros(300, 64, device="cuda"), torch.zeros(300, 64, device="cuda")
            context.bind_input("x", x)
            context.bind_output("y", y)
            torch.cuda.synchronize()
            for seed in range(4):
                given = numbers(300, seed)
                with torch.cuda.stream(stream):
                    torch.cuda._sleep(5_000_000)
                    x.copy_(torch.from_numpy(given))
                    y.fill_(float("nan"))
                    context.execute_async(stream)
                    found = y.clone()
                stream.synchronize()
                assert difference(found.cpu().numpy(), expected(cls, given), cls()) == "", way


def rejected(cls: Any) -> str:
    """Why the one tactic of an operator is not used; the operator runs by its reference instead."""
    plan = ew.build(network(cls, rows=4), CONFIG)
    (layer,) = [layer for layer in plan.report.layers if "acme_gpu" in layer.operator]
    assert layer.tactic == "reference"
    with ew.load(plan) as engine:
        x = numbers(4, 0)
        assert difference(engine.run({"x": x})["y"], expected(cls, x), cls()) == ""
    return layer.rejected[0].reason


def test_source_that_nvrtc_refuses() -> None:
    cls = swish_cuda.operator("SwishBroken")

    @ew.tactic(cls, kernel=ew.cuda_source("__global__ void k(float *x) { x = nothing; }", "k"))
    def broken(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(grid=(1,))

    assert "NVRTC refuses k" in rejected(cls)


def test_arguments_that_do_not_fit() -> None:
    cls = swish_cuda.operator("SwishArguments")

    @ew.tactic(cls, kernel=swish_cuda.source_of(ew.float32))
    def too_few(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size,), grid=(1,))

    assert "has parameters of 8, 8, 8, 4 bytes, it gets arguments of 8, 8, 8" in rejected(cls)


def test_a_function_that_takes_memory() -> None:
    torch = pytest.importorskip("torch")
    cls = swish_cuda.operator("SwishMemory")

    @ew.device_function
    def takes(x: Any, y: Any, beta: float, *, stream: int) -> None:
        given = torch.from_dlpack(x)
        torch.from_dlpack(y).copy_(given * torch.sigmoid(given * beta))

    @ew.tactic(cls, kernel=takes)
    def tactic(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(op.beta,))

    assert "takes memory of torch while its work is captured" in rejected(cls)


def test_a_function_that_waits() -> None:
    torch = pytest.importorskip("torch")
    cls = swish_cuda.operator("SwishWaits")

    @ew.device_function
    def waits(x: Any, y: Any, scratch: Any, beta: float, *, stream: int) -> None:
        swish_cuda.swish_torch(x, y, scratch, beta, stream=stream)
        torch.cuda.current_stream().synchronize()

    @ew.tactic(cls, kernel=waits)
    def tactic(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(op.beta,), workspace=x.nbytes)

    assert "while its work is captured in a CUDA graph" in rejected(cls)


def test_a_function_on_another_stream() -> None:
    torch = pytest.importorskip("torch")
    cls, other = swish_cuda.operator("SwishStream"), torch.cuda.Stream()

    @ew.device_function
    def elsewhere(x: Any, y: Any, scratch: Any, beta: float, *, stream: int) -> None:
        with torch.cuda.stream(other):
            swish_cuda.swish_torch(x, y, scratch, beta, stream=0)

    @ew.tactic(cls, kernel=elsewhere)
    def tactic(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(op.beta,), workspace=x.nbytes)

    assert "differs from the reference" in rejected(cls)
