"""Layers that change nothing go, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.simplify_algebra import simplify_algebra
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def _idle(net: Network, x: Tensor) -> dict[str, Tensor]:
    one, zero = net.constant(np.float32(1)), net.constant(np.float32(0))
    return {
        "identity": net.identity(x),
        "cast": net.cast(x, to=FLOAT),
        "mul": net.mul(one, x),
        "add": net.add(x, zero),
        "sub": net.sub(x, zero),
        "div": net.div(x, one),
        "pow": net.pow(x, one),
        "transpose": net.transpose(x, perm=(0, 1)),
        "reshape": net.reshape(x, net.constant(np.array([0, -1]))),
        "slice": net.slice(x, *(net.constant(np.array([n, n])) for n in (0, 2**31 - 1))),
    }


IDLE = ["identity", "cast", "mul", "add", "sub", "div", "pow", "transpose", "reshape", "slice"]


@pytest.mark.parametrize("name", IDLE)
def test_removes(name: str) -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4))
    net.output("y", net.exp(_idle(net, x)[name]))
    changes, after = rewrite(net, simplify_algebra)
    assert changes >= 1
    assert after.layers[-1].inputs[0] is after.inputs[0]


def test_keeps_what_changes_something() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4))
    zero = net.constant(np.float32(0))
    net.output("a", net.sub(zero, x))
    net.output("b", net.add(x, net.constant(np.zeros((1, 1, 4), np.float32))))
    net.output("c", net.cast(x, to=net.constant(np.int64(0)).dtype))
    changes, after = rewrite(net, simplify_algebra)
    assert changes == 0
    assert operators(after) == ["Sub", "Add", "Cast"]
