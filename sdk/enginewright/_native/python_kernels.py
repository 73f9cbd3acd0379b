"""Kernels of devices whose work a Python function queues: called for each new set of sizes, not for each inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from enginewright._native.kernels import add_kernel
from enginewright._native.library import OK, ffi
from enginewright._native.python_steps import raised_in
from enginewright.tensors import DataType


@dataclass(frozen=True, slots=True)
class CallTensor:
    """A tensor of a call: where it lies (0: empty), its shape and type."""

    pointer: int
    shape: tuple[int, ...]
    dtype: DataType
    device: int


@dataclass(frozen=True, slots=True)
class KernelCall:
    """What a kernel is called with; a missing optional input is None, each param the bits of an int64 or a double."""

    inputs: tuple[CallTensor | None, ...]
    outputs: tuple[CallTensor | None, ...]
    params: tuple[int, ...]
    workspace: int
    workspace_bytes: int
    stream: int


PythonKernel = Callable[[KernelCall], None]
_kernels: dict[str, PythonKernel] = {}
_callbacks: list[Any] = []  # never freed: native code may call them until the process ends


def add_python_kernel(name: str, run: PythonKernel) -> None:
    """Sign in a function as a kernel; under a name that is known already, it takes the place of the former one."""
    is_new = name not in _kernels
    _kernels[name] = run
    if is_new:
        callback = ffi.callback("int32_t(*)(const ew_call *)", lambda call: _run(name, call))
        _callbacks.append(callback)
        add_kernel(name, int(ffi.cast("intptr_t", callback)))


def _run(name: str, call: Any) -> int:
    try:
        _kernels[name](_described(call))
    except BaseException as error:  # noqa: BLE001  it is raised again as soon as native code has returned
        return raised_in(call, error)
    return OK


def _described(call: Any) -> KernelCall:
    return KernelCall(
        inputs=tuple(_tensor(call.inputs[i]) for i in range(call.n_inputs)),
        outputs=tuple(_tensor(call.outputs[i]) for i in range(call.n_outputs)),
        params=tuple(call.params[i].i for i in range(call.n_params)),
        workspace=_address(call.workspace),
        workspace_bytes=call.workspace_size,
        stream=_address(call.stream),
    )


def _tensor(tensor: Any) -> CallTensor | None:
    if tensor.dtype == 0:
        return None
    shape = tuple(tensor.shape[0 : tensor.rank])
    return CallTensor(_address(tensor.data), shape, DataType(tensor.dtype), tensor.device)


def _address(pointer: Any) -> int:
    return int(ffi.cast("intptr_t", pointer))
