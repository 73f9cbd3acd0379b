"""Runs one layer with one tactic on generated data, as a plan of a single step: to time it, or to check it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from enginewright.compiler.candidates import candidates
from enginewright.compiler.lowering import Choice, Programs
from enginewright.compiler.weights import WeightPool
from enginewright.dims import evaluate, room
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.plan.meta import SCHEMA, Meta
from enginewright.runtime.session import Session, output_array
from enginewright.tensors import TensorSpec

Array = np.ndarray[Any, Any]
MAX_TIMED_BYTES = 2**28


@dataclass(frozen=True)
class OneStep:
    """A plan of one layer, ready to run: its session, the arrays of the layer's inputs, the specs of its outputs."""

    session: Session
    arrays: list[Array | None]
    specs: list[TensorSpec]

    def runs(self) -> bool:
        """Run once, so that all memory is there; False where generated data is refused."""
        try:
            self.session.run()
        except EnginewrightError:
            return False
        return True

    def outputs(self) -> list[Array]:
        """What the last run gave."""
        return [output_array(self.session.context, index, spec.dtype) for index, spec in enumerate(self.specs)]


def one_step(
    layer: Layer, choice: Choice, specs: list[TensorSpec | None], threads: int, target: str = "cpu"
) -> OneStep | None:
    """A plan of just this layer, at these sizes; None where that can't be made or would be too large."""
    network = Network(f"timing {layer.name}")
    inputs = [
        _input(network, index, tensor, spec)
        for index, (tensor, spec) in enumerate(zip(layer.inputs, specs, strict=True))
    ]
    try:
        outputs = network.add(layer.op, *inputs)
        for index, tensor in enumerate(outputs):
            network.output(f"y{index}", tensor)
        if sum(evaluate(room(tensor.spec.nbytes), {}) for tensor in (*network.inputs, *outputs)) > MAX_TIMED_BYTES:
            return None
        device = target.partition(":")[0] if choice.device else "cpu"
        found = candidates(network.layers[0], every_isa=True, nondeterministic=True, device=device).choices
        alike = [c for c in found if (c.kernel, c.plugin) == (choice.kernel, choice.plugin)]
        again = next(c for c in alike if c.tactic == choice.tactic or not choice.device)
        programs = Programs({network.layers[0]: again}, WeightPool())
        programs.add(network)
        session = Session(_meta(programs), programs.weights.data(), threads=threads, target=target)
        given = {tensor: _data(tensor.spec) for tensor in network.inputs}
        for index, tensor in enumerate(network.inputs):
            session.bind_input(index, given[tensor])
    except (EnginewrightError, StopIteration):
        return None
    arrays = [None if tensor is None else given.get(tensor, tensor.const) for tensor in inputs]
    return OneStep(session, arrays, [tensor.spec for tensor in outputs])


def _input(network: Network, index: int, tensor: Tensor | None, spec: TensorSpec | None) -> Tensor | None:
    if tensor is None or spec is None:
        return None
    if tensor.const is not None:
        return network.constant(tensor.const, tensor.name)
    made = network.input(f"x{index}", spec.dtype, spec.shape)
    if spec.value is not None and all(isinstance(value, int | float) for value in spec.value):
        made.spec = replace(made.spec, value=spec.value)
    return made


def _data(spec: TensorSpec) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Normal numbers, zeros for integers: an index of 0 is valid nearly everywhere."""
    shape = tuple(int(size) for size in spec.shape if isinstance(size, int))
    if spec.value is not None:
        return np.array(spec.value, spec.dtype.numpy).reshape(shape)
    if spec.dtype.is_float:
        return np.random.default_rng(0).standard_normal(shape).astype(spec.dtype.numpy)
    return np.zeros(shape, spec.dtype.numpy)


def _meta(programs: Programs) -> Meta:
    done = [program for program in programs.programs if program is not None]
    return Meta(SCHEMA, [], [], [], done, programs.weights.records, programs.operators)
