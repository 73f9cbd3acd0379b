"""The operator under test: its class, its cases with data, and its tactics at each case."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from enginewright.compiler.candidates import candidates
from enginewright.compiler.choice import Choice
from enginewright.errors import EnginewrightError, PluginError
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.registry.faults import plugin_faults
from enginewright.registry.registry import Tactic, infer_specs, input_names, registry, run_reference
from enginewright.tensors import DataType, TensorSpec, float32
from enginewright.testing.checks import Skipped

Array = np.ndarray[Any, Any]
GUESSES = ((2, 3), (1,), (0, 4), (4, 5, 6), (1, 3, 8, 8), (64, 257))
FLOATS = (DataType.FLOAT32, DataType.FLOAT64, DataType.FLOAT16, DataType.BFLOAT16)


@dataclass(frozen=True)
class Case:
    """An operator with its inputs: a spec for data that the kit makes, an array for a constant, None for no input.

    `given`: arrays to take as data where their shape fits, by input.
    """

    op: Any
    inputs: tuple[Any, ...]
    label: str
    given: Mapping[int, Array] = field(default_factory=dict, compare=False)

    def specs(self) -> list[TensorSpec | None]:
        """The specs, with the contents of constants."""
        return [constant_spec(item) if isinstance(item, np.ndarray) else item for item in self.inputs]

    def arrays(self, seed: int = 0) -> list[Array | None]:
        """The data of all inputs; other numbers for another seed."""
        rng = np.random.default_rng(seed)
        return [
            self._data(rng, index, item) if isinstance(item, TensorSpec) else item
            for index, item in enumerate(self.inputs)
        ]

    def _data(self, rng: np.random.Generator, index: int, spec: TensorSpec) -> Array:
        given = self.given.get(index)
        if given is not None and given.shape == spec.shape:
            return given.astype(spec.dtype.numpy)
        return random_array(rng, spec)

    def infer(self) -> tuple[TensorSpec, ...]:
        """What the shape rule says."""
        return infer_specs(self.op, self.specs())

    def reference(self, arrays: Iterable[Array | None]) -> tuple[Any, ...]:
        """What the reference gives, on read-only data as in an engine."""
        return run_reference(self.op, [None if array is None else frozen(array) for array in arrays])

    def with_op(self, op: Any, label: str) -> Case:
        """The same inputs for another instance."""
        return replace(self, op=op, label=f"{self.label} with {label}")

    def with_sizes(self, change: Mapping[int, int], label: str) -> Case:
        """The same with other sizes of the data, by the ones that they replace."""
        inputs = [_resized(item, change) for item in self.inputs]
        return replace(self, inputs=tuple(inputs), label=f"{self.label} with {label}")

    def with_dtype(self, old: DataType, new: DataType) -> Case:
        """The same with another data type for all inputs that have `old`."""
        inputs = [_converted(item, old, new) for item in self.inputs]
        return replace(self, inputs=tuple(inputs), label=f"{self.label} in {new}")


def _with_data(case: Case) -> Case:
    """The case itself; where all inputs are arrays, those of floats are data: of constants alone, nothing is left."""
    if any(isinstance(item, TensorSpec) for item in case.inputs):
        return case
    given = {i: a for i, a in enumerate(case.inputs) if isinstance(a, np.ndarray) and DataType.of(a).is_float}
    inputs = (TensorSpec(DataType.of(given[i]), given[i].shape) if i in given else a for i, a in enumerate(case.inputs))
    return replace(case, inputs=tuple(inputs), given=given)


def _resized(item: Any, change: Mapping[int, int]) -> Any:
    if not isinstance(item, TensorSpec):
        return item
    sizes = (int(size) for size in item.shape if isinstance(size, int))
    return item.with_shape(*(change.get(size, size) for size in sizes))


def _converted(item: Any, old: DataType, new: DataType) -> Any:
    if isinstance(item, TensorSpec):
        return item.with_dtype(new) if item.dtype is old else item
    return item.astype(new.numpy) if isinstance(item, np.ndarray) and DataType.of(item) is old else item


def frozen(array: Array) -> Array:
    """A view that can't be written."""
    view = array.view()
    view.flags.writeable = False
    return view


def constant_spec(array: Array) -> TensorSpec:
    """The spec of a constant: contents known."""
    return TensorSpec(DataType.of(array), array.shape, tuple(array.reshape(-1).tolist()))


def random_array(rng: np.random.Generator, spec: TensorSpec) -> Array:
    """Normal numbers, small integers, truth values or texts."""
    shape = tuple(int(size) for size in spec.shape if isinstance(size, int))
    if spec.dtype is DataType.STRING:
        return np.array([f"s{i}" for i in range(int(np.prod(shape)))], object).reshape(shape)
    if spec.dtype is DataType.BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    if spec.dtype.is_integer:
        return rng.integers(0, 2 if spec.dtype.bits < 4 else 7, shape).astype(spec.dtype.numpy)
    return np.asarray(rng.standard_normal(shape)).astype(spec.dtype.numpy)


class Subject:
    """An operator class with its cases; `problems` says which of them don't work at all."""

    def __init__(self, cls: type[Any], cases: Sequence[Any] | None = None, lock: Path | None = None) -> None:
        self.cls, self.key, self.lock = cls, cls.KEY, lock
        self.problems: list[str] = []
        self._given = cases

    @property
    def tactics(self) -> list[Tactic]:
        """All tactics that were declared for the operator."""
        return registry.tactics_of(self.cls)

    @cached_property
    def cases(self) -> list[Case]:
        """The cases for which shape rule and reference work; `Skipped` if there is none."""
        try:
            made = list(self._made())
        except PluginError as error:
            self.problems.append(error.message)
            made = []
        guessed = self._given is None and not hasattr(self.cls, "examples")
        refused: list[str] = []
        found = [case for case in made if self._works(case, refused if guessed else self.problems)]
        if guessed and not found and not self.problems:
            first = f": {refused[0]}" if refused else ""
            self.problems.append(f"the default inputs (float32, {GUESSES[0]} and others) do not fit{first}")
        return found

    def usable(self) -> list[Case]:
        """The cases; `Skipped` if there is none."""
        if not self.cases:
            raise Skipped("no case works; see behaviour/methods")
        return self.cases

    def _made(self) -> Iterator[Case]:
        with plugin_faults(str(self.key), "examples"):
            given = list(self._given if self._given is not None else self._examples())
        for number, (op, inputs) in enumerate(given):
            kinds = ", ".join(_described(item) for item in inputs)
            yield _with_data(Case(op, tuple(inputs), f"case {number} ({kinds})"))

    def _examples(self) -> Iterable[Any]:
        if hasattr(self.cls, "examples"):
            found: Iterable[Any] = self.cls.examples()
            return found
        names = [name for name, p in _parameters(self.cls).items() if p.default is p.empty]
        op = self.cls()
        return [(op, [TensorSpec(float32, shape)] * len(names)) for shape in GUESSES]

    def _works(self, case: Case, refused: list[str]) -> bool:
        try:
            case.infer()
        except EnginewrightError as error:
            refused.append(f"{case.label}: {error.message}")
            return False
        except TypeError as error:
            self.problems.append(f"{case.label}: the shape rule takes {input_names(self.cls)}: {error}")
            return False
        try:
            case.reference(case.arrays())
        except EnginewrightError as error:
            self.problems.append(f"{case.label}: {error.message}")
            return False
        return True

    def varied(self) -> Iterator[Case]:
        """The first case again for each field, with another value of it that the operator accepts."""
        for case in self.usable()[:1]:
            for name, kind in getattr(self.cls, "FIELDS", {}).items():
                for value in other_values(getattr(case.op, name), kind.enum):
                    made = self._with_field(case, name, value)
                    if made is not None:
                        yield made
                        break

    def _with_field(self, case: Case, name: str, value: Any) -> Case | None:
        try:
            made = case.with_op(dataclasses.replace(case.op, **{name: value}), f"{name}={value!r:.40}")
            made.infer()
            made.reference(made.arrays())
        except Exception:  # noqa: BLE001 - a value that does not go with the others: the next one may
            return None
        return made


def _parameters(cls: type[Any]) -> dict[str, Any]:
    return {name: p for name, p in inspect.signature(cls.infer).parameters.items() if name != "self"}


def _described(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"constant {DataType.of(item)}{list(item.shape)}"
    return "none" if item is None else str(item)


def other_values(value: Any, enum: type[Enum] | None = None) -> list[Any]:
    """Values of the same type, to see what a field changes."""
    match value:
        case bool():
            return [not value]
        case Enum() if enum:
            return [member for member in enum if member is not value]
        case int() if not isinstance(value, DataType):
            return [value + 1, value - 1, 2 * value + 3]
        case float():
            return [value + 0.5, value / 2, -value]
        case str():
            return [f"{value}x"]
        case bytes():
            return [value + b"x"]
        case tuple() if value:
            return [(other, *value[1:]) for other in other_values(value[0], enum)]
        case np.ndarray() if value.size and DataType.of(value).is_float:
            return [value + np.ones((), value.dtype)]
        case _:
            return []


def network_of(case: Case) -> Network:
    """The case as a network: specs are inputs x0, x1, ..., arrays constants; outputs are y0, y1, ..."""
    network = Network(f"check {case.op.KEY.name}")
    inputs: list[Tensor | None] = []
    for index, item in enumerate(case.inputs):
        if isinstance(item, TensorSpec):
            inputs.append(network.input(f"x{index}", item.dtype, item.shape))
        else:
            inputs.append(None if item is None else network.constant(item))
    for index, tensor in enumerate(network.add(case.op, *inputs)):
        network.output(f"y{index}", tensor)
    return network


def layer_of(case: Case) -> Layer:
    """The only layer of the case's network."""
    return network_of(case).layers[0]


def choices_of(case: Case) -> list[Choice]:
    """What each tactic that accepts the case, and whose kernel is there, offers; nothing if one of them raises."""
    try:
        found = candidates(layer_of(case), every_isa=True, nondeterministic=True)
    except PluginError:
        return []  # behaviour/methods and tactics/refusals tell
    return [choice for choice in found.choices if choice.plugin is not None]
