"""Kernels outside any plan: which there are, and calls by name."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import PlanDeviceMismatch, PluginConflict, RunError, ShapeError, UsageError
from tests.sdk.native_.words import floats


def test_names_and_instruction_sets() -> None:
    names = _native.kernel_names()
    assert {"if", "loop", "scan", "python", "toy_add"} <= set(names)
    assert len(names) == len(set(names))
    assert all(_native.find_kernel(name) for name in names)
    assert not _native.find_kernel("toy_ad")
    isas = _native.isas()
    assert isas[-1] == "portable"
    flags = set(Path("/proc/cpuinfo").read_text().split())
    assert all(set(_native.isa_features(isa)) <= flags for isa in isas)
    assert {name.partition("@")[2] for name in names if name.startswith("cpu_")} <= set(isas)


def test_call() -> None:
    y = np.zeros(3, np.float32)
    assert _native.call_kernel("toy_add", [floats(1, 2, 3), floats(10)], [y]) == ((3,),)
    assert y.tolist() == [11, 12, 13]
    _native.call_kernel("toy_affine", [floats(1, 2, 3), None], [y], [2, 0.25])
    assert y.tolist() == [2.25, 4.25, 6.25]


def test_call_with_strided_input() -> None:
    y = np.zeros(2, np.float32)
    _native.call_kernel("toy_add", [floats(1, 2, 3, 4)[::2], floats(0)], [y])
    assert y.tolist() == [1, 3]


def test_call_with_workspace_threads_and_sizes() -> None:
    y = np.zeros(64, np.float32)
    x = np.arange(64, dtype=np.float32)
    _native.call_kernel("toy_workspace", [x, floats(0)], [y], workspace_bytes=1000)
    assert np.array_equal(y, x)
    for threads in (0, 1, 2, 7):
        _native.call_kernel("toy_square", [x], [y], threads=threads)
        assert np.array_equal(y, x * x)
    found = np.zeros(4, np.int64)
    assert _native.call_kernel("toy_nonzero", [floats(0, 1, 0, 2)], [found], sized=[0]) == ((2,),)
    assert found[:2].tolist() == [1, 3]


def test_call_with_four_bits() -> None:
    x = np.array([1, -2, 3, -4], ml_dtypes.int4)
    y = np.zeros(4, ml_dtypes.int4)
    _native.call_kernel("toy_copy", [x], [y[:4]], [0])
    packed = np.zeros(2, np.uint8)
    _native.call_kernel("toy_copy", [x], [packed], [1])
    assert packed.tolist() == [0xE1, 0xC3]


def test_call_fails() -> None:
    y = np.zeros(3, np.float32)
    with pytest.raises(ShapeError, match="toy_add: 2 elements, not 3"):
        _native.call_kernel("toy_add", [floats(1, 2), floats(10)], [y])
    with pytest.raises(RunError, match="kernel toy_silent failed"):
        _native.call_kernel("toy_silent", [], [], [1])
    with pytest.raises(PlanDeviceMismatch, match="there is no kernel nothing"):
        _native.call_kernel("nothing", [], [])
    with pytest.raises(UsageError, match="inside a program only"):
        _native.call_kernel("if", [], [])
    with pytest.raises(UsageError, match="not a writable C-contiguous array"):
        _native.call_kernel("toy_add", [y, y], [np.zeros(6, np.float32)[::2]])


def test_python_kernel_outside_a_plan() -> None:
    number = _native.add_python_step(lambda x: x + 1)
    y = np.zeros(2, np.float32)
    _native.call_kernel("python", [floats(1, 2)], [y], [number])
    assert y.tolist() == [2, 3]
    _native.remove_python_step(number)
    with pytest.raises(KeyError):
        _native.call_kernel("python", [floats(1, 2)], [y], [number])


def test_growing_output_outside_a_plan() -> None:
    number = _native.add_python_step(lambda x: x[:1])
    with pytest.raises(Exception, match="the plan says"):
        _native.call_kernel("python", [floats(1, 2)], [np.zeros(2, np.float32)], [number])
    _native.remove_python_step(number)


def test_name_taken() -> None:
    with pytest.raises(PluginConflict, match="toy_add"):
        _native.add_kernel("toy_add", 1)
