"""Activation functions, the gates between a model's layers.

Methods of `Network`, written by ``make methods`` from ops/activation.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import activation as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Activation(_Adder):
    """One method an operator of ops/activation.py."""

    def celu(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
        return self.add(ops.Celu(alpha=alpha), x, name=name)[0]

    def elu(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """x where x >= 0, else alpha * (exp(x) - 1)."""
        return self.add(ops.Elu(alpha=alpha), x, name=name)[0]

    def gelu(self, x: Tensor, *, approximate: str = "none", name: str = "") -> Tensor:
        """x times the normal distribution function of x; `approximate`: "none", or "tanh" for the usual
        approximation.
        """
        return self.add(ops.Gelu(approximate=approximate), x, name=name)[0]

    def hard_sigmoid(self, x: Tensor, *, alpha: float = 0.2, beta: float = 0.5, name: str = "") -> Tensor:
        """max(0, min(1, alpha * x + beta))."""
        return self.add(ops.HardSigmoid(alpha=alpha, beta=beta), x, name=name)[0]

    def hard_swish(self, x: Tensor, *, name: str = "") -> Tensor:
        """x * max(0, min(1, x / 6 + 0.5))."""
        return self.add(ops.HardSwish(), x, name=name)[0]

    def leaky_relu(self, x: Tensor, *, alpha: float = 0.01, name: str = "") -> Tensor:
        """x where x >= 0, else alpha * x."""
        return self.add(ops.LeakyRelu(alpha=alpha), x, name=name)[0]

    def mish(self, x: Tensor, *, name: str = "") -> Tensor:
        """x * tanh(softplus(x))."""
        return self.add(ops.Mish(), x, name=name)[0]

    def prelu(self, x: Tensor, slope: Tensor, *, name: str = "") -> Tensor:
        """x where x >= 0, else slope * x; slope is repeated to the shape of x."""
        return self.add(ops.PRelu(), x, slope, name=name)[0]

    def relu(self, x: Tensor, *, name: str = "") -> Tensor:
        """max(x, 0)."""
        return self.add(ops.Relu(), x, name=name)[0]

    def selu(
        self, x: Tensor, *, alpha: float = 1.6732631921768188, gamma: float = 1.0507010221481323, name: str = ""
    ) -> Tensor:
        """gamma * x where x > 0, else gamma * alpha * (exp(x) - 1)."""
        return self.add(ops.Selu(alpha=alpha, gamma=gamma), x, name=name)[0]

    def shrink(self, x: Tensor, *, bias: float = 0.0, lambd: float = 0.5, name: str = "") -> Tensor:
        """x + bias where x < -lambd, x - bias where x > lambd, else 0."""
        return self.add(ops.Shrink(bias=bias, lambd=lambd), x, name=name)[0]

    def sigmoid(self, x: Tensor, *, name: str = "") -> Tensor:
        """1 / (1 + exp(-x))."""
        return self.add(ops.Sigmoid(), x, name=name)[0]

    def softplus(self, x: Tensor, *, name: str = "") -> Tensor:
        """log(1 + exp(x))."""
        return self.add(ops.Softplus(), x, name=name)[0]

    def softsign(self, x: Tensor, *, name: str = "") -> Tensor:
        """x / (1 + |x|)."""
        return self.add(ops.Softsign(), x, name=name)[0]

    def swish(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """x * sigmoid(alpha * x)."""
        return self.add(ops.Swish(alpha=alpha), x, name=name)[0]

    def thresholded_relu(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """x where x > alpha, else 0."""
        return self.add(ops.ThresholdedRelu(alpha=alpha), x, name=name)[0]
