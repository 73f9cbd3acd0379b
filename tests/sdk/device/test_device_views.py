"""Memory of an engine as other libraries see it, here on the host: only addresses are handed on."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import enginewright as ew
from enginewright.device import device_views
from enginewright.device.device_views import DeviceView
from enginewright.device.memory import device_array


def test_array_interface() -> None:
    view = DeviceView(4096, (2, 3), ew.float16, 1)
    assert view.__cuda_array_interface__ == {
        "shape": (2, 3),
        "typestr": "<f2",
        "data": (4096, False),
        "version": 3,
        "stream": None,
    }
    assert (view.ndim, view.size, view.nbytes, view.data_ptr(), str(view.dtype)) == (2, 6, 12, 4096, "float16")
    assert device_array(view).shape == (2, 3)


def test_types_without_a_letter_go_through_dlpack() -> None:
    view = DeviceView(4096, (5,), ew.bfloat16)
    assert not hasattr(view, "__cuda_array_interface__")
    found = device_array(view)
    assert (found.pointer, found.shape, str(found.dtype)) == (4096, (5,), "bfloat16")
    with pytest.raises(BufferError, match="no name"):
        DeviceView(1, (1,), ew.int4).__dlpack__()


def test_no_copies_and_no_other_device() -> None:
    view = DeviceView(4096, (5,), ew.float32, 1)
    assert view.__dlpack__(dl_device=(2, 1), copy=False) is not None
    for wish in ({"copy": True}, {"dl_device": (1, 0)}, {"dl_device": (2, 0)}):
        with pytest.raises(BufferError, match="without a copy"):
            view.__dlpack__(**wish)


@pytest.mark.parametrize("shape", [(), (0, 4), (3, 1, 2)])
def test_capsules_leave_nothing_behind(shape: tuple[int, ...]) -> None:
    before = len(device_views._alive)
    view = DeviceView(4096, shape, ew.int64, 3)
    assert view.__dlpack_device__() == (2, 3)
    capsule = view.__dlpack__(stream=1, max_version=(1, 0))
    assert len(device_views._alive) == before + 1
    del capsule
    gc.collect()
    assert len(device_views._alive) == before


def test_torch_takes_and_frees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(device_views, "_CUDA", 1)  # the host's number, as there may be no GPU
    memory, before = np.arange(6, dtype=np.float32), len(device_views._alive)
    tensor = torch.utils.dlpack.from_dlpack(DeviceView(memory.ctypes.data, (2, 3), ew.float32).__dlpack__())
    tensor += 1
    assert memory.tolist() == [1, 2, 3, 4, 5, 6]
    assert len(device_views._alive) == before + 1
    del tensor
    gc.collect()
    assert len(device_views._alive) == before
