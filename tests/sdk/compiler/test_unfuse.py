"""A fused layer that no kernel runs whole is taken apart, what is left of it as large as possible."""

from __future__ import annotations

import numpy as np

from enginewright.compiler.unfuse import unfuse
from enginewright.graph.network import Network
from enginewright.ops.pointwise import Fused
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from enginewright.tensors import float16, float32
from tests.sdk.optimize.rewriting import inputs_of


def fused(*, bias: bool) -> Network:
    net = Network()
    x = net.input("x", float16, (3, 8))
    y = net.matmul(x, net.constant(np.ones((8, 6), np.float16)))
    if bias:
        y = net.add(y, net.constant(np.arange(6, dtype=np.float16)))
    net.output("y", net.cast(y, to=float32))
    fuse_pointwise(net)
    fuse_epilogues(net)
    net.infer()
    assert [layer.kind for layer in net.layers] == ["Fused"]
    return net


def check(net: Network) -> list[str]:
    inputs = inputs_of(net)
    wanted = net.evaluate(inputs)["y"]
    parts = unfuse(net, net.layers[0])
    net.infer()
    assert list(parts) == net.layers
    np.testing.assert_array_equal(net.evaluate(inputs)["y"], wanted)
    return [part.kind for part in parts]


def test_a_cast_at_the_end_is_taken_off() -> None:
    net = fused(bias=True)
    assert check(net) == ["Fused", "Pointwise"]
    assert isinstance(net.layers[0].op, Fused)


def test_a_cast_alone_leaves_the_anchor() -> None:
    assert check(fused(bias=False)) == ["MatMul", "Pointwise"]
