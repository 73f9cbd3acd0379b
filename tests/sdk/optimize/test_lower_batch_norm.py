"""Inference batch norm becomes a product and a sum with the same numbers."""

from __future__ import annotations

import numpy as np

import enginewright as ew
from enginewright.optimize.lower_batch_norm import lower_batch_norm
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def _norm(net: ew.Network, shape: tuple[int | str, ...]) -> ew.Tensor:
    x = net.input("x", FLOAT, shape)
    scale, shift, mean = (net.constant(RNG.standard_normal(4).astype(np.float32)) for _ in range(3))
    result = net.batch_normalization(x, scale, shift, mean, net.constant(RNG.random(4).astype(np.float32) + 0.1))
    return result[0] if isinstance(result, tuple) else result


def test_constant_statistics() -> None:
    for shape in (("N", 4, 5, 5), ("N", 4), ("N", 4, 3)):
        net = ew.Network()
        net.output("y", _norm(net, shape))
        changes, after = rewrite(net, lower_batch_norm)
        assert changes == 1
        assert operators(after) == ["Mul", "Add"]


def test_statistics_that_are_inputs_are_left() -> None:
    net = ew.Network()
    x = net.input("x", FLOAT, ("N", 4, 5))
    parts = [net.input(name, FLOAT, (4,)) for name in ("scale", "shift", "mean")]
    variance = net.exp(net.input("variance", FLOAT, (4,)))
    result = net.batch_normalization(x, *parts, variance)
    net.output("y", result[0] if isinstance(result, tuple) else result)
    assert rewrite(net, lower_batch_norm)[0] == 0
