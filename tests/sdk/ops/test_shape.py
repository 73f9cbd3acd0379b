"""Tests of the operators for shapes as data and data in another shape."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, strategies as st

from enginewright.dims import Atom, Dim, collect_checks, evaluate, product, substitute
from enginewright.errors import ShapeError, SymbolicShapeError
from enginewright.ops.shape import Flatten, Identity, Reshape, Shape, ShapeValue, Size, Squeeze, Unsqueeze
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import ExampleTests, check_against_onnx


class TestExamples(ExampleTests):
    operators = (Flatten, Identity, Reshape, Shape, ShapeValue, Size, Squeeze, Unsqueeze)
    constants: ClassVar = {Squeeze: (1,), Unsqueeze: (1,)}

    def test_reference(self, op: Operator, inputs: list[Any]) -> None:
        if not isinstance(op, ShapeValue):
            check_against_onnx(op, inputs)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_reshape_finds_what_is_left(sizes: list[int], data: st.DataObject) -> None:
    names = {f"d{axis}": size for axis, size in enumerate(sizes)}
    spec = TensorSpec(float32, tuple(Dim(name) for name in names))
    merged = data.draw(st.integers(0, len(sizes) - 1))
    wanted: list[Any] = [*spec.shape[:merged], -1, *spec.shape[merged + 1 :]]
    shape = TensorSpec(int64, (len(wanted),), tuple(wanted))
    assert Reshape().infer(spec, shape).shape == spec.shape
    halves = TensorSpec(int64, (2,), (product(spec.shape[:merged]), -1))
    found = Reshape().infer(spec, halves).shape
    assert [evaluate(size, names) for size in found] == [int(np.prod(sizes[:merged])), int(np.prod(sizes[merged:]))]


@pytest.mark.parametrize("wanted", [[-1, 4], [0, 6, -1], [0, 0, 4], [3, -1, 2, 2], [6, 4]])
def test_reshape_with_a_shape_read_at_run_time(wanted: list[int]) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = Reshape().infer(TensorSpec(float32, array.shape), TensorSpec(int64, (len(wanted),), uid=7)).shape
    sizes = [substitute(size, lambda atom: dict(enumerate(wanted)).get(_element(atom))) for size in found]
    assert sizes == list(Reshape().reference(array, np.array(wanted)).shape)


@pytest.mark.parametrize("wanted", [[-1, -1], [5, 5], [-2, 12], [-1, 0, 0, 0]])
def test_reshape_that_is_impossible(wanted: list[int]) -> None:
    with pytest.raises(ShapeError):
        Reshape().infer(TensorSpec(float32, (2, 3, 4)), TensorSpec(int64, (len(wanted),), tuple(wanted)))


def test_squeeze_without_axes_keeps_named_dimensions_and_checks_them() -> None:
    with collect_checks() as checks:
        assert Squeeze().infer(TensorSpec(float32, (1, Dim("N"), 1))).shape == (Dim("N"),)
    assert [check.kind for check in checks] == ["at_least"]


def test_axes_are_named_once() -> None:
    with pytest.raises(ShapeError):
        Unsqueeze().infer(TensorSpec(float32, (2,)), TensorSpec(int64, (2,), (0, -3)))
    with pytest.raises(SymbolicShapeError):
        Unsqueeze().infer(TensorSpec(float32, (2,)), TensorSpec(int64, (Dim("N"),)))


def _element(atom: Atom) -> int:
    """Which element of the shape a size reads; -1 where it is computed."""
    return int(str(atom.args[1])) if atom.kind == "value" else -1
