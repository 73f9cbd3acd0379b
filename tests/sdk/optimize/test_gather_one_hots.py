"""Products with one-hot rows become look-ups; what depends on a small table only is computed when building."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network, Tensor
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.gather_one_hots import gather_one_hots
from tests.sdk.optimize.rewriting import rewrite

RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((5, 7)).astype(np.float32)
NUMBERS = np.array([[0], [4], [2], [-1], [5], [900], [-900]])
"""Those that are no row give zeros."""


def product(net: Network, dtype: ew.DataType, table: np.ndarray, first: int = 0) -> Tensor:  # type: ignore[type-arg]
    x = net.input("x", dtype, ("N", 1))
    numbers = net.constant(np.arange(first, first + len(table), dtype=dtype.numpy))
    return net.matmul(net.cast(net.equal(x, numbers), to=ew.float32), net.constant(table))


@pytest.mark.parametrize("dtype", [ew.int32, ew.int64])
def test_rows_and_what_is_computed_of_them(dtype: ew.DataType) -> None:
    net = Network()
    bias = net.constant(RNG.standard_normal((1, 7)).astype(np.float32))
    y = net.add(product(net, dtype, TABLE), bias)
    net.output("y", net.mul(y, net.sigmoid(y)))
    x = {"x": NUMBERS.astype(dtype.numpy)}
    wanted = net.evaluate(x)["y"]
    assert gather_one_hots(net) == 4  # the product, the sum, the sigmoid, the gate
    eliminate_dead(net)
    net.infer()
    assert [layer.kind for layer in net.layers] == ["Clip", "Add", "Squeeze", "Gather"]
    np.testing.assert_array_equal(net.evaluate(x)["y"], wanted)


def test_others_are_left() -> None:
    for net, y in ((net, product(net, ew.int32, table, first)) for net, table, first in (
        (Network(), TABLE, 1),
        (Network(), np.full((5, 7), np.inf, np.float32), 0),
    )):  # fmt: skip
        net.output("y", y)
        assert gather_one_hots(net) == 0


def test_large_tables_and_numbers_by_row_are_not_computed_ahead() -> None:
    net = Network()
    which = net.input("which", ew.int64, (3,))
    large = net.gather(net.constant(np.zeros((70000, 1), np.float32)), which)
    small = net.gather(net.constant(np.zeros((7, 1), np.float32)), which)
    net.output("a", net.relu(large))
    net.output("b", net.mul(small, net.constant(np.ones((3, 1), np.float32))))
    assert gather_one_hots(net) == 0


@pytest.mark.parametrize(("rows", "folded"), [(5, 1), (7, 0), (1, 0)])
def test_tables_picked_alike_need_as_many_rows(rows: int, folded: int) -> None:
    """The same indices are other rows from the end of a longer table."""
    net = Network()
    which = net.constant(np.array([0, -1, 0])) if rows == 1 else net.input("which", ew.int64, (6,))
    other = net.constant(RNG.standard_normal((rows, 7)).astype(np.float32))
    net.output("y", net.add(net.gather(net.constant(TABLE), which), net.gather(other, which)))
    assert rewrite(net, gather_one_hots)[0] == folded
