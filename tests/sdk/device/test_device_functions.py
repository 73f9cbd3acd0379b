"""A Python function as a kernel: what it gets, what it may not do, and how its failures look. The driver is a fake."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.device.kernel_params import written
from tests.sdk.device.fake_driver import FakeGpu, call_on, host_array

X = np.arange(6, dtype=np.float32)
NOTHING = (0,)


@pytest.fixture(autouse=True)
def no_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "cupy"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@ew.device_function
def scale(x: Any, y: Any, n: int, factor: float, *, stream: int) -> None:
    assert stream == 7
    host_array(y)[:] = host_array(x) * factor + n


def test_it_writes_its_outputs(fake_gpu: FakeGpu) -> None:
    y = np.zeros(6, np.float32)
    name = scale.load()
    assert name == f"py:{__name__}.scale"
    call_on(7, name, [X], [y], written([1, 2.0], has_workspace=False))  # type: ignore[arg-type]
    assert y.tolist() == [1, 3, 5, 7, 9, 11]
    assert scale.identity == ""


def test_workspace_and_missing_inputs(fake_gpu: FakeGpu) -> None:
    seen: list[Any] = []

    def function(*arrays: Any, stream: int) -> None:
        seen.extend(arrays)

    call_on(7, ew.device_function(function).load(), [None, X], [X.copy()], written([], has_workspace=True))  # type: ignore[arg-type]
    assert seen[0] is None
    assert [view.shape for view in seen[1:]] == [(6,), (6,), (64,)]
    assert str(seen[3].dtype) == "uint8"


def test_a_result_is_refused(fake_gpu: FakeGpu) -> None:
    def returns(x: Any, y: Any, *, stream: int) -> Any:
        return x

    with pytest.raises(ew.PluginInvalid, match="returns DeviceView, not None") as caught:
        call_on(7, ew.device_function(returns).load(), [X], [X.copy()], NOTHING)
    assert "outputs" in caught.value.hint


@pytest.mark.parametrize("capturing", [True, False])
def test_failures_name_the_function(fake_gpu: FakeGpu, capturing: bool) -> None:
    def fails(x: Any, y: Any, *, stream: int) -> None:
        raise ValueError("no")

    fake_gpu.capturing = capturing
    with pytest.raises(ew.PluginError, match=r"fails raises ValueError.*: no") as caught:
        call_on(7, ew.device_function(fails).load(), [X], [X.copy()], NOTHING)
    assert ("captured" in caught.value.message) is capturing
    assert ("workspace" in caught.value.hint) is capturing
    assert isinstance(caught.value.__cause__, ValueError)


def framework(log: list[str], pieces: list[int]) -> SimpleNamespace:
    """What is used of torch.cuda and cupy.cuda."""

    @contextmanager
    def current(stream: str) -> Iterator[None]:
        log.append(stream)
        yield
        log.append("before")

    return SimpleNamespace(
        is_available=lambda: True,
        ExternalStream=lambda handle: f"stream {handle}",
        stream=current,
        memory_stats=lambda: {"allocation.all.allocated": sum(pieces)},
    )


def test_the_stream_is_the_current_one(fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    def function(x: Any, y: Any, *, stream: int) -> None:
        log.append("function")

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=framework(log, [])))
    call_on(7, ew.device_function(function).load(), [X], [X.copy()], NOTHING)
    assert log == ["stream 7", "function", "before"]


def test_memory_of_torch_is_refused_in_a_graph(fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []

    def takes(x: Any, y: Any, *, stream: int) -> None:
        pieces.append(1)

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=framework([], pieces)))
    name = ew.device_function(takes).load()
    call_on(7, name, [X], [X.copy()], NOTHING)
    fake_gpu.capturing = True
    with pytest.raises(ew.PluginError, match=r"takes memory of torch while .* captured") as caught:
        call_on(7, name, [X], [X.copy()], NOTHING)
    assert "workspace" in caught.value.hint


def test_a_framework_imported_by_the_function(fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    def imports(x: Any, y: Any, *, stream: int) -> None:
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=framework([], [])))

    name = ew.device_function(imports).load()
    call_on(7, name, [X], [X.copy()], NOTHING)
    assert fake_gpu.waits == [7, 0]  # it worked on the default stream
    monkeypatch.delitem(sys.modules, "torch")
    fake_gpu.capturing = True
    with pytest.raises(ew.PluginError, match="imports a framework while captured"):
        call_on(7, name, [X], [X.copy()], NOTHING)


@pytest.mark.parametrize("is_new", [True, False])
def test_streams_and_memory_of_cupy(fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, is_new: bool) -> None:
    log: list[Any] = []
    cuda = framework(log, [])
    allocator: list[Any] = [lambda size: log.append(size)]

    @contextmanager
    def using(function: Any) -> Iterator[None]:
        allocator.append(function)
        yield
        allocator.pop()

    cuda.ExternalStream, cuda.using_allocator, cuda.Stream = (
        lambda handle: cuda.stream(handle),
        using,
        SimpleNamespace(),
    )
    if is_new:  # cupy 14
        cuda.Stream.from_external = lambda stream: cuda.stream(stream.__cuda_stream__()[1])

    def takes(x: Any, y: Any, *, stream: int) -> None:
        allocator[-1](512)

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    name = ew.device_function(takes).load()
    call_on(7, name, [X], [X.copy()], NOTHING)
    assert log == [7, 512, "before"]
    fake_gpu.capturing = True
    with pytest.raises(ew.PluginError, match="takes memory of cupy"):
        call_on(7, name, [X], [X.copy()], NOTHING)


def test_names_that_plans_can_keep(fake_gpu: FakeGpu) -> None:
    with pytest.raises(ew.PluginInvalid, match="no name"):
        ew.device_function(lambda x, y, *, stream: None)

    def made(number: int) -> Any:
        def inner(x: Any, y: Any, *, stream: int) -> None:
            raise AssertionError(number)

        return ew.device_function(inner)

    first = made(1)
    assert first.load() == first.load()
    assert made(2).load() == f"{first.load()}#2"


def test_a_redefined_function_takes_its_place(fake_gpu: FakeGpu) -> None:
    def other(x: Any, y: Any, n: int, factor: float, *, stream: int) -> None:
        host_array(y)[:] = -1

    other.__qualname__ = "scale"
    y = np.zeros(6, np.float32)
    name = ew.device_function(other).load()
    call_on(7, name, [X], [y], written([1, 2.0], has_workspace=False))  # type: ignore[arg-type]
    assert y.tolist() == [-1] * 6
    assert scale.load() == name
