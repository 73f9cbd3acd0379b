"""Shape arithmetic becomes a constant or one layer that writes sizes; what reads run-time values stays."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.fold_shapes import fold_shapes
from enginewright.tensors import int64
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def _both(net: Network) -> int:
    return fold_shapes(net) + eliminate_dead(net)


def test_known_sizes_become_constants() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 3, 4))
    net.output("y", net.reshape(x, net.concat(net.shape(x, start=0, end=1), net.constant(np.array([-1])), axis=0)))
    changes, after = rewrite(net, _both)
    assert changes
    assert operators(after) == ["Reshape"]
    assert after.outputs[0][1].shape == (2, 12)


def test_symbolic_sizes_become_one_layer() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4))
    net.output("y", net.mul(net.shape(x), net.constant(np.array([2, 2]))))
    _, after = rewrite_without_numbers(net)
    assert operators(after) == ["ShapeValue"]


def rewrite_without_numbers(net: Network) -> tuple[int, Network]:
    changes = _both(net)
    net.infer()
    return changes, net


def test_values_read_at_run_time_stay() -> None:
    net = Network()
    k = net.input("k", int64, (2,))
    net.output("y", net.add(k, net.constant(np.array([1, 2]))))
    assert rewrite(net, fold_shapes)[0] == 0
