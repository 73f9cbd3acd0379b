"""Checks that every bundled operator must pass: shape rule, native tactic on one thread and on two, a saved plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.compiler.checking import difference
from enginewright.dims import Size, evaluate, substitute
from enginewright.registry.registry import infer_specs
from tests.sdk.tactics.one_step import OneLayer, arrays_of

Array = np.ndarray[Any, Any]
QUIET = ew.BuilderConfig(timing_cache="", threads=2)


def outputs_of(op: Any, arrays: list[Array | None]) -> tuple[Array, ...]:
    """What the reference gives, always as a tuple."""
    found = op.reference(*arrays)
    return found if isinstance(found, tuple) else (found,)


def check_shapes(op: Any, inputs: list[Any]) -> None:
    """The shape rule with a symbol for each size gives the types and sizes that the reference has."""
    arrays, symbols = arrays_of(inputs), dict[str, int]()
    specs = [None if array is None else _symbolic(array, number, symbols) for number, array in enumerate(arrays)]
    expected = outputs_of(op, arrays)
    for made in (infer_specs(op, specs), infer_specs(op, [None if a is None else _static(a) for a in arrays])):
        assert [spec.dtype.numpy for spec in made] == [array.dtype for array in expected]
        for spec, array in zip(made, expected, strict=True):
            assert spec.rank == array.ndim
            for size, real in zip(spec.shape, array.shape, strict=True):
                _check_size(size, real, symbols)


def _check_size(size: Size, real: int, symbols: dict[str, int]) -> None:
    bound = substitute(size, lambda atom: atom.sizes[0] if atom.kind == "data" else None)
    assert real == evaluate(bound, symbols) if bound == size else real <= evaluate(bound, symbols)


def _static(array: Array) -> ew.TensorSpec:
    return ew.TensorSpec(ew.DataType.of(array), array.shape)


def _symbolic(array: Array, number: int, symbols: dict[str, int]) -> ew.TensorSpec:
    names = [f"d{number}_{axis}" for axis in range(array.ndim)]
    symbols.update(zip(names, array.shape, strict=True))
    return ew.TensorSpec(ew.DataType.of(array), tuple(map(ew.Dim, names)))


def check_native(op: Any, inputs: list[Any]) -> None:
    """The one native tactic gives what the reference gives, the same bits on one thread and on two."""
    layer = OneLayer(op, arrays_of(inputs), set())
    (choice,) = layer.candidates().choices
    one, two = layer.run(choice, threads=1), layer.run(choice, threads=2)
    for first, second, wanted in zip(one, two, layer.expected(), strict=True):
        np.testing.assert_array_equal(first, second)
        assert difference(first, wanted, op) == ""


def run_saved(op: Any, arrays: list[Array | None], folder: Path) -> list[Array]:
    """The outputs of a plan of this operator that was built with the public interface, saved and loaded."""
    net = ew.Network()
    tensors = [None if a is None else net.input(f"x{i}", ew.DataType.of(a), a.shape) for i, a in enumerate(arrays)]
    for index, tensor in enumerate(net.add(op, *tensors)):
        net.output(f"y{index}", tensor)
    ew.build(net, QUIET).save(folder / "one.plan")
    with ew.load(folder / "one.plan") as engine:
        made = engine.run({f"x{i}": a for i, a in enumerate(arrays) if a is not None})
    return [made[f"y{index}"] for index in range(len(made))]
