"""A driver that launches nothing and tells what it was asked to, so that the way there is tested without a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright import _native
from enginewright._native.library import ffi, lib
from enginewright._native.python_steps import take_raised
from enginewright.device.device_views import DeviceView


@dataclass
class FakeKernel:
    """A kernel whose launches are kept; `sizes`: bytes of its parameters."""

    symbol: str
    sizes: list[int] | None = None
    launches: list[tuple[tuple[int, ...], list[Any], int]] = field(default_factory=list)

    def parameter_sizes(self) -> list[int] | None:
        return self.sizes

    def launch(self, geometry: Sequence[int], arguments: Sequence[Any], stream: int) -> None:
        self.launches.append((tuple(geometry), [item.value for item in arguments], stream))


@dataclass
class FakeGpu:
    """What the tests look at: kernels by symbol, and whether the stream is captured."""

    kernels: dict[str, FakeKernel] = field(default_factory=dict)
    capturing: bool = False
    waits: list[int] = field(default_factory=list)


def call_on(stream: int, name: str, inputs: Sequence[Any], outputs: Sequence[Any], params: Sequence[Any]) -> None:
    """Call a kernel as a step of a device does."""
    call = ffi.new("ew_call *")
    sources, targets = _native.TensorList(list(inputs)), _native.TensorList(list(outputs))
    call.inputs, call.n_inputs = sources.tensors, len(inputs)
    call.outputs, call.n_outputs = targets.tensors, len(outputs)
    numbers = ffi.new("ew_param[]", max(len(params), 1))
    for index, param in enumerate(params):
        setattr(numbers[index], "f" if isinstance(param, float) else "i", param)
    call.params, call.n_params = numbers, len(params)
    call.stream = ffi.cast("void *", stream)
    workspace = np.zeros(64, np.uint8)
    call.workspace, call.workspace_size = ffi.cast("void *", workspace.ctypes.data), 64
    error = ffi.new("char[]", 1000)
    status = lib.ew_kernel_call(name.encode(), call, 1, error, 1000)
    raised = take_raised()
    if raised is not None:
        raise raised
    assert status == 0, ffi.string(error)


def host_array(view: DeviceView) -> np.ndarray[Any, Any]:
    """The memory of a view, which lies on the host here."""
    data = (ctypes.c_char * view.nbytes).from_address(view.pointer)
    return np.frombuffer(data, view.dtype).reshape(view.shape)
