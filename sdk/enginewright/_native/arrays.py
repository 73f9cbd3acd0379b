"""NumPy arrays as the native library's tensors, and back, without copies except for types of 2 and 4 bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from enginewright._native.library import ffi
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]

SUB_BYTE = frozenset(dtype for dtype in DataType if dtype.bits < 8)
_NUMPY = {int(dtype): dtype.numpy for dtype in DataType}
PACKED = 4
"""The format of a tensor whose bytes a pack kernel wrote."""
_VOID_POINTER = ffi.typeof("void *")
_SUB_BYTE = {dtype.numpy: dtype.bits for dtype in SUB_BYTE}
_TYPES = {dtype.numpy: dtype for dtype in DataType if not dtype.is_object}


def dtype_of(array: Array) -> DataType:
    """The element type; anything without one (texts, objects) is a string tensor."""
    return _TYPES.get(array.dtype, DataType.STRING)


def is_sub_byte(array: Array) -> bool:
    """Whether the native library holds several elements of this array in a byte."""
    return array.dtype in _SUB_BYTE


def address(array: Array) -> Any:
    """The memory of a C-contiguous array as a C pointer; the caller keeps the array alive."""
    try:
        return ffi.from_buffer(array)  # several times faster than the other way
    except (BufferError, ValueError):  # ml_dtypes have no buffers
        return ffi.cast(_VOID_POINTER, array.ctypes.data)


def pack_sub_byte(array: Array) -> npt.NDArray[np.uint8]:
    """Several elements a byte, the first in the lowest bits; the unused bits of a last byte are zero."""
    bits = _SUB_BYTE[array.dtype]
    in_byte = 8 // bits
    flat = np.ascontiguousarray(array).view(np.uint8).reshape(-1) & ((1 << bits) - 1)
    padded = np.zeros(-(-flat.size // in_byte) * in_byte, np.uint8)
    padded[: flat.size] = flat
    shifted = padded.reshape(-1, in_byte) << np.arange(0, 8, bits, dtype=np.uint8)
    packed: npt.NDArray[np.uint8] = np.bitwise_or.reduce(shifted, axis=1)
    return packed


def unpack_sub_byte(packed: npt.NDArray[np.uint8], shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """The array of a 2-bit or 4-bit ml_dtypes type whose bytes `pack_sub_byte` wrote."""
    bits = _SUB_BYTE[dtype]
    parts = packed[:, None] >> np.arange(0, 8, bits, dtype=np.uint8) & np.uint8((1 << bits) - 1)
    flat = parts.reshape(-1)[: math.prod(shape)]
    if DataType.of(dtype).name.startswith("INT"):
        sign = 1 << (bits - 1)
        return ((flat ^ sign).astype(np.int8) - sign).astype(dtype).reshape(shape)
    return flat.view(dtype).reshape(shape).copy()


def view_tensor(tensor: Any, shape: tuple[int, ...] | None = None) -> Array:
    """The memory of a native tensor as an array of its shape (or the given one); a copy for types of 2 and 4 bits."""
    sizes = tuple(tensor.shape[0 : tensor.rank]) if shape is None else shape
    dtype = _NUMPY[tensor.dtype]
    count = math.prod(sizes)
    if count == 0:
        return np.empty(sizes, dtype)
    if dtype in _SUB_BYTE:
        packed = np.frombuffer(ffi.buffer(tensor.data, (count * _SUB_BYTE[dtype] + 7) // 8), np.uint8)
        return unpack_sub_byte(packed, sizes, dtype)
    array: Array = np.frombuffer(ffi.buffer(tensor.data, count * dtype.itemsize), dtype)
    return array.reshape(sizes)


class TensorList:
    """An array of `ew_tensor` for a call outside a plan; it keeps alive what the tensors point to."""

    def __init__(self, arrays: Sequence[Array | None]) -> None:
        self.tensors = ffi.new("ew_tensor[]", max(len(arrays), 1))
        self.count = len(arrays)
        self.packed: dict[int, npt.NDArray[np.uint8]] = {}
        self._kept: list[Any] = [arrays]
        for index, array in enumerate(arrays):
            if array is not None:
                self._fill(index, array)

    def _fill(self, index: int, array: Array) -> None:
        tensor, dtype = self.tensors[index], dtype_of(array)
        memory = array
        if dtype in SUB_BYTE:
            memory = self.packed[index] = pack_sub_byte(array)
        shape = ffi.new("int64_t[]", [*array.shape, 0])
        self._kept += [shape, memory]
        tensor.data = address(memory)
        tensor.shape, tensor.rank, tensor.dtype = shape, array.ndim, int(dtype)

    def use_packed(self, index: int, memory: npt.NDArray[np.uint8]) -> None:
        """Give a tensor, which keeps its shape, the bytes that a pack kernel wrote."""
        self._kept.append(memory)
        self.tensors[index].data = address(memory)
        self.tensors[index].format = PACKED

    def expect_sizes(self, index: int) -> None:
        """Let the kernel fill in the real shape of an output whose array holds upper bounds."""
        sizes = ffi.new("int64_t[]", [*self.tensors[index].shape[0 : self.tensors[index].rank], 0])
        self._kept.append(sizes)
        self.tensors[index].size_out = sizes

    def real_shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor after the call."""
        tensor = self.tensors[index]
        sizes = tensor.size_out if tensor.size_out else tensor.shape
        return tuple(sizes[0 : tensor.rank])
