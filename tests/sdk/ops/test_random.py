"""Tests of the operators for random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.random import (
    Bernoulli,
    Multinomial,
    RandomNormal,
    RandomNormalLike,
    RandomUniform,
    RandomUniformLike,
    seed_of,
)
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import Operator
from tests.sdk.ops.examples import arrays_of, check_static, check_symbolic, examples_of, outputs_of

EXAMPLES = list(examples_of(Bernoulli, Multinomial, RandomNormal, RandomNormalLike, RandomUniform, RandomUniformLike))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_same_numbers_each_time(op: Operator, inputs: list[Any]) -> None:
    arrays = arrays_of(inputs)
    for first, again in zip(outputs_of(op, arrays), outputs_of(op, arrays), strict=True):
        np.testing.assert_array_equal(first, again)


def test_distributions() -> None:
    normal = RandomNormal((100, 1000), mean=3.0, scale=2.0).reference()
    assert abs(normal.mean() - 3) < 0.05
    assert abs(normal.std() - 2) < 0.05
    uniform = RandomUniform((100, 1000), low=-1.0, high=3.0).reference()
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert abs(uniform.mean() - 1) < 0.05
    assert abs(Bernoulli().reference(np.full((100, 1000), 0.3, np.float32)).mean() - 0.3) < 0.01


def test_classes_are_drawn_by_weight() -> None:
    weights = np.log(np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], np.float32))
    drawn = Multinomial(20000).reference(weights)
    for row, expected in zip(drawn, np.exp(weights), strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / 20000, expected, atol=0.02)


def test_nodes_without_a_seed_draw_different_numbers() -> None:
    first, second = (OnnxNode("RandomNormal", "", 1, name, (), (name,)) for name in ("a", "b"))
    assert seed_of(first) != seed_of(second)
    assert seed_of(OnnxNode("RandomNormal", "", 1, "c", (), ("c",), {"seed": 7.0})) == 7
