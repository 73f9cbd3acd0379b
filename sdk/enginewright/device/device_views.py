"""Memory of an engine on the GPU, as functions of plugins see it, without copies."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.device.memory import DLPACK_TYPES, DLTensor
from enginewright.tensors import DataType

_CUDA = 2  # DLPack's number of the kind of device
_CODES = {dtype: code for code, dtype in DLPACK_TYPES.items()}
_NAME = b"dltensor"


@dataclass(frozen=True)
class DeviceView:
    """An array on the GPU, valid while the function runs that got it.

    `cupy.asarray`, `torch.from_dlpack` and kernels of Triton take it. `dtype` is NumPy's.
    """

    pointer: int
    shape: tuple[int, ...]
    kind: DataType
    device: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements, as NumPy has it."""
        return self.kind.numpy

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address, as torch's tensors tell it."""
        return self.pointer

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3, no stream: everything is queued on the one that the function got.

        AttributeError for types that NumPy has no letters for, such as bfloat16: use DLPack.
        """
        if self.dtype.kind not in "biuf":
            raise AttributeError(f"__cuda_array_interface__ has no name for {self.kind}; use DLPack")
        data = (self.pointer, False)
        return {"shape": self.shape, "typestr": self.dtype.str, "data": data, "version": 3, "stream": None}

    def __dlpack_device__(self) -> tuple[int, int]:
        """The GPU."""
        return _CUDA, self.device

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule with the memory; all is queued on the one stream, so a wish for another needs no event.

        BufferError for a copy, and for another device: both would have to be waited for.
        """
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("an array of an engine is handed on where it is, without a copy")
        if self.kind not in _CODES:
            raise BufferError(f"DLPack has no name for {self.kind}")
        managed = _Managed(self)
        _alive[ctypes.addressof(managed.record)] = managed
        return _new_capsule(ctypes.byref(managed.record), _NAME, _free_capsule)


class _Record(ctypes.Structure):
    """DLManagedTensor."""


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Record._fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]
_alive: dict[int, _Managed] = {}  # until the library that took a capsule, or the capsule itself, is done with it


class _Managed:
    """What a capsule points to."""

    def __init__(self, view: DeviceView) -> None:
        code, bits = _CODES[view.kind]
        self.shape = (ctypes.c_int64 * max(view.ndim, 1))(*view.shape)
        self.record = _Record()
        tensor = self.record.tensor
        tensor.data, tensor.device_type, tensor.device_id = view.pointer, _CUDA, view.device
        tensor.ndim, tensor.code, tensor.bits, tensor.lanes = view.ndim, code, bits, 1
        tensor.shape = ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64))
        self.record.deleter = _free_record


@_Deleter  # type: ignore[untyped-decorator, unused-ignore]
def _free_record(address: int) -> None:
    _alive.pop(address, None)


@_Deleter  # type: ignore[untyped-decorator, unused-ignore]
def _free_capsule(capsule: int) -> None:
    """Of a capsule that nobody took: whoever takes one gives it another name."""
    if _is_valid(capsule, _NAME):
        _alive.pop(_pointer_of(capsule, _NAME), None)


_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Deleter)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
