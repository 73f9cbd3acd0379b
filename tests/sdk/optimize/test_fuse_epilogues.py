"""Elementwise work joins the matrix product or convolution before it."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def _both(net: Network) -> int:
    fuse_pointwise(net)
    return fuse_epilogues(net)


def test_bias_and_activation_behind_a_product() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 8))
    product = net.matmul(x, net.constant(RNG.standard_normal((8, 4)).astype(np.float32)))
    net.output("y", net.relu(net.add(product, net.constant(np.arange(4, dtype=np.float32)))))
    changes, after = rewrite(net, _both)
    assert changes == 1
    assert operators(after) == ["Fused"]


def test_residual_joins_the_later_convolution() -> None:
    net = Network()
    x = net.input("x", FLOAT, (1, 3, 6, 6))
    kernels = [net.constant(RNG.standard_normal((5, 3, 1, 1)).astype(np.float32)) for _ in range(2)]
    first, second = net.conv(x, kernels[0]), net.conv(net.exp(x), kernels[1])
    net.output("y", net.relu(net.add(first, second)))
    changes, after = rewrite(net, _both, 1e-4)
    assert changes == 1
    assert operators(after) == ["Conv", "Exp", "Fused"]


def test_a_product_that_others_read_stays_alone() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 8))
    product = net.matmul(x, net.constant(np.ones((8, 4), np.float32)))
    net.output("y", net.relu(product))
    net.output("product", product)
    assert rewrite(net, _both)[0] == 0


def test_integer_sums_are_scaled_where_they_are_made() -> None:
    net = Network()
    x, scale, zero = net.dynamic_quantize_linear(net.input("x", FLOAT, (5, 8)))
    weight = net.constant(RNG.integers(-128, 128, (8, 4)).astype(np.int8))
    product = net.cast(net.mat_mul_integer(x, weight, zero, None), to=FLOAT)
    scaled = net.mul(product, net.mul(scale, net.constant(np.linspace(0.01, 0.03, 4, dtype=np.float32))))
    net.output("y", net.relu(net.add(scaled, net.constant(np.arange(4, dtype=np.float32)))))
    changes, after = rewrite(net, _both)
    assert changes == 1
    assert "MatMulInteger" not in operators(after)
