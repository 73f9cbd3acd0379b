"""Tests of profiles made of sample inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import ConfigError


def sample(*shape: int, length: int = 5) -> dict[str, Any]:
    return {"x": np.zeros(shape, np.float32), "n": np.zeros((length,), np.int64), "s": np.float32(1)}


def test_the_usual_size_is_the_most_frequent_one() -> None:
    profile = ew.Profile.from_samples([sample(1, 8), sample(3, 8), sample(3, 2), sample(9, 4), sample(9, 4)], "seen")
    assert profile.shapes == {
        "x": ((1, 2), (9, 8), (9, 8)),
        "n": ((5,), (5,), (5,)),
        "s": ((), (), ()),
    }
    assert profile.name == "seen"


def test_an_engine_with_a_profile_of_samples_takes_just_these_sizes() -> None:
    net = ew.Network()
    net.output("y", net.relu(net.input("x", ew.float32, ("N", 4))))
    samples = [{"x": np.ones((n, 4), np.float32)} for n in (2, 3, 5)]
    plan = ew.build(net, ew.BuilderConfig(level=1, timing_cache="", profiles=[ew.Profile.from_samples(samples)]))
    engine = ew.load(plan)
    assert [engine.run(item)["y"].shape[0] for item in samples] == [2, 3, 5]
    with pytest.raises(ew.InputError, match="axis 0 is 6, not 2 to 5"):
        engine.run({"x": np.ones((6, 4), np.float32)})


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        ([], "no samples"),
        ([sample(1, 2), sample(1)], 'sample 1 has another "x" than sample 0: 1, not 1 x 2'),
        ([sample(1, 2), {}], "sample 1 has another .* none, not"),
        ([{"s": 1.0}, sample(1, 2)], "sample 1 has another .*, not none"),
        ([{"s": 1.0}, {"s": [1.0]}], 'another "s" than sample 0: 1, not a scalar'),
    ],
)
def test_samples_that_are_not_alike(samples: list[dict[str, Any]], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        ew.Profile.from_samples(samples)


def test_sequences_and_absent_optionals_are_left_out() -> None:
    pair = [np.zeros((1, 2)), np.zeros((3, 2))]
    samples = [{"x": np.zeros((2,)), "s": pair, "o": np.zeros((3,))}, {"x": [0.0, 1.0, 2.0], "s": [], "o": None}]
    assert ew.Profile.from_samples(samples).shapes == {"x": ((2,), (3,), (3,))}
