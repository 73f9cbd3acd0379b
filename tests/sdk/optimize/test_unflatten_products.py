"""Products between two reshapes work on the tensor as it was."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.unflatten_products import unflatten_products
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def constant(net: Network, *shape: int) -> Tensor:
    return net.constant(RNG.standard_normal(shape).astype(np.float32))


def _run(network: Network) -> int:
    changes = unflatten_products(network)
    eliminate_dead(network)
    return changes


@pytest.mark.parametrize("batch", [2, "N"])
@pytest.mark.parametrize("trans_b", [False, True])
def test_rows_are_no_longer_flattened(batch: int | str, *, trans_b: bool) -> None:
    net = Network()
    x = net.input("x", FLOAT, (batch, 5, 8))
    weight = constant(net, *((6, 8) if trans_b else (8, 6)))
    rows = net.gemm(net.reshape(x, net.constant([-1, 8])), weight, constant(net, 6), trans_b=trans_b)
    net.output("y", net.reshape(rows, net.constant([-1, 5, 6])))
    changes, after = rewrite(net, _run)
    assert changes == 1
    assert operators(after) == ["MatMul", "Add"]


def test_heads_are_joined_by_one_reshape() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 2, 4))
    rows = net.gemm(net.reshape(x, net.constant([10, 8])), constant(net, 8, 6))
    net.output("y", net.reshape(rows, net.constant([2, 5, 6])))
    changes, after = rewrite(net, _run)
    assert changes == 1
    assert operators(after) == ["Reshape", "MatMul"]


@pytest.mark.parametrize("why", ["scaled", "not cut", "matrix", "read twice"])
def test_others_stay(why: str) -> None:
    net = Network()
    x = net.input("x", FLOAT, (10, 8))
    added = constant(net, 10, 6) if why == "matrix" else constant(net, 6)
    rows = net.gemm(x, constant(net, 8, 6), added, alpha=2.0 if why == "scaled" else 1.0)
    net.output("y", net.reshape(rows, net.constant([60] if why == "not cut" else [2, 5, 6])))
    if why == "read twice":
        net.output("z", rows)
    assert rewrite(net, _run)[0] == 0
