"""Comparisons, which give bool: equal, less, greater, and tests for NaN and infinity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from enginewright.dims import Size, dim_equal, dim_less
from enginewright.ops.elementwise import NUMBERS, Binary, Unary, check_writable, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import TYPES, Array
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, bool_


@operator("ew::Equal")
class Equal(Binary):
    """Whether a is b, broadcast; strings too."""

    TYPES = (*TYPES, DataType.STRING)
    RESULT = bool_

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """0 or 1."""
        return dim_equal(a, b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        check_writable(a.dtype)
        return p.apply("equal", a, b)

    def reference(self, a: Array, b: Array) -> Array:
        """The program, or Python's equality of strings."""
        return np.asarray(a == b, dtype=bool) if a.dtype == object else self.compute(a, b)


@operator("ew::Less")
class Less(Binary):
    """Whether a < b, broadcast."""

    TYPES = NUMBERS
    RESULT = bool_

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """0 or 1."""
        return dim_less(a, b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("less", a, b)


@operator("ew::Greater")
class Greater(Binary):
    """Whether a > b, broadcast."""

    TYPES = NUMBERS
    RESULT = bool_

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """0 or 1."""
        return dim_less(b, a)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """The operands exchanged."""
        return p.apply("less", b, a)


@operator("ew::LessOrEqual")
class LessOrEqual(Binary):
    """Whether a <= b, broadcast."""

    TYPES = NUMBERS
    RESULT = bool_

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """0 or 1."""
        return 1 - dim_less(b, a)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("less_equal", a, b)


@operator("ew::GreaterOrEqual")
class GreaterOrEqual(Binary):
    """Whether a >= b, broadcast."""

    TYPES = NUMBERS
    RESULT = bool_

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """0 or 1."""
        return 1 - dim_less(a, b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """The operands exchanged."""
        return p.apply("less_equal", b, a)


@operator("ew::IsNaN")
class IsNaN(Unary):
    """Whether x is not a number."""

    RESULT = bool_

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("is_nan", x)


@operator("ew::IsInf")
class IsInf(Unary):
    """Whether x is infinite, of the signs that are asked for."""

    detect_negative: int = 1
    detect_positive: int = 1
    RESULT = bool_

    def write(self, p: Builder, x: Value) -> Value:
        """Comparisons with the infinities."""
        signs = [sign for sign, wanted in ((-1, self.detect_negative), (1, self.detect_positive)) if wanted]
        found = [p.apply("equal", x, p.constant(x.dtype, sign * float("inf"))) for sign in signs]
        if len(found) == 2:
            return p.apply("bit_or", *found)
        return found[0] if found else p.constant(bool_, 0)

    @classmethod
    def variants(cls) -> Iterator[IsInf]:
        """Both signs, each, none."""
        yield from (IsInf(negative, positive) for negative in (1, 0) for positive in (1, 0))


for _cls in (Equal, Less, Greater, LessOrEqual, GreaterOrEqual, IsNaN, IsInf):
    import_plainly(_cls)
