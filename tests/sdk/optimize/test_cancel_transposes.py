"""Two transposes become one, or none."""

from __future__ import annotations

from enginewright.graph.network import Network
from enginewright.optimize.cancel_transposes import cancel_transposes
from enginewright.optimize.eliminate_dead import eliminate_dead
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def _both(net: Network) -> int:
    changes = cancel_transposes(net)
    eliminate_dead(net)
    return changes


def test_inverse_transposes_vanish() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4, 5))
    net.output("y", net.relu(net.transpose(net.transpose(x, perm=(0, 2, 1)), perm=(0, 2, 1))))
    changes, after = rewrite(net, _both)
    assert changes == 1
    assert operators(after) == ["Relu"]


def test_others_are_joined() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4, 5))
    net.output("y", net.transpose(net.transpose(x, perm=(1, 2, 0)), perm=(0, 2, 1)))
    net.output("z", net.transpose(net.transpose(x)))
    changes, after = rewrite(net, _both)
    assert changes == 2
    assert operators(after) == ["Transpose"]
    assert after.layers[0].op.perm == (1, 0, 2)
