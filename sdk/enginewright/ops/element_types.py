"""Which element types an operator accepts, and in which type its reference computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from enginewright.errors import DataTypeError
from enginewright.tensors import (
    DataType,
    TensorSpec,
    bfloat16,
    float16,
    float32,
    float64,
    int2,
    int4,
    int8,
    int16,
    int32,
    int64,
    uint2,
    uint4,
    uint8,
    uint16,
    uint32,
    uint64,
)

Array = np.ndarray[Any, Any]

FLOATS = (float16, bfloat16, float32, float64)
FLOAT8S = tuple(dtype for dtype in DataType if dtype.name.startswith("FLOAT8"))
INTEGERS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
WIDE_INTEGERS = (int32, int64, uint32, uint64)
BYTES = (int8, uint8)
QUANTIZED = (int8, uint8, int16, uint16, int4, uint4, int2, uint2, DataType.FLOAT4E2M1, *FLOAT8S)


def check_type(spec: TensorSpec, allowed: Iterable[DataType], what: str) -> DataType:
    """The type of `spec`, which `what` names in the message; `DataTypeError` where it is not allowed."""
    choices = tuple(allowed)
    if spec.dtype not in choices:
        names = ", ".join(str(dtype) for dtype in choices)
        raise DataTypeError(f"{what} is {spec.dtype}", hint=f"Convert it with cast to one of: {names}.")
    return spec.dtype


def check_same_type(*specs: TensorSpec | None) -> DataType:
    """The one type of all specs that are given; `DataTypeError` where they differ."""
    types = [spec.dtype for spec in specs if spec is not None]
    for dtype in types[1:]:
        if dtype != types[0]:
            raise DataTypeError(f"the inputs are {types[0]} and {dtype}", hint="Convert one of them with cast.")
    return types[0]


def widen(array: Array) -> Array:
    """The array in the type that references compute in: 16-bit and smaller floats in float32, others as they are."""
    small = array.dtype.itemsize < 4 and DataType.of(array).is_float
    return array.astype(np.float32) if small else array
