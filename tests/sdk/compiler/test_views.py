"""Views of memory that a step writes: what is read through them while sizes are resolved."""

from __future__ import annotations

import numpy as np
import onnx
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


GROWN = """<ir_version: 10, opset_import: ["" : 21]>
g (double[1] x) => (double first, double[N] all, double second) <int64 none = {0}, int64 one = {1}, int64 count = {3}> {
   all = Loop (count, "", x) <body = b (int64 i, bool cond, double[] state) => (bool again, double[] longer) {
      again = Identity (cond)
      longer = Concat <axis = 0> (state, x)
   }>
   first = Gather <axis = 0> (all, none)
   second = Gather <axis = 0> (all, one)
}"""


@pytest.mark.parametrize("names", [["second"], ["first", "all", "second"], ["all", "first"], ["first", "second"]])
def test_outputs_that_are_parts_of_memory_that_grows(names: list[str]) -> None:
    """They are copied out of it: only what a kernel writes whole is written straight into the caller's memory."""
    model = onnx.parser.parse_model(GROWN)
    outputs = {info.name: info for info in model.graph.output}
    del model.graph.output[:]
    model.graph.output.extend(outputs[name] for name in names)
    found = ew.load(ew.build(model, ew.BuilderConfig(level=0))).run({"x": np.array([1.5])})
    expected = {"first": 1.5, "second": 1.5, "all": [1.5] * 4}
    assert {name: array.tolist() for name, array in found.items()} == {name: expected[name] for name in names}
