"""Memory of a GPU that other libraries made, seen without copies: `__cuda_array_interface__`, else DLPack."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from enginewright.device.cuda import cuda_context
from enginewright.errors import UsageError
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]
Key = TypeVar("Key")
WORTH_A_COPY = 1 << 16  # bytes
_CUDA = 2  # DLPack's number of the kind of device
DLPACK_TYPES = {
    (0, 8): DataType.INT8, (0, 16): DataType.INT16, (0, 32): DataType.INT32, (0, 64): DataType.INT64,
    (1, 8): DataType.UINT8, (1, 16): DataType.UINT16, (1, 32): DataType.UINT32, (1, 64): DataType.UINT64,
    (2, 16): DataType.FLOAT16, (2, 32): DataType.FLOAT32, (2, 64): DataType.FLOAT64,
    (4, 16): DataType.BFLOAT16, (6, 8): DataType.BOOL,
}  # fmt: skip


@dataclass(frozen=True)
class DeviceArray:
    """Contiguous memory on the GPU: where, shape and type as NumPy tells them, and what keeps it alive."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: Any

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def device_array(source: Any) -> DeviceArray:
    """The memory of a torch, cupy, pycuda, ... array on the GPU; `UsageError` for anything else."""
    interface = getattr(source, "__cuda_array_interface__", None) if _has_interface(source) else None
    if interface is not None:
        dtype = np.dtype(interface["typestr"])
        shape = tuple(map(int, interface["shape"]))
        _check_dense(shape, interface.get("strides"), dtype.itemsize)
        return DeviceArray(int(interface["data"][0] or 0), shape, dtype, source)
    if hasattr(source, "__dlpack__") and source.__dlpack_device__()[0] == _CUDA:
        return _from_dlpack(source)
    raise UsageError(
        f"a {type(source).__name__} is no memory that engines read",
        hint="Give a NumPy array, or an array on the GPU with __cuda_array_interface__ or DLPack.",
    )


def _has_interface(source: Any) -> bool:
    """Whether the array tells its place; torch raises for bfloat16, which the interface can't name."""
    try:
        return hasattr(source, "__cuda_array_interface__")
    except (TypeError, RuntimeError):
        return False


def _check_dense(shape: tuple[int, ...], strides: Any, itemsize: int) -> None:
    """`UsageError` unless the elements lie one behind the other; `strides` in bytes, None: they do."""
    step = itemsize
    for size, stride in zip(shape[::-1], reversed(strides or ()), strict=False):
        if size > 1 and stride != step:
            raise UsageError("the array is not contiguous", hint="Bind a contiguous copy of it.")
        step *= size


class DLTensor(ctypes.Structure):
    """DLPack's description of a tensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


def _from_dlpack(source: Any) -> DeviceArray:
    """The capsule stays ours: it is never consumed, so that it frees the tensor with the array."""
    capsule = source.__dlpack__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    tensor = ctypes.cast(pointer(capsule, b"dltensor"), ctypes.POINTER(DLTensor)).contents
    dtype = DLPACK_TYPES.get((tensor.code, tensor.bits))
    if dtype is None or tensor.lanes != 1:
        raise UsageError(f"DLPack type {tensor.code} of {tensor.bits} bits is not known", hint="Convert the array.")
    shape = tuple(tensor.shape[: tensor.ndim])
    if tensor.strides:
        _check_dense(
            shape, [stride * dtype.numpy.itemsize for stride in tensor.strides[: tensor.ndim]], dtype.numpy.itemsize
        )
    return DeviceArray((tensor.data or 0) + tensor.byte_offset, shape, dtype.numpy, (source, capsule))


@contextmanager
def copies_on_device(arrays: Mapping[Key, Array], target: str) -> Iterator[dict[Key, DeviceArray]]:
    """Copies of large arrays in the memory of the GPU, as long as the block lasts; small ones are left out."""
    large = {key: array for key, array in arrays.items() if array.nbytes >= WORTH_A_COPY}
    if not large:
        yield {}
        return
    with cuda_context(target) as driver:
        # As bytes: bfloat16 has no place in the buffer protocol, which pycuda reads arrays by.
        memory = {key: driver.to_device(array.reshape(-1).view(np.uint8)) for key, array in large.items()}
    try:
        yield {key: DeviceArray(int(memory[key]), array.shape, array.dtype, array) for key, array in large.items()}
    finally:
        with cuda_context(target):
            for piece in memory.values():
                piece.free()


def stream_handle(stream: Any) -> int:
    """The handle of a stream: an integer, or a stream of pycuda, torch or cupy."""
    for name in ("cuda_stream", "handle", "ptr"):
        stream = getattr(stream, name, stream)
    if not isinstance(stream, int):
        raise UsageError(f"a {type(stream).__name__} is no stream", hint="Give a CUDA stream or its handle.")
    return stream
