"""NumPy arrays as the native library's tensors, and back, without copies except for 4-bit types."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from enginewright._native.library import ffi
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]

FOUR_BITS = frozenset({DataType.UINT4, DataType.INT4, DataType.FLOAT4E2M1})
_NUMPY = {int(dtype): dtype.numpy for dtype in DataType}
_VOID_POINTER = ffi.typeof("void *")
_FOUR_BITS = frozenset(dtype.numpy for dtype in FOUR_BITS)
_TYPES = {dtype.numpy: dtype for dtype in DataType if dtype is not DataType.STRING}


def dtype_of(array: Array) -> DataType:
    """The element type; anything without one (texts, objects) is a string tensor."""
    return _TYPES.get(array.dtype, DataType.STRING)


def is_four_bits(array: Array) -> bool:
    """Whether the native library holds two elements of this array in a byte."""
    return array.dtype in _FOUR_BITS


def address(array: Array) -> Any:
    """The memory of a C-contiguous array as a C pointer; the caller keeps the array alive."""
    try:
        return ffi.from_buffer(array)  # several times faster than the other way
    except (BufferError, ValueError):  # ml_dtypes have no buffers
        return ffi.cast(_VOID_POINTER, array.ctypes.data)


def pack_four_bits(array: Array) -> npt.NDArray[np.uint8]:
    """Two elements a byte, the first in the low half; the unused half of a last byte is zero."""
    flat = np.ascontiguousarray(array).view(np.uint8).reshape(-1) & 0xF
    padded = np.zeros(flat.size + flat.size % 2, np.uint8)
    padded[: flat.size] = flat
    return padded[0::2] | padded[1::2] << np.uint8(4)


def unpack_four_bits(packed: npt.NDArray[np.uint8], shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """The array of a 4-bit ml_dtypes type whose bytes `pack_four_bits` wrote."""
    nibbles = np.stack((packed & 0xF, packed >> 4), axis=-1).reshape(-1)[: math.prod(shape)]
    if dtype == DataType.INT4.numpy:
        return (((nibbles ^ 8).astype(np.int8)) - 8).astype(dtype).reshape(shape)
    return nibbles.view(dtype).reshape(shape).copy()


def view_tensor(tensor: Any, shape: tuple[int, ...] | None = None) -> Array:
    """The memory of a native tensor as an array of its shape (or the given one); a copy for 4-bit types."""
    sizes = tuple(tensor.shape[0 : tensor.rank]) if shape is None else shape
    dtype, kind = _NUMPY[tensor.dtype], tensor.dtype
    count = math.prod(sizes)
    if count == 0:
        return np.empty(sizes, dtype)
    if kind in FOUR_BITS:
        packed = np.frombuffer(ffi.buffer(tensor.data, (count + 1) // 2), np.uint8)
        return unpack_four_bits(packed, sizes, dtype)
    array: Array = np.frombuffer(ffi.buffer(tensor.data, count * dtype.itemsize), dtype)
    return array.reshape(sizes)


class TensorList:
    """An array of `ew_tensor` for a call outside a plan; it keeps alive what the tensors point to."""

    def __init__(self, arrays: Sequence[Array | None]) -> None:
        self.tensors = ffi.new("ew_tensor[]", max(len(arrays), 1))
        self.packed: dict[int, npt.NDArray[np.uint8]] = {}
        self._kept: list[Any] = [arrays]
        for index, array in enumerate(arrays):
            if array is not None:
                self._fill(index, array)

    def _fill(self, index: int, array: Array) -> None:
        tensor, dtype = self.tensors[index], dtype_of(array)
        memory = array
        if dtype in FOUR_BITS:
            memory = self.packed[index] = pack_four_bits(array)
        shape = ffi.new("int64_t[]", [*array.shape, 0])
        self._kept += [shape, memory]
        tensor.data = address(memory)
        tensor.shape, tensor.rank, tensor.dtype = shape, array.ndim, int(dtype)

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
