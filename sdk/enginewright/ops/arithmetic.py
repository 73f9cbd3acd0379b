"""Arithmetic with broadcasting: sums, products, quotients, powers, smallest and largest."""

from __future__ import annotations

from collections.abc import Iterator

from enginewright.dims import Size, dim_max, dim_min, floor_div, lower_bound, modulo
from enginewright.ops.element_types import check_type
from enginewright.ops.elementwise import NUMBERS, Binary, Unary, Variadic, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import FLOATS, INTEGERS
from enginewright.registry.registry import operator
from enginewright.tensors import (
    DataType,
    TensorSpec,
    bfloat16,
    broadcast_shapes,
    float16,
    float32,
    float64,
    int32,
    int64,
)

SIGNED = (*FLOATS, *(dtype for dtype in INTEGERS if dtype.name.startswith("INT")))


def truncated_quotient(dtype: DataType, a: Size, b: Size) -> Size | None:
    """a / b of sizes as Div computes it, where that is a size."""
    if lower_bound(a) < 0 or lower_bound(b) <= 0:
        return None
    return floor_div(a, b) if dtype.is_integer or modulo(a, b) == 0 else None


@operator("ew::Add")
class Add(Binary):
    """a + b, broadcast; integers wrap."""

    TYPES = NUMBERS
    sizes = staticmethod(lambda _, a, b: a + b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("add", a, b)


@operator("ew::Sub")
class Sub(Binary):
    """a - b, broadcast; integers wrap."""

    TYPES = NUMBERS
    sizes = staticmethod(lambda _, a, b: a - b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("sub", a, b)


@operator("ew::Mul")
class Mul(Binary):
    """a * b, broadcast; integers wrap."""

    TYPES = NUMBERS
    sizes = staticmethod(lambda _, a, b: a * b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("mul", a, b)


@operator("ew::Div")
class Div(Binary):
    """a / b, broadcast; integers are rounded toward zero, and give 0 where b is 0."""

    TYPES = NUMBERS
    sizes = staticmethod(truncated_quotient)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("div", a, b)


@operator("ew::Mod")
class Mod(Binary):
    """The remainder of a / b, broadcast: with the sign of b, or with `fmod` that of a; 0 where an integer b is 0."""

    fmod: int = 0
    TYPES = NUMBERS
    sizes = staticmethod(lambda _, a, b: modulo(a, b) if lower_bound(a) >= 0 < lower_bound(b) else None)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply("fmod" if self.fmod else "mod", a, b)

    @classmethod
    def examples(cls) -> Iterator[tuple[Mod, list[TensorSpec]]]:
        """Both signs of both operands."""
        for dtype in (int32, int64, DataType.UINT8, DataType.INT8):
            yield Mod(), [TensorSpec(dtype, (5, 7)), TensorSpec(dtype, (7,))]
            yield Mod(fmod=1), [TensorSpec(dtype, (5, 7)), TensorSpec(dtype, (7,))]
        for dtype in (float32, float64, float16, bfloat16):
            yield Mod(fmod=1), [TensorSpec(dtype, (3, 17)), TensorSpec(dtype, (17,))]
            yield Mod(), [TensorSpec(dtype, (3, 17)), TensorSpec(dtype, (17,))]


@operator("ew::Pow")
class Pow(Binary):
    """a to the power of b, broadcast, in the type of a; b may have any other type of numbers."""

    TYPES = NUMBERS

    def infer(self, a: TensorSpec, b: TensorSpec) -> TensorSpec:
        """The broadcast shape, the type of a."""
        check_type(a, self.TYPES, "the base of Pow")
        check_type(b, self.TYPES, "the exponent of Pow")
        return self.known(TensorSpec(a.dtype, broadcast_shapes(a.shape, b.shape)), (a, b))

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """Integers to a broken power in float64, to one of another integer type in int64."""
        if a.dtype == b.dtype:
            return p.apply("pow", a, b)
        if a.dtype.is_float:
            return p.apply("pow", a, p.cast(b, a.dtype))
        common = float64 if b.dtype.is_float else int64
        return p.cast(p.apply("pow", p.cast(a, common), p.cast(b, common)), a.dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[Pow, list[TensorSpec]]]:
        """All pairs of kinds."""
        for a, b in (
            (float32, float32),
            (float32, int64),
            (float16, float32),
            (float64, float64),
            (int32, int32),
            (int64, int32),
            (int32, float32),
            (bfloat16, bfloat16),
        ):
            yield Pow(), [TensorSpec(a, (4, 19)), TensorSpec(b, (19,))]
        yield Pow(), [TensorSpec(float32, (2, 40)), TensorSpec(float32, (), value=(2.0,))]


@operator("ew::Neg")
class Neg(Unary):
    """-x."""

    TYPES = SIGNED
    sizes = staticmethod(lambda _, x: -x)

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("neg", x)


@operator("ew::Abs")
class Abs(Unary):
    """The magnitude of x."""

    TYPES = NUMBERS
    sizes = staticmethod(lambda _, x: x if lower_bound(x) >= 0 else None)

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("abs", x)


@operator("ew::Sign")
class Sign(Unary):
    """-1, 0 or 1; NaN for NaN."""

    TYPES = NUMBERS

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("sign", x)


@operator("ew::Max")
class Max(Variadic):
    """The largest of all inputs, broadcast; NaN where one is NaN."""

    TYPES = NUMBERS

    @staticmethod
    def sizes(_: DataType, *xs: Size) -> Size:
        """The largest size."""
        result = xs[0]
        for x in xs[1:]:
            result = dim_max(result, x)
        return result

    def write(self, p: Builder, *xs: Value) -> Value:
        """From left to right."""
        result = xs[0]
        for x in xs[1:]:
            result = p.apply("max", result, x)
        return result


@operator("ew::Min")
class Min(Variadic):
    """The smallest of all inputs, broadcast; NaN where one is NaN."""

    TYPES = NUMBERS

    @staticmethod
    def sizes(_: DataType, *xs: Size) -> Size:
        """The smallest size."""
        result = xs[0]
        for x in xs[1:]:
            result = dim_min(result, x)
        return result

    def write(self, p: Builder, *xs: Value) -> Value:
        """From left to right."""
        result = xs[0]
        for x in xs[1:]:
            result = p.apply("min", result, x)
        return result


@operator("ew::Sum")
class Sum(Variadic):
    """The sum of all inputs, broadcast, added from left to right."""

    WIDE = True

    def write(self, p: Builder, *xs: Value) -> Value:
        """From left to right."""
        result = xs[0]
        for x in xs[1:]:
            result = p.apply("add", result, x)
        return result


@operator("ew::Mean")
class Mean(Variadic):
    """The mean of all inputs, broadcast."""

    WIDE = True

    def write(self, p: Builder, *xs: Value) -> Value:
        """The sum, then one division."""
        result = xs[0]
        for x in xs[1:]:
            result = p.apply("add", result, x)
        return p.apply("div", result, p.constant(result.dtype, len(xs)))


for _cls in (Add, Sub, Mul, Div, Mod, Pow, Neg, Abs, Sign, Max, Min, Sum, Mean):
    import_plainly(_cls)
