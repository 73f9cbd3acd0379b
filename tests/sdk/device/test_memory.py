"""Arrays on the GPU: those of other libraries, and copies of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from enginewright.device import memory
from enginewright.device.cuda import cuda_context
from enginewright.device.memory import WORTH_A_COPY, copies_on_device, device_array
from enginewright.errors import DeviceMissing, NativeError, UsageError
from enginewright.tensors import DataType, bfloat16, float16


def test_small_arrays_are_not_copied() -> None:
    with copies_on_device({"x": np.zeros(WORTH_A_COPY - 1, np.uint8)}, "cuda") as copies:
        assert not copies


@pytest.mark.parametrize("dtype", [float16, bfloat16])
def test_arrays_of_all_types_are_copied(dtype: DataType, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[bytes] = []

    @contextmanager
    def context(target: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(to_device=lambda array: copied.append(bytes(memoryview(array))) or Piece())

    monkeypatch.setattr(memory, "cuda_context", context)
    array = np.ones((4, WORTH_A_COPY // 8), dtype.numpy)
    with copies_on_device({"x": array}, "cuda") as copies:
        assert (copies["x"].pointer, copies["x"].shape, copies["x"].dtype) == (4096, array.shape, array.dtype)
    assert copied == [array.tobytes()]


class Piece:
    """Memory as pycuda gives it."""

    def __int__(self) -> int:
        return 4096

    def free(self) -> None:
        pass


def test_an_array_tells_its_place() -> None:
    told = {"typestr": "<f2", "shape": (2, 3), "data": (4096, False), "strides": (6, 2)}
    found = device_array(SimpleNamespace(__cuda_array_interface__=told))
    assert (found.pointer, found.shape, found.dtype, found.nbytes) == (4096, (2, 3), np.float16, 12)


def test_gaps_and_other_objects_are_refused() -> None:
    told = {"typestr": "<f2", "shape": (2, 3), "data": (4096, False), "strides": (8, 2)}
    with pytest.raises(UsageError, match="not contiguous"):
        device_array(SimpleNamespace(__cuda_array_interface__=told))
    with pytest.raises(UsageError, match="no memory that engines read"):
        device_array([1.0])


@pytest.mark.cuda
def test_copies_hold_what_was_copied() -> None:
    array = np.arange(WORTH_A_COPY, dtype=np.float32)
    try:
        with copies_on_device({"x": array}, "cuda") as copies, cuda_context() as driver:
            back = np.empty_like(array)
            driver.memcpy_dtoh(back, copies["x"].pointer)
    except (DeviceMissing, NativeError) as error:
        pytest.skip(error.message)
    np.testing.assert_array_equal(back, array)
