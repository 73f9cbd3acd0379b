"""Known contents of small tensors, moved about by shape rules as arrays of Python objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.dims import Dim, Size
from enginewright.errors import ShapeError, SymbolicShapeError
from enginewright.tensors import MAX_VALUE_ELEMENTS, TensorSpec, int32, int64

Array = np.ndarray[Any, Any]


def objects(spec: TensorSpec) -> Array | None:
    """The known contents in the tensor's shape: integers, floats and Dims; None where they are not known."""
    if spec.value is None or not all(isinstance(size, int) for size in spec.shape):
        return None
    return np.fromiter(spec.value, dtype=object, count=len(spec.value)).reshape(spec.shape)


def numbers(spec: TensorSpec) -> Array | None:
    """The contents of an integer tensor as an int64 array; None where one of them is not known before run time."""
    found = spec.constants()
    return None if found is None else np.array(found, np.int64).reshape(spec.shape)


def with_contents(spec: TensorSpec, array: Array) -> TensorSpec:
    """`spec` with these contents, if they are few enough to be kept."""
    if array.size > MAX_VALUE_ELEMENTS:
        return spec
    return replace(spec, value=tuple(array.reshape(-1).tolist()))


def moved(
    reference: Callable[..., Array], result: TensorSpec, *data: TensorSpec, indices: tuple[TensorSpec | None, ...] = ()
) -> TensorSpec:
    """`result` with what `reference` makes of known contents; as it is where they are not known or too many.

    `data` are the inputs whose elements are only moved; `indices` the inputs after them, which must be integers.
    """
    if not isinstance(result.size, int) or result.size > MAX_VALUE_ELEMENTS:
        return result
    arrays = [objects(spec) for spec in data]
    places = [None if spec is None else numbers(spec) for spec in indices]
    if any(array is None for array in arrays) or any(
        place is None and spec is not None for place, spec in zip(places, indices, strict=True)
    ):
        return result
    return with_contents(result, np.asarray(reference(*arrays, *places)))


def sizes_of(spec: TensorSpec, what: str) -> tuple[Size, ...]:
    """The elements of a 1-D (or scalar) integer tensor as sizes, read at run time where they must be.

    `SymbolicShapeError` where even their number is not known.
    """
    found = spec.elements()
    if spec.rank > 1:
        raise ShapeError(f"{what} has {spec.rank} axes, not 1", hint=f"Give {what} as a list of integers.")
    if found is None:
        count_of(spec, what)
        raise SymbolicShapeError(f"{what} is not known", hint=f"Make {what} a constant.")
    return found


def constants_of(spec: TensorSpec, what: str) -> tuple[int, ...]:
    """The elements of an integer tensor that must be known when building; `SymbolicShapeError` where they are not."""
    found = spec.constants()
    if found is None:
        raise SymbolicShapeError(f"{what} is not known before run time", hint=f"Make {what} a constant.")
    return found


def is_unknown(spec: TensorSpec | None) -> bool:
    """Whether contents that decide more than sizes (axes, steps) are given, but known at run time only."""
    return spec is not None and spec.constants() is None


def count_of(spec: TensorSpec, what: str) -> int:
    """How many elements a list has; `SymbolicShapeError` where that is not known."""
    if not isinstance(spec.size, int):
        raise SymbolicShapeError(
            f"how many numbers {what} has is not known, so the number of axes is not known either",
            hint=f"Give {what} a known length.",
        )
    return spec.size


def is_read(size: Size) -> bool:
    """Whether a size depends on contents read at run time, so that it may also be 0 or negative."""
    return isinstance(size, Dim) and any(
        atom.kind == "value" or any(is_read(inner) for inner in atom.sizes) for atom in size.atoms
    )


def dense(array: Array) -> Array:
    """The same array in row-major order, scalars included."""
    return np.ascontiguousarray(array).reshape(array.shape)


def is_index(spec: TensorSpec) -> bool:
    """Whether the elements are int32 or int64, as indices must be."""
    return spec.dtype in (int32, int64)
