"""Activation functions, the gates between a model's layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from enginewright.errors import NetworkError
from enginewright.ops.element_types import check_same_type, check_type
from enginewright.ops.elementwise import NUMBERS, Elementwise, Unary, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import Array
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, broadcast_shapes, float16, float32, float64, int32


def larger(p: Builder, x: Value, number: float) -> Value:
    """max(x, number)."""
    return p.apply("max", x, p.constant(x.dtype, number))


def scaled(p: Builder, x: Value, number: float) -> Value:
    """x * number."""
    return x if number == 1 else p.apply("mul", x, p.constant(x.dtype, number))


def shifted(p: Builder, x: Value, number: float) -> Value:
    """x + number."""
    return p.apply("add", x, p.constant(x.dtype, number))


def exponential(p: Builder, x: Value, alpha: float) -> Value:
    """alpha * (exp(x) - 1)."""
    return scaled(p, shifted(p, p.apply("exp", x), -1), alpha)


def hard_sigmoid(p: Builder, x: Value, alpha: float, beta: float) -> Value:
    """max(0, min(1, alpha * x + beta))."""
    line = shifted(p, scaled(p, x, alpha), beta)
    return p.apply("min", larger(p, line, 0), p.constant(x.dtype, 1))


@operator("ew::Relu")
class Relu(Unary):
    """max(x, 0)."""

    TYPES = NUMBERS

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return larger(p, x, 0)


@operator("ew::LeakyRelu")
class LeakyRelu(Unary):
    """x where x >= 0, else alpha * x."""

    alpha: float = 0.01
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """A maximum where the slope allows it."""
        if 0 <= self.alpha <= 1:
            return p.apply("max", x, scaled(p, x, self.alpha))
        below = p.apply("less", x, p.constant(x.dtype, 0))
        return p.apply("where", below, scaled(p, x, self.alpha), x)

    @classmethod
    def variants(cls) -> Iterator[LeakyRelu]:
        """Other attributes."""
        yield LeakyRelu()
        yield LeakyRelu(alpha=1.5)
        yield LeakyRelu(alpha=-0.5)


@operator("ew::Elu")
class Elu(Unary):
    """x where x >= 0, else alpha * (exp(x) - 1)."""

    alpha: float = 1.0
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        below = p.apply("less", x, p.constant(x.dtype, 0))
        return p.apply("where", below, exponential(p, x, self.alpha), x)

    @classmethod
    def variants(cls) -> Iterator[Elu]:
        """Other attributes."""
        yield Elu()
        yield Elu(alpha=0.3)


@operator("ew::Celu")
class Celu(Unary):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""

    alpha: float = 1.0
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        curve = exponential(p, scaled(p, x, 1 / self.alpha), self.alpha)
        return p.apply("add", larger(p, x, 0), p.apply("min", curve, p.constant(x.dtype, 0)))

    @classmethod
    def variants(cls) -> Iterator[Celu]:
        """Other attributes."""
        yield Celu()
        yield Celu(alpha=2.5)


@operator("ew::Selu")
class Selu(Unary):
    """gamma * x where x > 0, else gamma * alpha * (exp(x) - 1)."""

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        below = p.apply("less_equal", x, p.constant(x.dtype, 0))
        return scaled(p, p.apply("where", below, exponential(p, x, self.alpha), x), self.gamma)

    @classmethod
    def variants(cls) -> Iterator[Selu]:
        """Other attributes."""
        yield Selu()
        yield Selu(alpha=1.0, gamma=2.0)


@operator("ew::ThresholdedRelu")
class ThresholdedRelu(Unary):
    """x where x > alpha, else 0."""

    alpha: float = 1.0
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        above = p.apply("less", p.constant(x.dtype, self.alpha), x)
        return p.apply("where", above, x, p.constant(x.dtype, 0))

    @classmethod
    def variants(cls) -> Iterator[ThresholdedRelu]:
        """Other attributes."""
        yield ThresholdedRelu()
        yield ThresholdedRelu(alpha=-0.2)


@operator("ew::Sigmoid")
class Sigmoid(Unary):
    """1 / (1 + exp(-x))."""

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("sigmoid", x)


@operator("ew::HardSigmoid")
class HardSigmoid(Unary):
    """max(0, min(1, alpha * x + beta))."""

    alpha: float = 0.2
    beta: float = 0.5
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        return hard_sigmoid(p, x, self.alpha, self.beta)

    @classmethod
    def variants(cls) -> Iterator[HardSigmoid]:
        """Other attributes."""
        yield HardSigmoid()
        yield HardSigmoid(alpha=1 / 6)


@operator("ew::HardSwish")
class HardSwish(Unary):
    """x * max(0, min(1, x / 6 + 0.5))."""

    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        return p.apply("mul", x, hard_sigmoid(p, x, 1 / 6, 0.5))


@operator("ew::Swish")
class Swish(Unary):
    """x * sigmoid(alpha * x)."""

    alpha: float = 1.0
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        if self.alpha == 1:
            return p.apply("silu", x)
        return p.apply("mul", x, p.apply("sigmoid", scaled(p, x, self.alpha)))

    @classmethod
    def variants(cls) -> Iterator[Swish]:
        """Other attributes."""
        yield Swish()
        yield Swish(alpha=1.702)


@operator("ew::Softplus")
class Softplus(Unary):
    """log(1 + exp(x))."""

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        return p.apply("softplus", x)


@operator("ew::Softsign")
class Softsign(Unary):
    """x / (1 + |x|)."""

    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        return p.apply("div", x, shifted(p, p.apply("abs", x), 1))


@operator("ew::Mish")
class Mish(Unary):
    """x * tanh(softplus(x))."""

    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        return p.apply("mul", x, p.apply("tanh", p.apply("softplus", x)))


@operator("ew::Gelu")
class Gelu(Unary):
    """x times the normal distribution function of x; `approximate`: "none", or "tanh" for the usual approximation."""

    approximate: str = "none"

    def write(self, p: Builder, x: Value) -> Value:
        """One instruction."""
        if self.approximate not in ("none", "tanh"):
            raise NetworkError(f'approximate is "{self.approximate}"', hint='Use "none" or "tanh".')
        return p.apply("gelu_tanh" if self.approximate == "tanh" else "gelu", x)

    @classmethod
    def variants(cls) -> Iterator[Gelu]:
        """Other attributes."""
        yield Gelu()
        yield Gelu(approximate="tanh")


@operator("ew::Shrink")
class Shrink(Unary):
    """x + bias where x < -lambd, x - bias where x > lambd, else 0."""

    bias: float = 0.0
    lambd: float = 0.5
    WIDE = True

    def write(self, p: Builder, x: Value) -> Value:
        """The formula."""
        zero = p.constant(x.dtype, 0)
        above = p.apply("less", p.constant(x.dtype, self.lambd), x)
        inner = p.apply("where", above, shifted(p, x, -self.bias), zero)
        below = p.apply("less", x, p.constant(x.dtype, -self.lambd))
        return p.apply("where", below, shifted(p, x, self.bias), inner)

    @classmethod
    def variants(cls) -> Iterator[Shrink]:
        """Other attributes."""
        yield Shrink()
        yield Shrink(bias=0.25, lambd=0.75)


@operator("ew::PRelu")
class PRelu(Elementwise):
    """x where x >= 0, else slope * x; slope is repeated to the shape of x."""

    TYPES = NUMBERS
    WIDE = True

    def infer(self, x: TensorSpec, slope: TensorSpec) -> TensorSpec:
        """The shape of x."""
        check_type(x, self.TYPES, "the input of PRelu")
        broadcast_shapes(x.shape, slope.shape)
        return TensorSpec(check_same_type(x, slope), x.shape)

    def reference(self, x: Array, slope: Array) -> Array:
        """The program in NumPy."""
        return self.compute(x, slope)

    def write(self, p: Builder, x: Value, slope: Value) -> Value:
        """The formula."""
        return p.apply("where", p.apply("less", x, p.constant(x.dtype, 0)), p.apply("mul", x, slope), x)

    @classmethod
    def examples(cls) -> Iterator[tuple[PRelu, list[TensorSpec]]]:
        """One slope a channel, one for all, one for each element."""
        for slope in ((3, 1, 1), (1,), (2, 3, 4, 5)):
            yield PRelu(), [TensorSpec(float32, (2, 3, 4, 5)), TensorSpec(float32, slope)]
        yield from (
            (PRelu(), [TensorSpec(dtype, (2, 9)), TensorSpec(dtype, (9,))]) for dtype in (float16, float64, int32)
        )


GATES: tuple[type[Any], ...] = (Sigmoid, HardSigmoid, HardSwish, Swish, Softplus, Softsign, Mish, Gelu)
LINES: tuple[type[Any], ...] = (Relu, LeakyRelu, PRelu, Elu, Celu, Selu, ThresholdedRelu, Shrink)
for _cls in GATES + LINES:
    import_plainly(_cls)
import_plainly(Gelu, "com.microsoft::Gelu")
import_plainly(Swish, "com.microsoft::QuickGelu")
