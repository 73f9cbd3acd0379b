"""Pools before a Concat along the channels, with the same results."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.graph.network import Network
from enginewright.ops.pool import AveragePool, GlobalAveragePool, MaxPool
from enginewright.optimize.pool_parts import pool_parts
from enginewright.tensors import float32

POOLS = (
    MaxPool(kernel_shape=(3, 3), stride=2, padding=1, ceil_mode=True),
    AveragePool(kernel_shape=(2, 2), stride=2),
    GlobalAveragePool(),
)


def network(pool: object, axis: int = 1, *, more: bool = False) -> Network:
    net = Network()
    parts = [net.input(f"x{i}", float32, (2, channels, 9, 7)) for i, channels in enumerate((3, 5))]
    if axis not in (1, -3):
        parts = [parts[0], parts[0]]
    joined = net.concat(*parts, axis=axis)
    net.output("y", net.add(pool, joined)[0])
    if more:
        net.output("joined", joined)
    return net


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("axis", [1, -3])
def test_parts_are_pooled(pool: object, axis: int) -> None:
    net = network(pool, axis)
    inputs = {name: np.random.default_rng(0).standard_normal(shape).astype(np.float32) for name, shape in shapes(net)}
    wanted = net.evaluate(inputs)["y"]
    assert pool_parts(net) == 1
    net.infer()
    kind = type(pool).__name__
    assert [layer.kind for layer in net.layers] == [kind, kind, "Concat"]
    np.testing.assert_array_equal(net.evaluate(inputs)["y"], wanted)


def shapes(net: Network) -> list[tuple[str, tuple[int, ...]]]:
    return [(tensor.name, tuple(size for size in tensor.shape if isinstance(size, int))) for tensor in net.inputs]


@pytest.mark.parametrize(("axis", "more"), [(0, False), (2, False), (1, True)])
def test_others_are_left(axis: int, more: bool) -> None:
    assert pool_parts(network(POOLS[0], axis, more=more)) == 0
