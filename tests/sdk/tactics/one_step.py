"""Runs one layer with one tactic as a plan of a single step, the way the tuner times it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from enginewright import _native, ops, tactics
from enginewright.compiler.candidates import REFERENCE, Candidates, candidates
from enginewright.compiler.choice import Choice
from enginewright.compiler.lowering import Programs
from enginewright.compiler.weights import WeightPool
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram
from enginewright.plan.meta import SCHEMA, Meta
from enginewright.registry.registry import registry
from enginewright.runtime.session import Session, output_array
from enginewright.tensors import DataType, TensorSpec, bfloat16, float32

Array = np.ndarray[Any, Any]
ops.load()
tactics.load()

TOLERANCE = {float32: 2e-5, DataType.FLOAT64: 1e-12, DataType.FLOAT16: 2e-3, DataType.BFLOAT16: 1.6e-2}
"""Relative to the largest element of the output: sums are added in another order than NumPy's."""


class OneLayer:
    """A network of one layer; inputs `constants` are constants, as weights are."""

    def __init__(self, op: Any, arrays: list[Array | None], constants: set[int]) -> None:
        self.op, self.arrays = op, arrays
        self.network = Network()
        inputs: list[Tensor | None] = []
        for index, array in enumerate(arrays):
            if array is None:
                inputs.append(None)
            elif index in constants:
                inputs.append(self.network.constant(array))
            else:
                inputs.append(self.network.input(f"x{index}", DataType.of(array), array.shape))
        for index, tensor in enumerate(self.network.add(op, *inputs)):
            self.network.output(f"y{index}", tensor)

    def candidates(self) -> Candidates:
        """All tactics of the layer."""
        found = candidates(self.network.layers[0], every_isa=True)
        return Candidates(tuple(choice for choice in found.choices if choice.tactic != REFERENCE), found.rejected)

    def choices(self, choice: Choice) -> dict[Layer, Choice]:
        """What runs each layer of the network."""
        return {self.network.layers[0]: choice}

    def session(self, choice: Choice, *, threads: int = 2, place: Callable[[Array], Array] = np.asarray) -> Session:
        """One on a plan in which this choice runs the layer; `place` says where its weights lie."""
        programs = Programs(self.choices(choice), WeightPool())
        programs.add(self.network)
        done = [program for program in programs.programs if program is not None]
        meta = Meta(SCHEMA, [], [], [], done, programs.weights.records, programs.operators)
        return Session(meta, place(programs.weights.data()), threads=threads)

    def run(self, choice: Choice, *, threads: int = 2) -> list[Array]:
        """The outputs of a plan in which this choice runs the layer."""
        session = self.session(choice, threads=threads)
        names = {f"x{index}": array for index, array in enumerate(self.arrays) if array is not None}
        inputs = [np.ascontiguousarray(names[t.name]).reshape(names[t.name].shape) for t in self.network.inputs]
        poisoned = [poison(array) for array in inputs]
        # Each run that counts, the second one as a graph, finds NaN where the run before left what it wrote.
        for given in (poisoned, inputs, poisoned, inputs) if choice.device else (inputs,):
            for index, array in enumerate(given):
                session.bind_input(index, array)
            session.run()
        return [output_array(session.context, k, tensor.dtype) for k, (_, tensor) in enumerate(self.network.outputs)]

    def expected(self) -> list[Array]:
        """What the reference gives."""
        found = self.op.reference(*self.arrays)
        return list(found) if isinstance(found, tuple) else [found]

    def check(self) -> int:
        """Run every tactic on every instruction set against the reference; the number of runs."""
        expected = self.expected()
        choices = self.candidates().choices
        for choice in choices:
            for found, wanted in zip(self.run(choice), expected, strict=True):
                assert_close(found, wanted, f"{choice.tactic} {choice.kernel}")
        return len(choices)


def poison(array: Array) -> Array:
    """NaN in place of all floats."""
    return np.full_like(array, np.nan) if DataType.of(array).is_float else array


def assert_close(found: Array, wanted: Array, what: str) -> None:
    """Integers equal; floats within the tolerance of their type; NaN and infinity in the same places."""
    assert found.shape == wanted.shape, what
    assert found.dtype == wanted.dtype, what
    dtype = DataType.of(wanted)
    if dtype not in TOLERANCE:
        kind = (
            np.float32 if wanted.dtype.kind == "V" else wanted.dtype
        )  # NumPy knows no NaN of types that are not its own
        np.testing.assert_array_equal(found.astype(kind), wanted.astype(kind), err_msg=what)
        return
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    finite = np.abs(b[np.isfinite(b)])
    scale = max(float(finite.max()), 1e-3) if finite.size else 0.0  # tails of gelu and tanh have absolute errors
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * min(scale, 1e30), err_msg=what)


def arrays_of(inputs: list[Any], spread: float = 2) -> list[Array | None]:
    """Random arrays for specs, signed where the type is; known contents and given arrays as they are."""
    rng = np.random.default_rng(0)
    return [random_array(rng, item, spread) if isinstance(item, TensorSpec) else item for item in inputs]


def random_array(rng: np.random.Generator, spec: TensorSpec, spread: float) -> Array:
    """Normal floats of this standard deviation, small integers of both signs, bools."""
    if spec.value is not None:
        return np.array(spec.value, spec.dtype.numpy).reshape(spec.shape)
    if spec.dtype is DataType.BOOL:
        return rng.integers(0, 2, spec.shape).astype(bool)
    if spec.dtype.is_integer:
        return rng.integers(0 if spec.dtype.name.startswith("U") else -4, 7, spec.shape).astype(spec.dtype.numpy)
    return np.asarray(rng.standard_normal(spec.shape) * spread).astype(np.float32).astype(spec.dtype.numpy)


def fused_examples(op: Any, inputs: list[Any]) -> Iterator[tuple[Fused, list[Any]]]:
    """The operator with programs behind it: bias by column, residual and activation, scale by row, casts."""
    arrays = arrays_of(inputs)
    first = op.reference(*arrays)
    shape = (first[0] if isinstance(first, tuple) else first).shape
    for program, extras in _programs(shape):
        yield Fused(op, program), [*arrays, *(TensorSpec(float32, extra) for extra in extras)]


def _programs(shape: tuple[int, ...]) -> Iterator[tuple[PointwiseProgram, list[tuple[int, ...]]]]:
    p = Builder(float32)
    yield p.finish(p.max(p.inputs[0], p.constant(float32, 0))), []
    p = Builder(float32, float32, float32)
    yield p.finish(p.gelu(p.add(p.add(p.inputs[0], p.inputs[1]), p.inputs[2]))), [shape[-1:], shape]
    p = Builder(float32, float32, float32)
    x = p.mul(p.inputs[0], p.inputs[1])
    y = p.add(p.mul(x, p.tanh(x)), p.inputs[2])
    yield p.finish(p.where(p.less(y, x), p.constant(float32, 0.5), y)), [(), shape]
    yield from _patterns(shape)
    if len(shape) > 2:
        p = Builder(float32, float32)
        channel = (shape[1], *(1 for _ in shape[2:]))
        yield p.finish(p.mul(p.inputs[0], p.sigmoid(p.add(p.inputs[0], p.inputs[1])))), [channel]


def _patterns(shape: tuple[int, ...]) -> Iterator[tuple[PointwiseProgram, list[tuple[int, ...]]]]:
    """What kernels know by name: hard swish between scales, a clipped line, slopes for negative elements."""
    p = Builder(float32, float32)
    x = p.add(p.inputs[0], p.inputs[1])
    gate = p.min(p.max(p.add(x, p.constant(float32, 3)), p.constant(float32, 0)), p.constant(float32, 6))
    y = p.mul(p.div(p.mul(x, gate), p.constant(float32, 6)), p.constant(float32, 0.4))
    yield p.finish(p.sub(y, p.constant(float32, 0.3))), [shape[-1:]]
    p = Builder(float32)
    x = p.add(p.mul(p.inputs[0], p.constant(float32, 0.2)), p.constant(float32, 0.5))
    yield p.finish(p.min(p.max(x, p.constant(float32, -5)), p.constant(float32, 50))), []
    p = Builder(float32, float32)
    below = p.less(p.inputs[0], p.constant(float32, 0))
    yield p.finish(p.where(below, p.mul(p.inputs[0], p.inputs[1]), p.inputs[0])), [shape[-1:]]
    p = Builder(float32)
    yield p.finish(p.max(p.inputs[0], p.mul(p.inputs[0], p.constant(float32, 0.1)))), []
    p = Builder(float32, float32, float32)
    yield p.finish(p.add(p.inputs[2], p.gelu(p.add(p.inputs[0], p.inputs[1])))), [shape[-1:], shape]


def narrowed(op: Any) -> Fused:
    """The operator with its output rounded to bfloat16, which is all that some kernels are exact enough for."""
    p = Builder(float32)
    return Fused(op, p.finish(p.cast(p.inputs[0], bfloat16)))


def operators_with_tactics() -> list[type[Any]]:
    """Every operator class that a native tactic can run, by key."""
    return [registry.operators[key] for key in sorted(registry.tactics) if hasattr(registry.operators[key], "examples")]


def has_kernels() -> bool:
    """Whether the native library has been built with kernels."""
    return bool(_native.kernel_names())
