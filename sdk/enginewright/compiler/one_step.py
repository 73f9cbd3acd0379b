"""Runs one layer with one tactic on generated data, as a plan of a single step: to time it, or to check it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from enginewright.compiler.candidates import candidates
from enginewright.compiler.choice import Choice
from enginewright.compiler.lowering import Programs
from enginewright.compiler.weights import WeightPool
from enginewright.device.memory import DeviceArray, copies_on_device
from enginewright.dims import evaluate, room
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.plan.meta import SCHEMA, Meta
from enginewright.runtime.session import Session, output_array
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]
MAX_TIMED_BYTES = 2**28
PERIOD = 2**16 + 1  # random numbers, which then repeat: to draw more takes longer than to run the layer


@dataclass(frozen=True)
class OneStep:
    """A plan of one layer, ready to run: its session, the arrays of the layer's inputs, the specs of its outputs."""

    session: Session
    arrays: list[Array | None]
    specs: list[TensorSpec]
    data: tuple[Array, ...] = ()

    def fill(self, seed: int) -> None:
        """Write other numbers into the inputs of floats; 0: those that were there at first. Known values stay."""
        for array in self.data:
            if DataType.of(array).is_float:
                array[...] = _normal(array.shape, array.dtype, seed)

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


@dataclass(frozen=True)
class OneLayer:
    """A network of just one layer at sizes that are numbers, with data for its inputs: `copies` lie on the device."""

    network: Network
    inputs: list[Tensor | None]
    data: dict[Tensor, Array]
    copies: dict[Tensor, DeviceArray]
    target: str

    def step(self, choice: Choice, threads: int) -> OneStep | None:
        """The plan in which this choice runs the layer; None where that can't be made."""
        again = self._at_these_sizes(choice)
        if again is None:
            return None
        try:
            programs = Programs({self.network.layers[0]: again}, WeightPool())
            programs.add(self.network)
            session = Session(meta_of(programs), programs.weights.data(), threads=threads, target=self.target)
            for index, tensor in enumerate(self.network.inputs):
                if tensor in self.copies:
                    session.bind_device_input(index, self.copies[tensor])
                else:
                    session.bind_input(index, self.data[tensor])
        except EnginewrightError:
            return None
        arrays = [None if tensor is None else self.data.get(tensor, tensor.const) for tensor in self.inputs]
        data = tuple(array for tensor, array in self.data.items() if tensor.spec.value is None)
        return OneStep(session, arrays, [tensor.spec for _, tensor in self.network.outputs], data)

    def _at_these_sizes(self, choice: Choice) -> Choice | None:
        found = self._candidates("cpu" if not choice.device else self.target.partition(":")[0])
        alike = (c for c in found if (c.kernel, c.plugin) == (choice.kernel, choice.plugin))
        name = choice.tactic.partition("@")[0]  # what follows names an instruction set, as the kernel does
        return next((c for c in alike if c.tactic.partition("@")[0] == name), None)

    def _candidates(self, device: str) -> tuple[Choice, ...]:
        return candidates(self.network.layers[0], every_isa=True, nondeterministic=True, device=device).choices


def one_step(
    layer: Layer, choice: Choice, specs: list[TensorSpec | None], threads: int, target: str = "cpu"
) -> OneStep | None:
    """A plan of just this layer, at these sizes; None where that can't be made or would be too large."""
    made = _one_layer(layer, specs, target)
    return None if made is None else made.step(choice, threads)


@contextmanager
def steps(
    layer: Layer, choices: Iterable[Choice], specs: list[TensorSpec | None], threads: int, target: str
) -> Iterator[dict[str, OneStep]]:
    """Plans of just this layer by the tactic, for the choices that can be run alone; they share the inputs' data."""
    made = _one_layer(layer, specs, target)
    if made is None:
        yield {}
        return
    with copies_on_device(made.data if target != "cpu" else {}, target) as copies:
        shared = replace(made, copies=copies)
        found = {choice.tactic: shared.step(choice, threads) for choice in choices}
        yield {tactic: step for tactic, step in found.items() if step is not None and step.runs()}


def _one_layer(layer: Layer, specs: list[TensorSpec | None], target: str) -> OneLayer | None:
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
    except EnginewrightError:
        return None
    return OneLayer(network, inputs, {tensor: data_for(tensor.spec) for tensor in network.inputs}, {}, target)


def _input(network: Network, index: int, tensor: Tensor | None, spec: TensorSpec | None) -> Tensor | None:
    if tensor is None or spec is None:
        return None
    if tensor.const is not None:
        return network.constant(tensor.const, tensor.name)
    made = network.input(f"x{index}", spec.dtype, spec.shape)
    if spec.value is not None and all(isinstance(value, int | float) for value in spec.value):
        made.spec = replace(made.spec, value=spec.value)
    return made


def data_for(spec: TensorSpec) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Normal numbers, zeros for integers: an index of 0 is valid nearly everywhere."""
    shape = tuple(int(size) for size in spec.shape if isinstance(size, int))
    if spec.value is not None:
        return np.array(spec.value, spec.dtype.numpy).reshape(shape)
    if spec.dtype.is_float:
        return _normal(shape, spec.dtype.numpy)
    return np.zeros(shape, spec.dtype.numpy)


def _normal(shape: tuple[int, ...], dtype: np.dtype[Any], seed: int = 0) -> Array:
    """Each seed begins elsewhere among the numbers."""
    return np.resize(np.roll(_numbers(), -seed).astype(dtype), shape)


@functools.cache
def _numbers() -> Array:
    return np.random.default_rng(0).standard_normal(PERIOD)


def meta_of(programs: Programs) -> Meta:
    """The records of programs that are run here and now."""
    done = [program for program in programs.programs if program is not None]
    return Meta(SCHEMA, [], [], [], done, programs.weights.records, programs.operators)
