"""Views: layers that only name other bytes of their input take no step, and what they hold can be read as sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def run(network: Network, **feeds: Array) -> tuple[Array, list[str]]:
    """The output y, and the operators that have a step."""
    plan = ew.build(network)
    return ew.load(plan).run(feeds)["y"], [layer.operator for layer in plan.report.layers]


def integers(net: Network, *numbers: int) -> Tensor:
    return net.constant(np.array(numbers, np.int64))


def test_sizes_are_read_through_a_view() -> None:
    net = Network()
    x, sizes = net.input("x", ew.float32, (2, 1)), net.input("sizes", ew.int64, (2,))
    twice = net.slice(net.concat(sizes, sizes), integers(net, 2), integers(net, 4))
    net.output("y", net.expand(x, twice))
    found, _ = run(net, x=np.ones((2, 1), np.float32), sizes=np.array([2, 3]))
    np.testing.assert_array_equal(found, np.ones((2, 3)))


@pytest.mark.parametrize("length", [1, 5])
def test_layers_that_are_views_take_no_step(length: int) -> None:
    net = Network()
    x = net.relu(net.input("x", ew.float32, (1, "S", 6)))
    rows = net.slice(net.reshape(x, integers(net, 0, 3, 2, -1)), integers(net, 0), integers(net, 1), integers(net, 1))
    net.output("y", net.neg(net.squeeze(net.transpose(rows, perm=(0, 1, 3, 2)), integers(net, 0))))
    array = np.arange(length * 6, dtype=np.float32).reshape(1, length, 6)
    found, steps = run(net, x=array)
    expected = -array.reshape(1, 3, 2, length)[:, :1].transpose(0, 1, 3, 2).squeeze(0)
    np.testing.assert_array_equal(found, expected)
    assert not {"Reshape", "Slice", "Squeeze"} & set(steps)


def test_a_row_of_a_table_is_a_view() -> None:
    net = Network()
    table = net.relu(net.input("x", ew.float32, (4, 3)))
    net.output("y", net.neg(net.gather(table, net.constant(np.array(-2)))))
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    found, steps = run(net, x=array)
    np.testing.assert_array_equal(found, -array[-2])
    assert "Gather" not in steps
