"""Attention of tokens that one tensor gives becomes one product and one layer."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.pack_attention import pack_attention
from enginewright.tensors import float32

RNG = np.random.default_rng(0)


def heads(net: Network, rows: Tensor) -> Tensor:
    return net.transpose(net.reshape(rows, net.constant(np.array([2, 5, 3, 4]))), perm=(0, 2, 1, 3))


def attend(net: Network, parts: list[Tensor]) -> None:
    y = net.attention(*(heads(net, part) for part in parts))
    joined = net.transpose(y, perm=(0, 2, 1, 3))
    net.output("y", net.reshape(joined, net.constant(np.array([2, 5, 12]))))


def check(net: Network, kinds: list[str]) -> None:
    x = {"x": RNG.standard_normal(tuple(net.inputs[0].shape)).astype(np.float32)}
    wanted = net.evaluate(x)["y"]
    assert pack_attention(net) == 1
    eliminate_dead(net)
    net.infer()
    np.testing.assert_allclose(net.evaluate(x)["y"], wanted, rtol=1e-5, atol=1e-5)
    assert [layer.kind for layer in net.layers] == kinds


def constant(net: Network, *shape: int) -> Tensor:
    return net.constant(RNG.standard_normal(shape).astype(np.float32))


def test_three_products_with_biases() -> None:
    net = Network()
    x = net.input("x", float32, (2, 5, 8))
    attend(net, [net.add(net.matmul(x, constant(net, 8, 12)), constant(net, 12)) for _ in range(3)])
    check(net, ["MatMul", "Add", "PackedAttention"])


def test_a_split() -> None:
    net = Network()
    x = net.input("x", float32, (2, 5, 36))
    attend(net, list(net.split(x, axis=-1, num_outputs=3)))
    check(net, ["PackedAttention"])


def test_parts_of_different_tensors_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2, 5, 12))
    attend(net, [x, net.relu(x), x])
    assert pack_attention(net) == 0
