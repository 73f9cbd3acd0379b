"""The one door to native code: the C library, its ABI check, its errors as exceptions, and arrays as its tensors."""

from enginewright._native.arrays import TensorList, is_sub_byte, pack_sub_byte
from enginewright._native.devices import CUDA_LIBRARY, add_device, device_library
from enginewright._native.kernels import (
    add_kernel,
    call_in_place,
    call_kernel,
    find_kernel,
    isa_features,
    isas,
    kernel_names,
)
from enginewright._native.library import ABI
from enginewright._native.log import drain_log
from enginewright._native.model import Context, Model, pack_strings
from enginewright._native.python_kernels import CallTensor, KernelCall, add_python_kernel
from enginewright._native.python_steps import PythonStep, add_python_step, remove_python_step
from enginewright._native.records import Ends, Records, read_records

__all__ = [
    "ABI",
    "CUDA_LIBRARY",
    "CallTensor",
    "Context",
    "Ends",
    "KernelCall",
    "Model",
    "PythonStep",
    "Records",
    "TensorList",
    "add_device",
    "add_kernel",
    "add_python_kernel",
    "add_python_step",
    "call_in_place",
    "call_kernel",
    "device_library",
    "drain_log",
    "find_kernel",
    "is_sub_byte",
    "isa_features",
    "isas",
    "kernel_names",
    "pack_strings",
    "pack_sub_byte",
    "read_records",
    "remove_python_step",
]
