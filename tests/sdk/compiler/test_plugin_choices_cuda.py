"""What a plugin's tactic offers for a GPU: geometry and params of its launch, and why it may not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import enginewright as ew
from enginewright.compiler.candidates import Candidates, candidates
from enginewright.compiler.lowering import Programs
from enginewright.compiler.weights import WeightPool
from enginewright.device.cuda_sources import CudaSource
from enginewright.device.device_functions import DeviceFunction
from enginewright.registry.registry import registry

N = 6
KERNEL = ew.cuda_source("", "k")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels are ready, and what a test declares is forgotten after it."""
    monkeypatch.setattr(CudaSource, "load", lambda self: "cu:k")
    monkeypatch.setattr(DeviceFunction, "load", lambda self: "py:f")
    with registry.isolated():
        yield


def offered(kernel: Any, launch: Any, output: Any = None, dtype: ew.DataType = ew.float32) -> Candidates:
    """What a tactic that gives this launch offers for a GPU."""

    @ew.operator("acme::Copy")
    class Copy:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x if output is None else x.with_shape(output())

        def reference(self, x: Any) -> Any:
            return x

    @ew.tactic(Copy, kernel=kernel)
    def way(op: Any, x: ew.TensorSpec) -> Any:
        return launch(x) if callable(launch) else launch

    net = ew.Network()
    net.add(Copy(), net.input("x", dtype, ("N", N) if output is None else (N,)))
    return candidates(net.layers[0], device="cuda")


def function(x: Any, y: Any, *, stream: int) -> None:
    """Does nothing."""


def test_geometry_and_kinds_stand_before_the_params() -> None:
    size = ew.Dim("N")

    def launch(x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch((x.size, 0.5, ew.f32(2)), grid=(size, 2), block=(64, 4), shared=512)

    (choice,) = offered(KERNEL, launch).choices
    assert (choice.kernel, choice.device) == ("cu:k", 1)
    assert choice.launch.params == (size, 2, 1, 64, 4, 1, 512, 0, 0, 1, 2, size * N, 0.5, 2.0)


@pytest.mark.parametrize(("workspace", "has"), [(None, 0), (0, 1), (256, 1), (ew.Dim("N") * 4, 1)])
def test_a_workspace_is_an_argument_even_if_it_is_empty(workspace: Any, has: int) -> None:
    more = {} if workspace is None else {"workspace": workspace}
    (choice,) = offered(ew.device_function(function), ew.Launch((7,), **more)).choices
    assert choice.launch.params == (has, 0, 7)
    assert str(choice.launch.workspace) == str(0 if workspace is None else workspace)


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        (ew.Launch(), "grid with 0 sizes"),
        (ew.Launch(grid=(1, 1, 1, 1)), "grid with 4 sizes"),
        (ew.Launch(grid=(-1,)), r"grid \(-1,\)"),
        (ew.Launch(grid=("a",)), "'a' .* in grid"),
        (ew.Launch(grid=(1,), block=(0,)), r"block \(0,\)"),
        (ew.Launch(grid=(1,), block=(64, 32)), r"block \(64, 32\).* 1024 threads"),
        (ew.Launch(grid=(1,), shared=0.5), "in shared"),
        (ew.Launch(grid=7), "grid as int"),
    ],
)
def test_geometry_that_gpus_do_not_have(launch: ew.Launch, said: str) -> None:
    with pytest.raises(ew.PluginInvalid, match=said) as caught:
        offered(KERNEL, launch)
    assert "acme::Copy@1: tactic way gives" in caught.value.message


def test_a_grid_is_for_cuda_source_only() -> None:
    with pytest.raises(ew.PluginInvalid, match="a grid, which only a kernel of"):
        offered(ew.device_function(function), ew.Launch(grid=(1,)))


def test_sizes_that_depend_on_data_are_found_on_the_host() -> None:
    found = offered(KERNEL, ew.Launch(grid=(1,)), output=lambda: ew.Dim.data(upper=N))
    assert [item.reason for item in found.rejected] == ["sizes that depend on data are found on the host"]
    assert [choice.tactic for choice in found.choices] == ["reference"]


def test_what_cannot_be_loaded_leaves_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Any) -> str:
        raise ew.PluginInvalid("NVRTC refuses k", hint="")

    monkeypatch.setattr(CudaSource, "load", refused)
    found = offered(KERNEL, ew.Launch(grid=(1,)))
    assert [item.reason for item in found.rejected] == ["[EW-G004] NVRTC refuses k"]
    assert [(choice.tactic, choice.device) for choice in found.choices] == [("reference", 0)]


def test_alias_on_a_device() -> None:
    """The output's memory is a copy that was made on the device, as the caller's must stay as it is."""

    @ew.operator("acme::Append", alias={0: "x"})
    class Append:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x

    @ew.tactic(Append, kernel=KERNEL)
    def way(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(grid=(1,))

    net = ew.Network()
    x = net.input("x", ew.float32, (N,))
    net.output("y", *net.add(Append(), x))
    (choice,) = candidates(net.layers[0], device="cuda").choices
    programs = Programs({net.layers[0]: choice}, WeightPool())
    programs.add(net)
    (program,) = programs.programs
    assert program is not None
    copy, step = program.steps
    assert (copy.kernel, copy.device, step.kernel, step.device) == ("copy_on_device", 1, "cu:k", 1)
    made, written = program.tensors[copy.outputs[0]], program.tensors[step.outputs[0]]
    assert made.storage == written.storage
    assert program.storages[made.storage].device == 1
