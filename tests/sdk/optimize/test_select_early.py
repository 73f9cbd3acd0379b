"""One row is picked before layers that work row by row."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.select_early import select_early
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def constant(net: Network, *shape: int) -> Tensor:
    return net.constant(RNG.standard_normal(shape).astype(np.float32))


def block(net: Network, x: Tensor) -> Tensor:
    """The second half of a transformer layer, and the norm behind it."""
    inner = net.layer_normalization(x, constant(net, 8), constant(net, 8), axis=2)[0]
    y = net.gelu(net.add(net.matmul(inner, constant(net, 8, 12)), constant(net, 12)))
    x = net.add(x, net.matmul(y, constant(net, 12, 8)))
    return net.layer_normalization(x, constant(net, 8), axis=-1)[0]


@pytest.mark.parametrize("axis", [0, 1])
def test_up_to_where_both_ways_begin(axis: int) -> None:
    net = Network()
    x = net.softmax(net.input("x", FLOAT, (3, 5, 8)), axis=1)
    net.output("y", net.gather(block(net, x), net.constant(0), axis=axis))
    changes, after = rewrite(net, select_early)
    assert changes == 7
    assert operators(after) == [
        "Softmax", "Gather", "LayerNormalization", "MatMul", "Add", "Gelu", "MatMul", "Add", "LayerNormalization",
    ]  # fmt: skip
    assert after.layers[-1].outputs[0].rank == 2


@pytest.mark.parametrize("why", ["all is read", "last axis", "several", "along the axis", "columns"])
def test_others_stay(why: str) -> None:
    net = Network()
    x = net.input("x", FLOAT, (3, 5, 8))
    y = net.gelu(x)
    index = net.constant([0, 1] if why == "several" else 0)
    if why == "along the axis":
        y = net.softmax(x, axis=1)
    if why == "columns":
        y = net.add(x, constant(net, 5, 8))
    if why == "all is read":
        net.output("all", y)
    net.output("y", net.gather(y, index, axis=2 if why == "last axis" else 1))
    assert rewrite(net, select_early)[0] == 0
