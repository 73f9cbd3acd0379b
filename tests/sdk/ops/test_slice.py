"""Tests of the operators for parts of axes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from hypothesis import given, strategies as st

from enginewright.dims import Dim, evaluate, substitute
from enginewright.ops.slice import Slice
from enginewright.tensors import TensorSpec, float32, int64
from tests.sdk.ops.examples import ExampleTests, constant_spec


class TestExamples(ExampleTests):
    operators = (Slice,)
    constants: ClassVar = {Slice: (3, 4)}


def test_a_backward_slice_from_before_the_axis_begins_at_its_first_element() -> None:
    """ONNX clamps that start to 0; Python and onnx's reference give nothing."""
    np.testing.assert_array_equal(Slice().reference(np.arange(3), *np.array([[-9], [-9], [0], [-1]])), [0])


BOUNDS = st.one_of(st.integers(-12, 12), st.sampled_from([-(2**63), 2**63 - 1, -(2**31), 2**31 - 1]))


def elements_of(size: int, start: int, end: int, step: int) -> range:
    """The places that ONNX's text gives: a start goes to [0, size] or, backwards, to [0, size - 1]."""
    start, end = (place + size if place < 0 else place for place in (start, end))
    if step > 0:
        return range(min(max(start, 0), size), min(max(end, 0), size), step)
    return range(max(min(start, size - 1), 0), max(min(end, size - 1), -1), step) if size else range(0)


@given(st.integers(0, 9), BOUNDS, BOUNDS, st.integers(1, 4), st.booleans())
def test_places_are_those_of_the_text(size: int, start: int, end: int, step: int, backwards: bool) -> None:
    stride = -step if backwards else step
    places = elements_of(size, start, end, stride)
    expected = len(places)
    known, axes, steps = (
        TensorSpec(float32, (Dim("N"),)),
        constant_spec(np.array([0])),
        constant_spec(np.array([stride])),
    )
    bounds = constant_spec(np.array([start])), constant_spec(np.array([end]))
    assert evaluate(Slice().infer(known, *bounds, axes, steps).shape[0], {"N": size}) == expected
    read = TensorSpec(int64, (1,), uid=1), TensorSpec(int64, (1,), uid=2)
    numbers = {"symbol": {"N": size}, "value": {1: start, 2: end}}
    count = Slice().infer(known, *read, axes, steps).shape[0]
    assert substitute(count, lambda atom: numbers.get(atom.kind, {}).get(atom.args[0])) == expected
    array = np.arange(size, dtype=np.float32)
    lists = np.array([start]), np.array([end]), np.array([0]), np.array([stride])
    np.testing.assert_array_equal(Slice().reference(array, *lists), array[list(places)])
