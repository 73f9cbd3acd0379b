"""Numbers of a launch keep their C types on the way through a plan."""

from __future__ import annotations

import ctypes
import struct

import pytest

import enginewright as ew
from enginewright.device.kernel_params import read, written


def bits(value: float) -> int:
    """As `ew_param` keeps it."""
    return int(struct.unpack("q", struct.pack("d", value))[0]) if isinstance(value, float) else value


@pytest.mark.parametrize("has_workspace", [True, False])
def test_there_and_back(has_workspace: bool) -> None:
    given = read([bits(value) for value in written([7, 0.1, ew.f32(0.1), -3], has_workspace=has_workspace)])  # type: ignore[arg-type]
    assert given.has_workspace is has_workspace
    assert given.values == (7, 0.1, 0.1, -3)
    assert [type(item) for item in given.arguments()] == [
        ctypes.c_int64,
        ctypes.c_double,
        ctypes.c_float,
        ctypes.c_int64,
    ]
    assert given.arguments()[2].value == pytest.approx(0.1, rel=1e-7)
    assert given.arguments()[2].value != 0.1


def test_sizes_stay_sizes() -> None:
    size = ew.Dim("N")
    assert written([size * 2], has_workspace=False) == (0, 0, size * 2)


def test_nothing() -> None:
    assert read(written([], has_workspace=True)).values == ()  # type: ignore[arg-type]
