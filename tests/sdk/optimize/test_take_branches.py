"""Ifs whose condition is known give way to the branch that is taken."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network, Tensor
from enginewright.optimize.take_branches import take_branches
from enginewright.tensors import bool_, int64
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def branch(outer: Network, *captures: Tensor) -> tuple[Network, list[Tensor]]:
    """An empty branch with what it captures."""
    net = Network("branch", parent=outer)
    return net, [net.input(tensor.name, tensor.dtype, tensor.shape) for tensor in captures]


@pytest.mark.parametrize(("condition", "kinds"), [(True, ["Add", "Tanh"]), (False, ["Relu"])])
def test_the_branch_that_is_taken_stands_where_the_if_stood(condition: bool, kinds: list[str]) -> None:
    net = Network()
    x = net.input("x", FLOAT, ("n", 3))
    then_branch, (inside,) = branch(net, x)
    then_branch.output("y", then_branch.add(inside, then_branch.constant(np.ones(3, np.float32))))
    else_branch, (inside,) = branch(net, x)
    else_branch.output("y", else_branch.relu(inside))
    (y,) = net.if_(net.constant(np.array(condition)), x, then_branch=then_branch, else_branch=else_branch)
    net.output("y", net.tanh(y) if condition else y)
    changes, after = rewrite(net, take_branches)
    assert (changes, operators(after)) == (1, kinds)


def test_what_a_branch_gives_as_it_got_it_is_read_outside() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2,))
    branches = [branch(net, x) for _ in range(2)]
    for inner, (inside,) in branches:
        inner.output("y", inside)
    (y,) = net.if_(net.constant(np.array(True)), x, then_branch=branches[0][0], else_branch=branches[1][0])
    net.output("y", y)
    changes, after = rewrite(net, take_branches)
    assert changes == 1
    assert after.outputs[0][1] is after.inputs[0]


def test_sizes_that_read_captured_values_read_them_outside() -> None:
    net = Network()
    x, k = net.input("x", FLOAT, (12,)), net.input("k", int64, (1,))
    branches = []
    for _ in range(2):
        inner, (data, rows) = branch(net, x, k)
        shape = inner.concat(inner.add(rows, rows), inner.constant(np.array([-1])), axis=0)
        inner.output("y", inner.reshape(data, shape))
        branches.append(inner)
    (y,) = net.if_(net.constant(np.array(True)), x, k, then_branch=branches[0], else_branch=branches[1])
    net.output("y", net.relu(y))
    assert take_branches(net) == 1
    net.infer()
    found = net.evaluate({"x": np.arange(12, dtype=np.float32), "k": np.array([2])})
    assert found["y"].shape == (4, 3)


def test_an_if_with_another_condition_stays() -> None:
    net = Network()
    cond, x = net.input("c", bool_, ()), net.input("x", FLOAT, (2,))
    branches = [branch(net, x) for _ in range(2)]
    for inner, (inside,) in branches:
        inner.output("y", inner.relu(inside))
    (y,) = net.if_(cond, x, then_branch=branches[0][0], else_branch=branches[1][0])
    net.output("y", y)
    assert take_branches(net) == 0
    assert operators(net) == ["If"]


def test_a_loop_inside_the_branch_reads_outside_too() -> None:
    """Its body is shaped by a value that the branch captured: one name for it in all three networks."""
    net = Network()
    x, k = net.input("x", FLOAT, (12,)), net.input("k", int64, (1,))
    branches = []
    for _ in range(2):
        taken, (data, rows) = branch(net, x, k)
        body = Network("body", parent=taken)
        body.input("i", int64, ())
        cond = body.input("c", bool_, ())
        inside = body.input("x", FLOAT, (12,))
        shape = body.concat(body.input("k", int64, (1,)), body.constant(np.array([-1])), axis=0)
        body.output("c", cond)
        body.output("row", body.reshape(inside, shape))
        trips = taken.constant(np.array(3))
        (rows_made,) = taken.loop(trips, None, data, rows, body=body, n_carried=0, n_scan=1)
        taken.output("y", rows_made)
        branches.append(taken)
    (y,) = net.if_(net.constant(np.array(True)), x, k, then_branch=branches[0], else_branch=branches[1])
    net.output("y", net.relu(y))
    assert take_branches(net) == 1
    net.infer()
    assert operators(net) == ["Loop", "Relu"]
    feeds = {"x": np.arange(12, dtype=np.float32), "k": np.array([2])}
    np.testing.assert_array_equal(net.evaluate(feeds)["y"], np.stack([feeds["x"].reshape(2, 6)] * 3))
    engine = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", level=1)))
    np.testing.assert_array_equal(engine.run(feeds)["y"], np.stack([feeds["x"].reshape(2, 6)] * 3))
