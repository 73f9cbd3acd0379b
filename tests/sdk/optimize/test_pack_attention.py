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


def test_queries_keys_and_values_on_an_axis_of_their_own_rows_first() -> None:
    """As torch.nn.MultiheadAttention writes it: [S, B, 3, E], heads and batch joined in between."""
    net = Network()
    x = net.input("x", float32, (2, 5, 36))
    rows = net.reshape(net.transpose(x, perm=(1, 0, 2)), net.constant([5, 2, 3, 12]))
    parts = net.transpose(net.unsqueeze(rows, net.constant([0])), perm=(3, 1, 2, 0, 4))
    parts = net.squeeze(parts, net.constant([3]))
    heads = []
    for index in range(3):
        one = net.reshape(net.gather(parts, net.constant(index)), net.constant([5, 6, 4]))
        heads.append(net.reshape(net.transpose(one, perm=(1, 0, 2)), net.constant([2, 3, 5, 4])))
    y = net.transpose(net.attention(*heads), perm=(2, 0, 1, 3))
    net.output("y", net.reshape(y, net.constant([5, 2, 12])))
    check(net, ["PackedAttention", "Transpose"])


def test_one_token_a_batch_is_read_in_either_shape() -> None:
    net = Network()
    x = net.input("x", float32, (1, 5, 36))
    heads_of = [
        net.transpose(net.reshape(part, net.constant([1, 5, 3, 4])), perm=(0, 2, 1, 3))
        for part in net.split(x, axis=-1, num_outputs=3)
    ]
    y = net.transpose(net.attention(*heads_of), perm=(2, 0, 1, 3))
    net.output("y", net.reshape(y, net.constant([5, 12])))
    check(net, ["PackedAttention", "Reshape"])


def test_values_that_are_queries_again_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2, 5, 36))
    q, k, _ = net.split(x, axis=-1, num_outputs=3)
    attend(net, [q, k, q])
    assert pack_attention(net) == 0
