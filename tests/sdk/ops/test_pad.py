"""Tests of the operators for longer and shorter axes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import ShapeError
from enginewright.ops.pad import Pad
from enginewright.tensors import TensorSpec, float32
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Pad,)
    constants: ClassVar = {Pad: (3,)}


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(("pads", "fits"), [([-3, 5], False), ([-2, 3], False), ([1, -2], False), ([-1, 3], True)])
@pytest.mark.parametrize("level", [0, 1])
def test_more_is_taken_away_than_there_is(mode: str, pads: list[int], fits: bool, level: int) -> None:
    net = ew.Network()
    x, given = net.input("x", float32, ("N",)), net.input("pads", ew.int64, (2,))
    net.output("y", net.pad(x, given, mode=mode))
    arrays = {"x": np.ones(2, np.float32), "pads": np.array(pads)}
    with ew.load(ew.build(net, ew.BuilderConfig(level=level, timing_cache=""))) as engine:
        if fits or mode == "constant":
            np.testing.assert_array_equal(engine.run(arrays)["y"], Pad(mode).reference(arrays["x"], arrays["pads"]))
            assert engine.run(arrays)["y"].shape == (2 + sum(pads),)
        else:
            with pytest.raises(ew.EnginewrightError, match="nothing"):
                engine.run(arrays)


def test_known_pads_that_take_too_much_are_refused() -> None:
    pads = TensorSpec(ew.int64, (2,), (-3, 5))
    assert Pad("edge").infer(TensorSpec(float32, (3,)), pads).shape == (5,)
    with pytest.raises(ShapeError):
        Pad("edge").infer(TensorSpec(float32, (2,)), pads)


@pytest.mark.parametrize(
    ("pads", "wanted"),
    [((-3, 5), [9, 9, 9, 9]), ((-1, 2), [2, 9, 9]), ((2, -3), [9]), ((3, -2), [9, 9, 9]), ((1, -1), [9, 1])],
)
def test_the_constant_takes_the_place_of_what_is_not_there(pads: tuple[int, int], wanted: list[int]) -> None:
    found = Pad().reference(np.array([1, 2]), np.array(pads), np.array(9))
    np.testing.assert_array_equal(found, wanted)
