"""Cast and CastLike: elements in another type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from enginewright.dims import Size
from enginewright.errors import DataTypeError, NetworkError
from enginewright.ops.elementwise import Elementwise, check_writable
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import TYPES, Array, cast_array
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    ELEMENT_TYPES,
    DataType,
    TensorSpec,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

ROUND_MODES = ("up", "down", "nearest")


@operator("ew::Cast")
class Cast(Elementwise):
    """x in type `to`.

    Floats lose their fraction when they become integers. A number that is out of range becomes the nearest of the
    type, NaN becomes 0; integers wrap, and so does everything that becomes 2 or 4 bits wide. With `saturate` numbers
    too large for a float8 become its largest, else NaN or infinity. float8e8m0 holds powers of two: `round_mode` ("up",
    "down", "nearest" with ties up) says which one. Strings are read and written as decimal numbers.
    """

    to: DataType
    saturate: bool = True
    round_mode: str = "up"

    def __post_init__(self) -> None:
        """Refuse a rounding that ONNX does not have."""
        if self.round_mode not in ROUND_MODES:
            raise NetworkError(f"round_mode is {self.round_mode!r}", hint=f"Use one of {', '.join(ROUND_MODES)}.")

    @staticmethod
    def sizes(dtype: DataType, x: Size) -> Size | None:
        """Sizes stay what they are in wide types."""
        return x if dtype in (int32, int64, float32, float64, DataType.UINT32, DataType.UINT64) else None

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The same shape."""
        complex_numbers = (DataType.COMPLEX64, DataType.COMPLEX128)
        if (self.to in complex_numbers) != (x.dtype in complex_numbers):
            raise DataTypeError(f"{x.dtype} can't become {self.to}", hint="Cast between complex and real is undefined.")
        result = TensorSpec(DataType(self.to), x.shape)
        return self.known(result, (x,)) if self.to in TYPES and x.dtype in TYPES else result

    def reference(self, x: Array) -> Array:
        """By NumPy and ml_dtypes, with the rules above."""
        with np.errstate(all="ignore"):
            if DataType.of(x) in TYPES and self.to in TYPES:
                return cast_array(x, self.to)
            return self._cast_rare(x)

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        check_writable(x.dtype, self.to)
        return p.cast(x, self.to)

    def _cast_rare(self, x: Array) -> Array:
        if self.to == DataType.STRING:
            return np.vectorize(_text, otypes=[object])(x) if x.size else x.astype(object)
        if x.dtype == object:
            numbers = np.array([float(text) for text in x.reshape(-1)], np.float64).reshape(x.shape)
            exact = numbers if self.to.is_float else np.array([int(float(t)) for t in x.reshape(-1)]).reshape(x.shape)
            return self.reference(exact)
        if self.to.is_integer and self.to.bits < 8:
            return _narrow_integers(x, self.to)
        if self.to == DataType.FLOAT8E8M0:
            return _powers_of_two(x.astype(np.float64), self.round_mode, self.saturate)
        if self.to.name.startswith("FLOAT8") and self.saturate:
            largest = float(ml_dtypes.finfo(self.to.numpy).max)  # type: ignore[no-untyped-call]
            x = np.clip(x.astype(np.float32), -largest, largest)
        return x.astype(np.float32).astype(self.to.numpy) if self.to.is_float else x.astype(self.to.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[Cast, list[TensorSpec | Array]]]:
        """Between all main types; numbers out of range."""
        kinds = (float32, float64, float16, bfloat16, int32, int64, int8, DataType.UINT8, bool_)
        for source in kinds:
            for to in kinds:
                yield Cast(to), [TensorSpec(source, (3, 23))]
        odd = np.array([1e10, -1e10, np.nan, np.inf, -np.inf, 2.5, -2.5, 300, 0.0, 3e38], np.float32)
        for to in (int32, int64, int8, DataType.UINT8, DataType.UINT64, bool_, float16):
            yield Cast(to), [odd]
        yield Cast(DataType.FLOAT8E4M3FN), [TensorSpec(float32, (5,))]
        yield Cast(float32), [TensorSpec(DataType.FLOAT8E5M2, (5,))]
        for to in (DataType.INT4, DataType.UINT4, DataType.INT2, DataType.UINT2):
            yield Cast(to), [TensorSpec(float32, (6,))]
            yield Cast(float32), [TensorSpec(to, (7,))]
        scales = np.array([0.0, 1e-40, 1.0, 1.4, 1.5, 3.9, 2e38, np.inf, np.nan], np.float32)
        for mode in ROUND_MODES:
            yield Cast(DataType.FLOAT8E8M0, True, mode), [scales]
            yield Cast(DataType.FLOAT8E8M0, False, mode), [scales]
        yield Cast(float32), [TensorSpec(DataType.FLOAT8E8M0, (5,))]


def _narrow_integers(x: Array, to: DataType) -> Array:
    """The lowest bits of each number."""
    whole = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)).astype(np.int64)
    codes = whole & ((1 << to.bits) - 1)
    negative = (codes >> (to.bits - 1) == 1) & to.name.startswith("INT")
    return (codes - (negative << to.bits)).astype(np.int8).astype(to.numpy)


def _powers_of_two(x: Array, round_mode: str, saturate: bool) -> Array:
    """Numbers in float8e8m0 (OCP Microscaling Formats 1.0): 2 to the code less 127; code 255 is NaN."""
    fraction, exponent = np.frexp(x)  # x = fraction * 2**exponent, fraction in [0.5, 1)
    raised = {"up": fraction > 0.5, "down": np.zeros(x.shape, bool), "nearest": fraction >= 0.75}[round_mode]
    codes = np.where(x == 0, -1, exponent - 1 + raised + 127)
    codes = np.where(np.isposinf(x), 255, codes)
    outside = (codes < 0) | (codes > 254)
    codes = np.clip(codes, 0, 254) if saturate else np.where(outside, 255, codes)
    return np.where(np.isnan(x) | (x < 0), 255, codes).astype(np.uint8).view(DataType.FLOAT8E8M0.numpy)


def _text(number: Any) -> str:
    return str(number.item() if isinstance(number, np.bool_ | np.integer) else number)


def _rounding(node: OnnxNode) -> tuple[bool, str]:
    return bool(node.integer("saturate", 1)), node.text("round_mode", "up")


@onnx_rule("ai.onnx::Cast", since=1)
def cast(net: Network, node: OnnxNode) -> Tensor:
    """`to` is a number of the enumeration of types."""
    to = node.integer("to")
    if to not in ELEMENT_TYPES:
        raise NotSupported(f"element type {to} is not known")
    return net.add(Cast(DataType(to), *_rounding(node)), node.input(0))[0]


@onnx_rule("ai.onnx::CastLike", since=15)
def cast_like(net: Network, node: OnnxNode) -> Tensor:
    """The type of another tensor."""
    return net.add(Cast(node.input(1).dtype, *_rounding(node)), node.input(0))[0]
