"""What a tensor is before it has data: its data type, its shape of known and symbolic sizes, and known contents.

Sequences and optionals travel through a network as tensors without axes, of types of their own.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from enginewright.dims import Dim, Size, dim_broadcast, product
from enginewright.errors import DataTypeError, ShapeError

Shape: TypeAlias = tuple[Size, ...]
Value: TypeAlias = tuple["Size | float", ...]
MAX_RANK = 8
MAX_VALUE_ELEMENTS = 1024
"""Contents of constants up to this many elements are visible to shape rules."""


class DataType(enum.IntEnum):
    """Element types; the numbers are those of ONNX's TensorProto.DataType and of the C header.

    SEQUENCE and OPTIONAL, which are no element types, have numbers that ONNX gives to none.
    """

    FLOAT32 = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    FLOAT64 = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22
    FLOAT4E2M1 = 23
    FLOAT8E8M0 = 24
    UINT2 = 25
    INT2 = 26
    SEQUENCE = -1
    OPTIONAL = -2

    @property
    def is_container(self) -> bool:
        """A sequence or an optional: a Python list, of an optional with at most one item."""
        return self < 0

    @property
    def is_object(self) -> bool:
        """Texts, sequences, optionals: Python objects, in slots beside the memory of a context."""
        return self < 0 or self is DataType.STRING

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type of its arrays; bfloat16, float8 and smaller integers come from ml_dtypes."""
        return _NUMPY[self]

    @property
    def bits(self) -> int:
        """Bits that one element takes in memory of ours: 4 for int4, uint4 and float4, 2 for int2 and uint2."""
        return _SUB_BYTE.get(self) or self.numpy.itemsize * 8

    @property
    def is_float(self) -> bool:
        """Floating point, of any width."""
        return self.name.startswith(("FLOAT", "BFLOAT"))

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned integer; bool is none."""
        return self.name.startswith(("INT", "UINT"))

    @staticmethod
    def of(dtype: Any) -> DataType:
        """The type of a NumPy array's or dtype's elements; `DataTypeError` where there is none."""
        kind = dtype.dtype if isinstance(dtype, np.ndarray | np.generic) else np.dtype(dtype)
        found = _FROM_NUMPY.get(kind)
        if found is None:
            if kind.kind in "UST":
                return DataType.STRING
            raise DataTypeError(f"arrays of type {kind} are not supported", hint="Convert with array.astype(...).")
        return found

    def __str__(self) -> str:
        return self.name.lower()


_NUMPY: dict[DataType, np.dtype[Any]] = {
    DataType.STRING: np.dtype(object),
    DataType.SEQUENCE: np.dtype(object),
    DataType.OPTIONAL: np.dtype(object),
    DataType.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    DataType.FLOAT8E4M3FN: np.dtype(ml_dtypes.float8_e4m3fn),
    DataType.FLOAT8E4M3FNUZ: np.dtype(ml_dtypes.float8_e4m3fnuz),
    DataType.FLOAT8E5M2: np.dtype(ml_dtypes.float8_e5m2),
    DataType.FLOAT8E5M2FNUZ: np.dtype(ml_dtypes.float8_e5m2fnuz),
    DataType.UINT4: np.dtype(ml_dtypes.uint4),
    DataType.INT4: np.dtype(ml_dtypes.int4),
    DataType.FLOAT4E2M1: np.dtype(ml_dtypes.float4_e2m1fn),
    DataType.FLOAT8E8M0: np.dtype(ml_dtypes.float8_e8m0fnu),
    DataType.UINT2: np.dtype(ml_dtypes.uint2),
    DataType.INT2: np.dtype(ml_dtypes.int2),
}
_SUB_BYTE = {DataType.UINT4: 4, DataType.INT4: 4, DataType.FLOAT4E2M1: 4, DataType.UINT2: 2, DataType.INT2: 2}
_NUMPY |= {dtype: np.dtype(dtype.name.lower()) for dtype in DataType if dtype not in _NUMPY}
_FROM_NUMPY = {numpy: dtype for dtype, numpy in _NUMPY.items() if not dtype.is_container}
ELEMENT_TYPES = frozenset(dtype for dtype in DataType if not dtype.is_container)
"""What the elements of a tensor can be."""

float16, float32, float64 = DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64
bfloat16, bool_, string = DataType.BFLOAT16, DataType.BOOL, DataType.STRING
int2, uint2 = DataType.INT2, DataType.UINT2
int4, int8, int16, int32, int64 = DataType.INT4, DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64
uint4, uint8, uint16, uint32, uint64 = (
    DataType.UINT4,
    DataType.UINT8,
    DataType.UINT16,
    DataType.UINT32,
    DataType.UINT64,
)
complex64, complex128 = DataType.COMPLEX64, DataType.COMPLEX128


def as_objects(found: Any) -> Any:
    """Texts of any NumPy kind, or a bare one, as an array of str objects; anything else as it is."""
    is_text = isinstance(found, str) or (isinstance(found, np.ndarray) and found.dtype.kind in "UT")
    return np.asarray(found, object) if is_text else found


@dataclass(frozen=True)
class ItemSpec:
    """What a sequence or an optional holds: the type of each item, and its sizes, None where they vary.

    `shape` is None where even the number of axes varies. `items`: what an item holds, if it is a sequence itself.
    `empty`: it holds nothing, so any shape may join.
    """

    dtype: DataType
    shape: tuple[int | None, ...] | None = None
    items: ItemSpec | None = None
    empty: bool = False

    @staticmethod
    def of(spec: TensorSpec) -> ItemSpec:
        """Items like this tensor; of its sizes those that are numbers."""
        return ItemSpec(spec.dtype, tuple(size if isinstance(size, int) else None for size in spec.shape), spec.items)

    def join(self, other: ItemSpec) -> ItemSpec:
        """What holds items of both; `DataTypeError` where their types differ."""
        if self.dtype != other.dtype:
            raise DataTypeError(f"a sequence of {self.dtype} takes no {other.dtype}", hint="Cast the tensor first.")
        if self.empty or other.empty:
            return other if self.empty else self
        items = self.items.join(other.items) if self.items and other.items else None
        if self.shape is None or other.shape is None or len(self.shape) != len(other.shape):
            return ItemSpec(self.dtype, None, items)
        pairs = zip(self.shape, other.shape, strict=True)
        return ItemSpec(self.dtype, tuple(a if a == b else None for a, b in pairs), items)

    def spec(self) -> TensorSpec:
        """One of the items as a tensor; `ShapeError` where its number of axes is not known."""
        if self.shape is None:
            raise ShapeError(
                f"the items of the sequence are {self.dtype} of different numbers of axes, or of unknown ones",
                hint="State the shape of the items in the type of the sequence; single sizes may be free.",
            )
        return TensorSpec(
            self.dtype, tuple(Dim.data() if size is None else size for size in self.shape), items=self.items
        )

    def __str__(self) -> str:
        if self.items is not None:
            return f"{self.dtype} of {self.items}"
        shape = "..." if self.shape is None else ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype}[{shape}]"


@dataclass(frozen=True)
class TensorSpec:
    """Data type and shape of a tensor, and its contents where they are known.

    `shape` holds an ``int`` or a `Dim` for each axis. `value` holds the flattened contents of a small tensor:
    numbers of a constant, or sizes that shape arithmetic gave. `constant`: its data is known when building, so that a
    tactic may pack it. `uid` tells the tensors of one network apart. `items`: what a sequence or an optional, which has
    no axes, holds.
    """

    dtype: DataType
    shape: Shape = ()
    value: Value | None = None
    uid: int = field(default=-1, compare=False)
    constant: bool = field(default=False, compare=False)
    items: ItemSpec | None = None

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @cached_property
    def size(self) -> Size:
        """Number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> Size:
        """Bytes of a dense array; two int4 or four int2 share one."""
        return (self.size * self.dtype.bits + 7) // 8

    def with_shape(self, *shape: Size) -> TensorSpec:
        """A tensor of the same type and another shape, contents unknown."""
        return TensorSpec(self.dtype, shape)

    def with_dtype(self, dtype: DataType) -> TensorSpec:
        """A tensor of the same shape and another type, contents unknown."""
        return TensorSpec(dtype, self.shape)

    def elements(self) -> tuple[Size, ...] | None:
        """The contents as sizes: known ones, or reads at run time if the number of elements is known; else None."""
        if self.value is not None:
            return tuple(v if isinstance(v, Dim) else int(v) for v in self.value)
        if not isinstance(self.size, int) or self.uid < 0 or self.size > MAX_VALUE_ELEMENTS:
            return None
        return tuple(Dim.value(self, index) for index in range(self.size))

    def constants(self) -> tuple[int, ...] | None:
        """The contents as plain integers, or None where one of them is not known before run time."""
        if self.value is None or any(isinstance(v, Dim) for v in self.value):
            return None
        return tuple(int(v) for v in self.value if not isinstance(v, Dim))

    def numbers(self) -> tuple[float, ...] | None:
        """The contents as floats, or None where one of them is not known before run time."""
        if self.value is None or any(isinstance(v, Dim) for v in self.value):
            return None
        return tuple(float(v) for v in self.value if not isinstance(v, Dim))

    def problem(self) -> str:
        """What is wrong with a spec that a plugin made: its types are not what they are declared as; "" if nothing."""
        dtype: Any = self.dtype
        shape: Any = self.shape
        if not isinstance(dtype, DataType):
            return f"the data type {dtype!r}, which is no ew.DataType"
        if not isinstance(shape, tuple):
            return f"the shape {shape!r}, which is no tuple"
        wrong = [size for size in shape if isinstance(size, bool) or not isinstance(size, int | Dim)]
        return f"the size {wrong[0]!r} of type {type(wrong[0]).__name__}" if wrong else ""

    def __str__(self) -> str:
        if self.items is not None:
            return f"{self.dtype} of {self.items}"
        return f"{self.dtype}[{', '.join(str(size) for size in self.shape)}]"


def normalize_axis(axis: int, rank: int) -> int:
    """An axis counted from the front; `ShapeError` where the tensor has no such axis."""
    if not -rank <= axis < max(rank, 1):
        raise ShapeError(f"axis {axis} is outside a tensor of rank {rank}", hint=f"Use -{rank} to {rank - 1}.")
    return axis % rank if rank else 0


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape of tensors broadcast together, as in NumPy; sizes that must agree are recorded as checks."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Size] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, start=rank - len(shape)):
            result[axis] = dim_broadcast(result[axis], size)
    return tuple(result)
