"""Functions of one number: roots, exponentials, logarithms, rounding, trigonometry."""

from __future__ import annotations

from typing import Any, ClassVar

from enginewright.ops.elementwise import Unary, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.registry.registry import operator


class Function(Unary):
    """Base of the operators that are one instruction."""

    OPCODE: ClassVar[str]

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply(self.OPCODE, x)


@operator("ew::Sqrt")
class Sqrt(Function):
    """The square root; NaN below 0."""

    OPCODE = "sqrt"


@operator("ew::Exp")
class Exp(Function):
    """e to the power of x."""

    OPCODE = "exp"


@operator("ew::Log")
class Log(Function):
    """The natural logarithm; NaN below 0, -inf at 0."""

    OPCODE = "log"


@operator("ew::Erf")
class Erf(Function):
    """The error function."""

    OPCODE = "erf"


@operator("ew::Floor")
class Floor(Function):
    """The largest integer that is not above x."""

    OPCODE = "floor"
    sizes = staticmethod(lambda _, x: x)


@operator("ew::Ceil")
class Ceil(Function):
    """The smallest integer that is not below x."""

    OPCODE = "ceil"
    sizes = staticmethod(lambda _, x: x)


@operator("ew::Round")
class Round(Function):
    """The nearest integer; the even one of two."""

    OPCODE = "round"
    sizes = staticmethod(lambda _, x: x)


@operator("ew::Reciprocal")
class Reciprocal(Function):
    """1 / x."""

    OPCODE = "reciprocal"


@operator("ew::Sin")
class Sin(Function):
    """The sine; x in radians."""

    OPCODE = "sin"


@operator("ew::Cos")
class Cos(Function):
    """The cosine; x in radians."""

    OPCODE = "cos"


@operator("ew::Tan")
class Tan(Function):
    """The tangent; x in radians."""

    OPCODE = "tan"


@operator("ew::Asin")
class Asin(Function):
    """The angle with this sine, in radians."""

    OPCODE = "asin"


@operator("ew::Acos")
class Acos(Function):
    """The angle with this cosine, in radians."""

    OPCODE = "acos"


@operator("ew::Atan")
class Atan(Function):
    """The angle with this tangent, in radians."""

    OPCODE = "atan"


@operator("ew::Sinh")
class Sinh(Function):
    """The hyperbolic sine."""

    OPCODE = "sinh"


@operator("ew::Cosh")
class Cosh(Function):
    """The hyperbolic cosine."""

    OPCODE = "cosh"


@operator("ew::Tanh")
class Tanh(Function):
    """The hyperbolic tangent."""

    OPCODE = "tanh"


@operator("ew::Asinh")
class Asinh(Function):
    """The inverse of the hyperbolic sine."""

    OPCODE = "asinh"


@operator("ew::Acosh")
class Acosh(Function):
    """The inverse of the hyperbolic cosine; NaN below 1."""

    OPCODE = "acosh"


@operator("ew::Atanh")
class Atanh(Function):
    """The inverse of the hyperbolic tangent; NaN outside [-1, 1]."""

    OPCODE = "atanh"


FUNCTIONS: tuple[type[Any], ...] = (
    Sqrt,
    Exp,
    Log,
    Erf,
    Floor,
    Ceil,
    Round,
    Reciprocal,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
)
for _cls in FUNCTIONS:
    import_plainly(_cls)
