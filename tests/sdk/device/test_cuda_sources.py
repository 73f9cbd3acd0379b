"""A kernel in CUDA source is launched as its launch says; what does not fit is refused. The driver is a fake."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import enginewright as ew
from enginewright.device.cuda_sources import check_arguments
from enginewright.device.kernel_params import written
from tests.sdk.device.fake_driver import FakeGpu, call_on

X, Y = np.ones(6, np.float32), np.zeros(6, np.float32)


def pointers() -> list[int]:
    return [X.ctypes.data, Y.ctypes.data]


@pytest.mark.parametrize("workspace", [True, False])
def test_arguments_in_order(fake_gpu: FakeGpu, workspace: bool) -> None:
    name = ew.cuda_source("", f"scale_{workspace}").load()
    params = (3, 1, 1, 128, 2, 1, 64, *written([6, 0.5, ew.f32(0.25)], has_workspace=workspace))
    call_on(77, name, [X], [Y], params)  # type: ignore[arg-type]
    ((geometry, arguments, stream),) = fake_gpu.kernels[f"scale_{workspace}"].launches
    assert (geometry, stream) == ((3, 1, 1, 128, 2, 1, 64), 77)
    assert arguments[:2] == pointers()
    assert arguments[-3:] == [6, 0.5, ctypes.c_float(0.25).value]
    assert len(arguments) == 6 if workspace else 5


def test_a_missing_input_is_null(fake_gpu: FakeGpu) -> None:
    name = ew.cuda_source("", "optional").load()
    call_on(7, name, [None, X], [Y], (1, 1, 1, 32, 1, 1, 0, 0))
    assert fake_gpu.kernels["optional"].launches[0][1] == [None, *pointers()]


def test_an_empty_grid_is_not_launched(fake_gpu: FakeGpu) -> None:
    name = ew.cuda_source("", "empty").load()
    call_on(7, name, [X], [Y], (0, 1, 1, 32, 1, 1, 0, 0))
    assert fake_gpu.kernels["empty"].launches == []


def test_too_large_a_grid(fake_gpu: FakeGpu) -> None:
    name = ew.cuda_source("", "large").load()
    with pytest.raises(ew.PluginInvalid, match="grid of 1 x 65536 x 1 blocks"):
        call_on(7, name, [X], [Y], (1, 65536, 1, 32, 1, 1, 0, 0))


@pytest.mark.parametrize(
    ("block", "shared", "said"),
    [
        ((2**32 + 32, 1, 1), 0, "4294967328 x 1 x 1 threads"),
        ((32, 0, 1), 0, "32 x 0 x 1 threads"),
        ((-1, 1, -1), 0, "-1 x 1 x -1 threads"),
        ((64, 32, 1), 0, "64 x 32 x 1 threads"),
        ((32, 1, 1), -1, "-1 bytes of shared memory"),
        ((32, 1, 1), 2**32, "4294967296 bytes of shared memory"),
    ],
)
def test_sizes_that_no_gpu_has(fake_gpu: FakeGpu, block: tuple[int, ...], shared: int, said: str) -> None:
    name = ew.cuda_source("", "odd").load()
    with pytest.raises(ew.PluginInvalid, match=said):
        call_on(7, name, [X], [Y], (1, 1, 1, *block, shared, 0))
    assert fake_gpu.kernels["odd"].launches == []


def test_a_step_of_the_host(fake_gpu: FakeGpu) -> None:
    with pytest.raises(ew.PlanInvalid, match="on the host"):
        call_on(0, ew.cuda_source("", "host").load(), [X], [Y], (1, 1, 1, 32, 1, 1, 0, 0))


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [
        ([8, 8, 8, 4], [8, 8, 4, 4], True),
        ([8, 8], None, True),
        ([8, 8], [8], False),
        ([8], [8, 8], False),
        ([8, 4], [8, 8], False),
        ([8], [16], False),
    ],
)
def test_parameters_are_compared(given: list[int], wanted: list[int] | None, fits: bool) -> None:
    if fits:
        check_arguments("k", given, wanted)
        return
    with pytest.raises(ew.PluginInvalid, match="the kernel k has parameters of") as caught:
        check_arguments("k", given, wanted)
    assert "ew.f32" in caught.value.hint
