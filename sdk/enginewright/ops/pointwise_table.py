"""The operations that pointwise programs are made of: number, operands, types, and what each computes in NumPy.

native/cpu/pointwise.h lists the same names in the same order; a test compares them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]
FLOATS = (DataType.FLOAT32, DataType.FLOAT64, DataType.FLOAT16, DataType.BFLOAT16)
HALVES = (DataType.FLOAT16, DataType.BFLOAT16)
INTEGERS = tuple(DataType[f"{sign}INT{bits}"] for bits in (8, 16, 32, 64) for sign in ("", "U"))
TYPES = (*FLOATS, *INTEGERS, DataType.BOOL)
"""The types of values in a program."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `exact` ones are computed in the operands' type, others in float64 and rounded once."""

    name: str
    arity: int
    kinds: str
    function: Callable[..., Any]
    exact: bool = True
    gives_bool: bool = False

    def allows(self, dtype: DataType) -> bool:
        """Whether operands may have this type; kinds: f float, i integer, b bool."""
        kind = "f" if dtype in FLOATS else "i" if dtype in INTEGERS else "b" if dtype == DataType.BOOL else "?"
        return kind in self.kinds


def divide(a: Array, b: Array) -> Any:
    """a / b; of integers rounded toward zero, 0 where b is 0."""
    if a.dtype.kind == "f":
        return a / b
    quotient = np.floor_divide(a, b)
    return np.where(b == 0, 0, quotient + ((a % b != 0) & ((a < 0) != (b < 0))).astype(a.dtype)).astype(a.dtype)


def power(a: Array, b: Array) -> Any:
    """a ** b; of integers wrapped, a negative exponent truncated toward zero."""
    if a.dtype.kind == "f":  # a whole array of exponents: for a single one NumPy takes short cuts, as sqrt for 0.5
        return np.power(a, np.array(np.broadcast_to(b, np.broadcast_shapes(a.shape, b.shape))))
    powers = np.power(a, np.maximum(b, 0))
    inverse = np.where(a == 1, 1, np.where((a.astype(np.int64) == -1), np.where(b % 2 == 0, 1, -1), 0))
    return np.where(b < 0, inverse.astype(a.dtype), powers).astype(a.dtype)


def shift_left(a: Array, b: Array) -> Any:
    """a << b; 0 where b is negative or not below the width."""
    width = a.dtype.itemsize * 8
    return np.where((b >= 0) & (b < width), a << (b % width), 0).astype(a.dtype)


def shift_right(a: Array, b: Array) -> Any:
    """a >> b, copies of the sign coming in; nothing but the sign where b is negative or not below the width."""
    width = a.dtype.itemsize * 8
    return np.where((b >= 0) & (b < width), a >> (b % width), -(a < 0).astype(a.dtype)).astype(a.dtype)


def erf(x: Array) -> Any:
    """The error function."""
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def sigmoid(x: Array) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


def gelu(x: Array) -> Any:
    """x times the normal distribution's cumulative function."""
    return 0.5 * x * np.vectorize(math.erfc, otypes=[np.float64])(x * -math.sqrt(0.5))


def gelu_tanh(x: Array) -> Any:
    """The usual approximation of gelu."""
    return x * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x * x * x))


def _unary(name: str, function: Callable[..., Any], kinds: str = "f", exact: bool = False) -> Operation:
    return Operation(name, 1, kinds, function, exact)


def _binary(name: str, function: Callable[..., Any], kinds: str = "fi", exact: bool = True) -> Operation:
    return Operation(name, 2, kinds, function, exact)


OPERATIONS: tuple[Operation, ...] = (
    Operation("constant", 0, "fib", np.asarray),
    Operation("cast", 1, "fib", np.asarray),
    _binary("add", np.add),
    _binary("sub", np.subtract),
    _binary("mul", np.multiply),
    _binary("div", divide),
    _binary("mod", np.mod),
    _binary("fmod", np.fmod),
    _binary("pow", power, exact=False),
    _binary("min", np.minimum, "fib"),
    _binary("max", np.maximum, "fib"),
    _unary("neg", np.negative, "fi", exact=True),
    _unary("abs", np.abs, "fi", exact=True),
    _unary("sign", np.sign, "fi", exact=True),
    _unary("floor", np.floor, exact=True),
    _unary("ceil", np.ceil, exact=True),
    _unary("round", np.rint, exact=True),
    _unary("sqrt", np.sqrt, exact=True),
    _unary("reciprocal", lambda x: 1 / x, exact=True),
    _unary("exp", np.exp),
    _unary("log", np.log),
    _unary("erf", erf),
    _unary("sin", np.sin),
    _unary("cos", np.cos),
    _unary("tan", np.tan),
    _unary("asin", np.arcsin),
    _unary("acos", np.arccos),
    _unary("atan", np.arctan),
    _unary("sinh", np.sinh),
    _unary("cosh", np.cosh),
    _unary("tanh", np.tanh),
    _unary("asinh", np.arcsinh),
    _unary("acosh", np.arccosh),
    _unary("atanh", np.arctanh),
    _unary("sigmoid", sigmoid),
    _unary("silu", lambda x: x * sigmoid(x)),
    _unary("gelu", gelu),
    _unary("gelu_tanh", gelu_tanh),
    _unary("softplus", lambda x: np.logaddexp(0.0, x)),
    Operation("is_nan", 1, "f", np.isnan, gives_bool=True),
    Operation("bit_not", 1, "ib", np.invert),
    _binary("bit_and", np.bitwise_and, "ib"),
    _binary("bit_or", np.bitwise_or, "ib"),
    _binary("bit_xor", np.bitwise_xor, "ib"),
    _binary("shift_left", shift_left, "i"),
    _binary("shift_right", shift_right, "i"),
    Operation("equal", 2, "fib", np.equal, gives_bool=True),
    Operation("less", 2, "fi", np.less, gives_bool=True),
    Operation("less_equal", 2, "fi", np.less_equal, gives_bool=True),
    Operation("where", 3, "fib", np.where),
)
OPCODES: tuple[str, ...] = tuple(operation.name for operation in OPERATIONS)
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def execute(opcode: str, dtype: DataType, args: Sequence[Array], immediate: int | float) -> Array:
    """Compute one instruction whose result has this type."""
    if opcode == "constant":
        return np.array(immediate, dtype=dtype.numpy)
    if opcode == "cast":
        return cast_array(args[0], dtype)
    operation = BY_NAME[opcode]
    wide = [_widen(arg, operation.exact) for arg in args]
    return cast_array(np.asarray(operation.function(*wide)), dtype)


def cast_array(array: Array, dtype: DataType) -> Array:
    """The elements in another type; see this room's rule for numbers that the type does not have."""
    if DataType.of(array) == dtype:
        return array
    with np.errstate(all="ignore"):
        return _cast(array, dtype)


def _cast(array: Array, dtype: DataType) -> Array:
    if dtype == DataType.BOOL:
        return np.asarray(array != 0)
    if dtype in HALVES:
        return array.astype(np.float32).astype(dtype.numpy)
    if dtype in INTEGERS and array.dtype.kind not in "iub":
        return _saturate(array.astype(np.float64), dtype.numpy)
    return array.astype(dtype.numpy)


def _widen(array: Array, exact: bool) -> Array:
    """Operands as they are computed with: halves in float32, and float64 for what is not exact."""
    if array.dtype.kind in "iub" or array.dtype == np.float64:
        return array
    return array.astype(np.float32 if exact else np.float64)


def _saturate(array: Array, dtype: np.dtype[Any]) -> Array:
    limits = np.iinfo(dtype)
    inside = np.trunc(np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0))
    fits = (inside >= float(limits.min)) & (inside < float(limits.max) + (1 if limits.bits < 64 else 0))
    result = np.where(fits, inside, 0.0).astype(dtype)
    return np.where(array >= float(limits.max), limits.max, np.where(array < float(limits.min), limits.min, result))
