"""Logic of bool tensors, and of the bits of integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from enginewright.dims import Size, dim_max
from enginewright.errors import NetworkError
from enginewright.ops.elementwise import Binary, Unary, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import INTEGERS
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec, bool_


class Bits(Binary):
    """Base of the operators that are one instruction on bits."""

    OPCODE: ClassVar[str]

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply(self.OPCODE, a, b)


@operator("ew::And")
class And(Bits):
    """Whether both are true, broadcast."""

    TYPES = (bool_,)
    OPCODE = "bit_and"

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """The product of 0 or 1."""
        return a * b


@operator("ew::Or")
class Or(Bits):
    """Whether one is true, broadcast."""

    TYPES = (bool_,)
    OPCODE = "bit_or"

    @staticmethod
    def sizes(_: DataType, a: Size, b: Size) -> Size:
        """The larger of 0 or 1."""
        return dim_max(a, b)


@operator("ew::Xor")
class Xor(Bits):
    """Whether just one is true, broadcast."""

    TYPES = (bool_,)
    OPCODE = "bit_xor"


@operator("ew::Not")
class Not(Unary):
    """Whether x is false."""

    TYPES = (bool_,)

    @staticmethod
    def sizes(_: DataType, x: Size) -> Size:
        """1 or 0."""
        return 1 - x

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("bit_not", x)


@operator("ew::BitwiseAnd")
class BitwiseAnd(Bits):
    """The bits that both have, broadcast."""

    TYPES = INTEGERS
    OPCODE = "bit_and"


@operator("ew::BitwiseOr")
class BitwiseOr(Bits):
    """The bits that one has, broadcast."""

    TYPES = INTEGERS
    OPCODE = "bit_or"


@operator("ew::BitwiseXor")
class BitwiseXor(Bits):
    """The bits that just one has, broadcast."""

    TYPES = INTEGERS
    OPCODE = "bit_xor"


@operator("ew::BitwiseNot")
class BitwiseNot(Unary):
    """The bits that x has not."""

    TYPES = INTEGERS

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("bit_not", x)


@operator("ew::BitShift")
class BitShift(Bits):
    """a shifted by b bits, LEFT or RIGHT (by copies of the sign), broadcast.

    Where b is negative or not below the width only the sign is left of a right shift, nothing of a left one.
    """

    direction: str
    TYPES = INTEGERS

    def infer(self, a: TensorSpec, b: TensorSpec) -> TensorSpec:
        """The broadcast shape."""
        if self.direction not in ("LEFT", "RIGHT"):
            raise NetworkError(f'direction is "{self.direction}"', hint='Use "LEFT" or "RIGHT".')
        return self.result(a, b)

    def write(self, p: Builder, a: Value, b: Value) -> Value:
        """One instruction."""
        return p.apply(f"shift_{self.direction.lower()}", a, b)

    @classmethod
    def variants(cls) -> Iterator[BitShift]:
        """Both directions."""
        yield BitShift("LEFT")
        yield BitShift("RIGHT")


for _cls in (And, Or, Xor, Not, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot, BitShift):
    import_plainly(_cls)
