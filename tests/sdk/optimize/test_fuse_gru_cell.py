"""GRU cells that exporters wrote out become one layer each, with the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.ops.recurrent import GRU
from enginewright.optimize.fuse_gru_cell import fuse_gru_cell
from enginewright.tensors import float32
from tests.sdk.optimize.rewriting import rewrite

RNG = np.random.default_rng(0)
N, K = 5, 7


def cell(net: Network, x: Tensor, h: Tensor, *, second: bool = False, cut: int = N, **attributes: Any) -> Tensor:
    """As torch writes it; the `second` form keeps h - n."""
    whole = []
    for tensor, inputs in ((x, K), (h, N)):
        w, b = RNG.standard_normal((3 * N, inputs)), RNG.standard_normal(3 * N)
        constants = [net.constant(array.astype(np.float32)) for array in (w, b)]
        whole.append(net.gemm(tensor, *constants, trans_b=True, **attributes))
    bounds = [0, cut, 2 * N, 2**40]

    def part(product: Tensor, gate: int) -> Tensor:
        start, end, axis = (net.constant(np.array([k])) for k in (bounds[gate], bounds[gate + 1], -1))
        return net.slice(product, start, end, axis)

    reset, update = (net.sigmoid(net.add(part(whole[0], gate), part(whole[1], gate))) for gate in (0, 1))
    new = net.tanh(net.add(part(whole[0], 2), net.mul(reset, part(whole[1], 2))))
    if second:
        return net.add(net.mul(net.sub(h, new), update), new)
    one = net.constant(np.array(1, np.float32))
    return net.add(net.mul(net.sub(one, update), new), net.mul(update, h))


@pytest.mark.parametrize("second", [False, True])
def test_two_cells_on_top_of_each_other(second: bool) -> None:
    net = Network()
    x, h = net.input("x", float32, ("B", K)), net.input("h", float32, ("B", N))
    first = cell(net, x, h, second=second)
    net.output("y", first)
    arrays = {name: RNG.standard_normal((3, size)).astype(np.float32) for name, size in (("x", K), ("h", N))}
    wanted = net.evaluate(arrays)["y"]
    assert fuse_gru_cell(net) == 1
    net.infer()
    assert sorted(layer.kind for layer in net.layers) == ["GRU", "Squeeze", "Unsqueeze", "Unsqueeze"]
    assert next(layer.op for layer in net.layers if layer.kind == "GRU") == GRU(linear_before_reset=True)
    np.testing.assert_allclose(net.evaluate(arrays)["y"], wanted, rtol=1e-5, atol=1e-6)


def test_what_is_no_cell() -> None:
    net = Network()
    x, h = net.input("x", float32, ("B", K)), net.input("h", float32, ("B", N))
    net.output("scaled", cell(net, x, h, alpha=2.0))
    assert fuse_gru_cell(net) == 0


@pytest.mark.parametrize("batches", [(3, 1), (1, 3), (3, "M"), ("N", "M")])
@pytest.mark.parametrize("second", [False, True])
def test_batches_of_which_one_may_be_spread(batches: tuple[int | str, int | str], second: bool) -> None:
    net = Network()
    x, h = (net.input(name, float32, (batch, k)) for name, batch, k in zip("xh", batches, (K, N), strict=True))
    net.output("y", cell(net, x, h, second=second))
    assert rewrite(net, fuse_gru_cell)[0] == 0
