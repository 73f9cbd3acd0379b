"""Programs: views take no step, dying inputs are overwritten, outputs are the caller's, sizes decide segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import SymbolicShapeError
from enginewright.plan.meta import Program

PLAIN = ew.BuilderConfig(timing_cache="", level=0)
RNG = np.random.default_rng(0)


def _program(net: ew.Network) -> Program:
    return ew.build(net, PLAIN).meta.programs[0]


def _kinds(program: Program) -> list[str]:
    return [storage.kind for storage in program.storages]


def test_views_take_no_step_and_no_memory() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 2, 3))
    y = net.reshape(net.exp(x), net.constant(np.array([0, 6])))
    net.output("y", net.softmax(net.unsqueeze(y, net.constant(np.array([0])))))
    program = _program(net)
    assert next(step.kernel.split("@")[0] for step in program.steps) == "cpu_pointwise"
    assert len(program.steps) == 2
    assert _kinds(program) == ["input", "output"]


def test_an_input_that_dies_is_overwritten() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 8))
    y = net.softmax(x)
    for _ in range(5):
        y = net.exp(y)
    net.output("y", net.softmax(y))
    assert _kinds(_program(net)) == ["input", "output"]


def test_what_is_read_again_is_not_overwritten() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (3, 8))
    y = net.softmax(x)
    net.output("z", net.add(net.softmax(net.exp(y)), y))
    array = RNG.standard_normal((3, 8)).astype(np.float32)
    engine = ew.load(ew.build(net, PLAIN))
    np.testing.assert_allclose(engine.run({"x": array})["z"], net.evaluate({"x": array})["z"], rtol=1e-5)
    assert (engine.run({"x": array})["z"] == engine.run({"x": array})["z"]).all()


def test_weights_are_stored_once() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (3, 8))
    weight = RNG.standard_normal((8, 8)).astype(np.float32)
    y = net.matmul(net.matmul(x, net.constant(weight)), net.constant(weight.copy()))
    net.output("y", y)
    plan = ew.build(net, PLAIN)
    assert len(plan.meta.weights) == 1
    array = RNG.standard_normal((3, 8)).astype(np.float32)
    np.testing.assert_allclose(ew.load(plan).run({"x": array})["y"], array @ weight @ weight, rtol=1e-4, atol=1e-4)


def test_inputs_and_constants_may_be_outputs() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 2))
    net.output("x2", net.identity(x))
    net.output("one", net.constant(np.float32(1)))
    y = net.exp(x)
    net.output("y", y)
    net.output("y2", net.reshape(y, net.constant(np.array([-1]))))
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    outputs = ew.load(ew.build(net, PLAIN)).run({"x": array})
    assert (outputs["x2"] == array).all()
    assert outputs["one"] == 1
    np.testing.assert_allclose(outputs["y"], np.exp(array), rtol=1e-6)
    assert (outputs["y2"] == outputs["y"].reshape(-1)).all()


@pytest.mark.parametrize("level", [0, 1])
def test_sizes_that_depend_on_data_end_a_segment(level: int) -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 3))
    places = net.transpose(net.nonzero(x), perm=(1, 0))
    net.output("values", net.exp(net.gather_nd(x, places)))
    net.output("places", places)
    plan = ew.build(net, ew.BuilderConfig(timing_cache="", level=level))
    assert len(plan.meta.programs[0].segments) == 2
    engine = ew.load(plan)
    for array in (np.eye(3), np.zeros((2, 3)), np.ones((7, 3)), np.zeros((0, 3))):
        x32 = array.astype(np.float32)
        outputs = engine.run({"x": x32})
        assert (outputs["places"] == np.argwhere(x32)).all()
        np.testing.assert_allclose(outputs["values"], np.exp(x32[x32 != 0]), rtol=1e-6)


def test_sizes_that_are_values_are_read_before_the_step() -> None:
    net = ew.Network()
    x, shape = net.input("x", ew.float32, ("N", 6)), net.input("shape", ew.int64, (2,))
    net.output("y", net.reshape(net.exp(x), net.add(shape, net.constant(np.array([0, 1])))))
    engine = ew.load(ew.build(net, PLAIN))
    array = RNG.standard_normal((4, 6)).astype(np.float32)
    for rows, columns in ((8, 3), (2, 12), (8, 3)):
        outputs = engine.run({"x": array, "shape": np.array([rows, columns - 1])})
        np.testing.assert_allclose(outputs["y"], np.exp(array).reshape(rows, columns), rtol=1e-6)
    with pytest.raises(ew.ShapeError):
        engine.run({"x": array, "shape": np.array([5, 4])})


def test_a_size_that_no_input_tells_is_refused() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (ew.Dim("N") * 2,))
    net.output("y", net.exp(x))
    with pytest.raises(SymbolicShapeError, match="N"):
        ew.build(net, PLAIN)


def _branch(net: ew.Network, double: bool) -> ew.Network:
    branch = ew.Network("branch", parent=net)
    x = branch.input("x", ew.float32, ("N", 4))
    branch.output("y", branch.concat(x, x, axis=0) if double else branch.exp(x))
    return branch


def test_branches_with_different_sizes() -> None:
    net = ew.Network()
    cond, x = net.input("cond", ew.bool_, ()), net.input("x", ew.float32, ("N", 4))
    (y,) = net.if_(cond, x, then_branch=_branch(net, True), else_branch=_branch(net, False))
    net.output("y", net.mul(y, net.constant(np.float32(2))))
    engine = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", level=1)))
    array: Any = RNG.standard_normal((3, 4)).astype(np.float32)
    for cond_value, expected in (
        (True, np.concatenate([array, array])),
        (False, np.exp(array)),
        (True, np.concatenate([array, array])),
    ):
        outputs = engine.run({"cond": np.array(cond_value), "x": array})
        np.testing.assert_allclose(outputs["y"], 2 * expected, rtol=1e-6)


def test_a_size_is_read_through_a_view_of_what_a_step_wrote() -> None:
    net = ew.Network()
    sizes = net.input("sizes", ew.int64, (2,))
    doubled = net.add(sizes, sizes)
    second = net.squeeze(net.split(doubled, None, axis=0, num_outputs=2)[1], net.constant(np.array([0])))
    net.output("y", net.range(net.constant(np.array(0)), second, net.constant(np.array(1))))
    outputs = ew.load(ew.build(net, PLAIN)).run({"sizes": np.array([1, 3])})
    np.testing.assert_array_equal(outputs["y"], np.arange(6))
