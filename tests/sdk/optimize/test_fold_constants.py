"""Layers of constants are computed while building, unless the result would be much larger than its sources."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.fold_constants import fold_constants
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def test_folds_chains_of_constants() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 3))
    weight = net.transpose(net.exp(net.constant(np.ones((4, 3), np.float32))), perm=(1, 0))
    net.output("y", net.matmul(x, weight))
    changes, after = rewrite(net, fold_constants)
    assert changes == 2
    assert operators(after) == ["MatMul"]


def test_does_not_blow_up_the_plan() -> None:
    net = Network()
    size = net.constant(np.array([1024, 1024], np.int64))
    net.output("y", net.expand(net.constant(np.zeros((1, 1), np.float32)), size))
    assert rewrite(net, fold_constants)[0] == 0
