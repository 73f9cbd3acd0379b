"""The kernels of the native library: which there are, and how to call one by itself."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from enginewright._native.arrays import Array, TensorList, address, unpack_sub_byte
from enginewright._native.library import OK, PYTHON, error_of, ffi, lib
from enginewright._native.log import drain_log
from enginewright._native.python_steps import take_raised
from enginewright.errors import PluginConflict, UsageError

_ERROR_SIZE = 2000
_READ_ANYWHERE = ("cpu_pack_gemm_b_f32", "cpu_pack_gemm_b_bf16")
"""Kernels whose inputs may begin at any address, as weights in a model's file do: large ones need no copy."""
_FEATURES = {
    "portable": ("sse4_2",),
    "avx2": ("avx", "avx2", "f16c", "fma"),
    "avx512": (
        "avx", "avx2", "avx512_bf16", "avx512_vnni", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl", "f16c",
        "fma",
    ),
}  # fmt: skip


@functools.cache
def isas() -> tuple[str, ...]:
    """The instruction sets that this library was built for and this machine has, the best first."""
    return tuple(ffi.string(lib.ew_isas()).decode().split())


def isa_features(isa: str) -> tuple[str, ...]:
    """The CPU features that kernels of an instruction set need, by their names in /proc/cpuinfo."""
    return _FEATURES.get(isa, ())


def kernel_names() -> tuple[str, ...]:
    """The exact names of all kernels that can run on this machine."""
    return tuple(ffi.string(lib.ew_kernel_at(i).name).decode() for i in range(lib.ew_kernel_count()))


def find_kernel(name: str) -> bool:
    """Whether a kernel of exactly this name can run on this machine."""
    return bool(lib.ew_kernel_find(name.encode()))


def add_kernel(name: str, address: int) -> None:
    """Sign in a C function `int32_t run(const ew_call *)` made elsewhere, by its address."""
    if lib.ew_kernel_add(name.encode(), ffi.cast("int32_t(*)(const ew_call *)", address)) != OK:
        raise PluginConflict(f"another function has the kernel name {name}", hint="Give each kernel a name of its own.")


def call_kernel(
    name: str,
    inputs: Sequence[Array | None],
    outputs: Sequence[Array],
    params: Sequence[int | float] = (),
    *,
    workspace_bytes: int = 0,
    threads: int = 0,
    sized: Collection[int] = (),
) -> tuple[tuple[int, ...], ...]:
    """Run one kernel outside any plan, writing into `outputs`, and return the shapes of the outputs.

    Arrays that are not C-contiguous and aligned are copied for the call if they are inputs; outputs are refused.
    Outputs in `sized` hold upper bounds: the kernel says how much of them it wrote.
    """
    for array in outputs:
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise UsageError(f"an output of {name} is not a writable C-contiguous array", hint="Use numpy.empty.")
    anywhere = name.partition("@")[0] in _READ_ANYWHERE
    sources = TensorList([None if array is None else _readable(array, anywhere=anywhere) for array in inputs])
    targets = TensorList(outputs)
    for index in sized:
        targets.expect_sizes(index)
    memory = np.empty(workspace_bytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    call_in_place(name, sources, targets, params, memory[start : start + workspace_bytes], threads=threads)
    for index, packed in targets.packed.items():
        outputs[index][...] = unpack_sub_byte(packed, outputs[index].shape, outputs[index].dtype)
    return tuple(targets.real_shape(index) for index in range(len(outputs)))


def _readable(array: Array, *, anywhere: bool) -> Array:
    return np.require(array, requirements=["C"] if anywhere else ["C", "A"])


def call_in_place(
    name: str,
    sources: TensorList,
    targets: TensorList,
    params: Sequence[int | float],
    workspace: Array,
    *,
    threads: int = 0,
) -> None:
    """Run one kernel outside any plan on exactly this memory; `workspace` holds bytes."""
    call = ffi.new("ew_call *")
    numbers = _params(params)
    call.inputs, call.n_inputs = sources.tensors, sources.count
    call.outputs, call.n_outputs = targets.tensors, targets.count
    call.params, call.n_params = numbers, len(params)
    call.workspace = address(workspace)
    call.workspace_size = workspace.nbytes
    _run(name, call, threads)


def _params(params: Sequence[int | float]) -> Any:
    numbers = ffi.new("ew_param[]", max(len(params), 1))
    for index, param in enumerate(params):
        if isinstance(param, float):
            numbers[index].f = param
        else:
            numbers[index].i = int(param)
    return numbers


def _run(name: str, call: Any, threads: int) -> None:
    error = ffi.new("char[]", _ERROR_SIZE)
    status = lib.ew_kernel_call(name.encode(), call, threads, error, _ERROR_SIZE)
    drain_log()
    if status == OK:
        return
    raised = take_raised()
    if status == PYTHON and raised is not None:
        raise raised
    raise error_of(status, f"{name}: {ffi.string(error).decode(errors='replace')}")
