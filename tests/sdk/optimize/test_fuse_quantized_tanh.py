"""tanh and what is before it join the quantization that alone reads it."""

from __future__ import annotations

import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from enginewright.optimize.fuse_quantized_tanh import fuse_quantized_tanh
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def quantized(net: Network, x: Tensor) -> None:
    """Quantize x; all three results are outputs."""
    for name, tensor in zip(("y", "scale", "zero"), net.dynamic_quantize_linear(x), strict=True):
        net.output(name, tensor)


def both(net: Network) -> int:
    """Elementwise layers are joined first."""
    fuse_pointwise(net)
    return fuse_quantized_tanh(net)


def test_alone_and_with_a_sum() -> None:
    net = Network()
    a, b = net.input("a", FLOAT, ("N", 1, 16)), net.input("b", FLOAT, (1, "M", 16))
    quantized(net, net.tanh(net.add(a, b)))
    changes, after = rewrite(net, both)
    assert changes == 1
    assert operators(after) == ["QuantizedTanh"]
    net = Network()
    quantized(net, net.tanh(net.input("a", FLOAT, ("N", 16))))
    assert operators(rewrite(net, both)[1]) == ["QuantizedTanh"]


@pytest.mark.parametrize("what", ["other", "slow", "behind", "shared"])
def test_what_is_left(what: str) -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 16))
    if what == "shared":
        net.output("t", net.tanh(x))
    y = {"other": net.sigmoid, "behind": lambda x: net.neg(net.tanh(x))}.get(what, net.tanh)(x)
    if what == "shared":
        net.output("again", y)
    quantized(net, net.tanh(net.exp(x)) if what == "slow" else y)
    assert rewrite(net, both)[0] == 0
