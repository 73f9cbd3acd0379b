"""Views of memory that a step writes: what is read through them while sizes are resolved."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew


def run(net: ew.Network, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Build without optimization, so that every view stays, and run once."""
    return ew.load(ew.build(net, ew.BuilderConfig(level=0))).run(inputs)


def test_size_read_through_a_view() -> None:
    """A size that a step computes is read through the Unsqueeze behind it."""
    net = ew.Network()
    count = net.input("count", ew.int64, ())
    more = net.add(count, net.constant(np.array(1)))
    net.output("y", net.constant_of_shape(net.unsqueeze(more, net.constant(np.array([0]))), value=2.0))
    np.testing.assert_array_equal(run(net, count=np.array(3))["y"], np.full(4, 2.0, np.float32))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_size_read_through_a_view_of_a_view(position: int) -> None:
    """Each element of a reshaped tensor is the one that its own place holds."""
    net = ew.Network()
    sizes = net.input("sizes", ew.int64, (3, 1))
    doubled = net.add(sizes, sizes)
    flat = net.reshape(net.unsqueeze(doubled, net.constant(np.array([0]))), net.constant(np.array([3])))
    one = net.slice(flat, net.constant(np.array([position])), net.constant(np.array([position + 1])))
    net.output("y", net.constant_of_shape(one))
    given = np.array([[1], [2], [3]])
    assert run(net, sizes=given)["y"].shape == (2 * given[position, 0],)
