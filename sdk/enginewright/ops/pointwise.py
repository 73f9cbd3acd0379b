"""Pointwise programs: elementwise arithmetic as data, which one kernel runs tile by tile, and the operators on them.

A program is a list of typed instructions in static single assignment. Value ids count the inputs first, then one for
each instruction. float16 and bfloat16 instructions compute in float32 and round their result once; float64 becomes
one of these through float32. Integers wrap; a division by zero gives 0; a number outside the range of an integer
type, cast to it, becomes the nearest number of that type, and NaN becomes 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.dims import Size, same
from enginewright.errors import DataTypeError, NetworkError
from enginewright.ops.pointwise_table import BY_NAME, OPCODES, Array, cast_array, execute
from enginewright.registry.registry import infer_specs, operator
from enginewright.tensors import DataType, TensorSpec, broadcast_shapes, float32

MAX_INPUTS = 16
MAX_INSTRUCTIONS = 96
"""What one program may hold: the interpreter keeps all that lives in the first-level cache."""


@dataclass(frozen=True, slots=True)
class Value:
    """A typed value inside a program that is being written."""

    id: int
    dtype: DataType


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation on whole values; `immediate` is the number of a constant, float or integer as its type is."""

    opcode: str
    dtype: DataType
    args: tuple[int, ...] = ()
    immediate: int | float = 0

    def __str__(self) -> str:
        return f"{self.opcode}.{self.dtype}({', '.join(map(str, self.args)) or self.immediate})"


@dataclass(frozen=True, slots=True)
class PointwiseProgram:
    """Instructions from inputs to outputs; device-neutral, hashable, and the same whoever made it."""

    inputs: tuple[DataType, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]

    @property
    def n_inputs(self) -> int:
        """Number of inputs; the first instruction's value has this id."""
        return len(self.inputs)

    @property
    def dtypes(self) -> tuple[DataType, ...]:
        """The type of each value, by id."""
        return self.inputs + tuple(instruction.dtype for instruction in self.instructions)

    @property
    def output_dtypes(self) -> tuple[DataType, ...]:
        """The type of each output."""
        return tuple(self.dtypes[index] for index in self.outputs)

    def run(self, *arrays: Array) -> tuple[Array, ...]:
        """Evaluate with NumPy, inputs broadcast together: arrays of the broadcast shape, one for each output."""
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        values: list[Array] = list(arrays)
        with np.errstate(all="ignore"):
            for step in self.instructions:
                values.append(execute(step.opcode, step.dtype, [values[arg] for arg in step.args], step.immediate))
        return tuple(np.array(np.broadcast_to(values[index], shape)) for index in self.outputs)

    def __str__(self) -> str:
        return "; ".join(f"{self.n_inputs + k}={step}" for k, step in enumerate(self.instructions))


class Builder:
    """Writes a program: each method adds one instruction, or finds the equal one that is there already.

    Operands must be of one type; `cast` and `constant` make them so.
    """

    def __init__(self, *dtypes: DataType) -> None:
        """A program with inputs of these types, which are `inputs` then."""
        self.inputs = tuple(Value(index, dtype) for index, dtype in enumerate(dtypes))
        self._instructions: list[Instruction] = []
        self._known: dict[tuple[Instruction, str], Value] = {}

    def constant(self, dtype: DataType, number: float) -> Value:
        """A number, rounded to the type."""
        rounded = cast_array(np.array(number), dtype)
        exact = float(rounded) if dtype.is_float else int(rounded)
        return self._append(Instruction("constant", dtype, (), exact))

    def cast(self, x: Value, dtype: DataType) -> Value:
        """The value in another type; nothing if it has it already."""
        return x if x.dtype == dtype else self._append(Instruction("cast", dtype, (x.id,)))

    def apply(self, opcode: str, *args: Value) -> Value:
        """Add an instruction by name; `DataTypeError` where the operands' types differ or the type is not allowed."""
        operation = BY_NAME[opcode]
        typed = args[1:] if opcode == "where" else args
        dtype = typed[0].dtype
        if any(arg.dtype != dtype for arg in typed) or not operation.allows(dtype):
            names = ", ".join(str(arg.dtype) for arg in args)
            raise DataTypeError(f"{opcode} does not take ({names})", hint="Cast the inputs to one type that it takes.")
        result = DataType.BOOL if operation.gives_bool else dtype
        return self._append(Instruction(opcode, result, tuple(arg.id for arg in args)))

    def inline(self, program: PointwiseProgram, *inputs: Value) -> tuple[Value, ...]:
        """Copy a whole program in, its inputs being these values; its outputs."""
        values = list(inputs)
        for step in program.instructions:
            values.append(self._append(Instruction(step.opcode, step.dtype, self._ids(values, step), step.immediate)))
        return tuple(values[index] for index in program.outputs)

    def finish(self, *outputs: Value) -> PointwiseProgram:
        """The program with these outputs, without instructions that none of them needs."""
        n_inputs = len(self.inputs)
        needed = {value.id for value in outputs}
        for index in reversed(range(len(self._instructions))):
            if n_inputs + index in needed:
                needed.update(self._instructions[index].args)
        number = {index: index for index in range(n_inputs)}
        kept: list[Instruction] = []
        for index, step in enumerate(self._instructions):
            if n_inputs + index in needed:
                number[n_inputs + index] = n_inputs + len(kept)
                kept.append(
                    Instruction(step.opcode, step.dtype, tuple(number[arg] for arg in step.args), step.immediate)
                )
        dtypes = tuple(value.dtype for value in self.inputs)
        return PointwiseProgram(dtypes, tuple(kept), tuple(number[value.id] for value in outputs))

    def __getattr__(self, opcode: str) -> Any:
        """`p.add(a, b)` is `p.apply("add", a, b)`, for every opcode of the table."""
        if opcode not in BY_NAME:
            raise AttributeError(f"pointwise programs have no operation {opcode!r}")
        return lambda *args: self.apply(opcode, *args)

    @staticmethod
    def _ids(values: Sequence[Value], step: Instruction) -> tuple[int, ...]:
        return tuple(values[arg].id for arg in step.args)

    def _append(self, step: Instruction) -> Value:
        known = step, repr(step.immediate)  # 0.0 and -0.0 are equal, but not the same
        if known not in self._known:
            self._known[known] = Value(len(self.inputs) + len(self._instructions), step.dtype)
            self._instructions.append(step)
        return self._known[known]


def program_of(op: Any, *specs: TensorSpec | None) -> PointwiseProgram:
    """The program that an elementwise operator emits for inputs of these types; missing inputs take no place."""
    builder = Builder(*(spec.dtype for spec in specs if spec is not None))
    given = iter(builder.inputs)
    outputs = op.emit(builder, *(None if spec is None else next(given) for spec in specs))
    return builder.finish(*(outputs if isinstance(outputs, tuple) else (outputs,)))


def specialize(program: PointwiseProgram, specs: Sequence[TensorSpec]) -> tuple[PointwiseProgram, tuple[int, ...]]:
    """The program with inputs of one known number written into it, and the numbers of the inputs that are left.

    An input that gives the result its shape must stay, so at least one is left.
    """
    known = [spec.numbers() if spec.size == 1 and _exact(spec.dtype) else None for spec in specs]
    if all(number is not None for number in known) or max(len(spec.shape) for spec in specs) > max(
        (spec.rank for spec, number in zip(specs, known, strict=True) if number is None), default=0
    ):
        return program, tuple(range(len(specs)))
    kept = tuple(index for index, number in enumerate(known) if number is None)
    builder = Builder(*(specs[index].dtype for index in kept))
    given = iter(builder.inputs)
    values = [
        next(given) if number is None else builder.constant(spec.dtype, number[0])
        for spec, number in zip(specs, known, strict=True)
    ]
    return builder.finish(*builder.inline(program, *values)), kept


def _exact(dtype: DataType) -> bool:
    """Whether every number of the type is a float, as `TensorSpec.numbers` gives it."""
    return dtype not in (DataType.INT64, DataType.UINT64)


def fuse(
    steps: Sequence[tuple[PointwiseProgram, Sequence[Hashable], Sequence[Hashable]]], outputs: Sequence[Hashable]
) -> tuple[PointwiseProgram, tuple[Any, ...]]:
    """Join programs into one.

    Each step is (program, names of its inputs, names of its outputs), in order; names are any hashable things, such
    as tensors. What no step gives is an input of the whole; equal inputs and equal instructions become one.
    Returns the program that gives `outputs`, and the names of its inputs in order.
    """
    made: set[Hashable] = set()
    inputs: dict[Hashable, DataType] = {}
    for program, reads, writes in steps:
        inputs |= {name: dtype for name, dtype in zip(reads, program.inputs, strict=True) if name not in made}
        made.update(writes)
    builder = Builder(*inputs.values())
    values: dict[Hashable, Value] = dict(zip(inputs, builder.inputs, strict=True))
    for program, reads, writes in steps:
        values.update(zip(writes, builder.inline(program, *(values[name] for name in reads)), strict=True))
    return builder.finish(*(values[name] for name in outputs)), tuple(inputs)


def encode(program: PointwiseProgram) -> tuple[int | float, ...]:
    """The program as parameters of a step; native/cpu/pointwise.h tells the order of the words."""
    words: list[int | float] = [program.n_inputs, len(program.instructions), len(program.outputs), *program.inputs]
    for step in program.instructions:
        a, b, c = (*step.args, -1, -1, -1)[:3]
        words += [OPCODES.index(step.opcode), int(step.dtype), a, b, c, _immediate(step)]
    return tuple(word if isinstance(word, float) else int(word) for word in (*words, *program.outputs))


def _immediate(step: Instruction) -> int | float:
    if step.dtype.is_float:
        return float(step.immediate)
    number = int(step.immediate)
    return number - 2**64 if number >= 2**63 else number


def broadcast_specs(program: PointwiseProgram, specs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The outputs of a program on these inputs."""
    if tuple(spec.dtype for spec in specs) != program.inputs:
        given = ", ".join(str(spec.dtype) for spec in specs)
        wanted = ", ".join(map(str, program.inputs))
        raise NetworkError(f"the program takes ({wanted}), not ({given})", hint="Give inputs of these types.")
    shape = broadcast_shapes(*(spec.shape for spec in specs))
    return tuple(TensorSpec(dtype, shape) for dtype in program.output_dtypes)


@operator("ew::Pointwise")
class Pointwise:
    """A pointwise program on inputs broadcast together; made by fusion from elementwise layers."""

    INTERNAL = True  # made by passes, no method of Network

    program: PointwiseProgram

    def infer(self, *xs: TensorSpec) -> tuple[TensorSpec, ...]:
        """The broadcast shape, and each output's type."""
        return broadcast_specs(self.program, xs)

    def reference(self, *xs: Array) -> tuple[Array, ...]:
        """The instructions one by one."""
        return self.program.run(*xs)

    def emit(self, p: Builder, *xs: Value) -> tuple[Value, ...]:
        """The program itself."""
        return p.inline(self.program, *xs)

    @staticmethod
    def examples() -> Iterator[tuple[Pointwise, list[TensorSpec]]]:
        """Broadcast in every place, two outputs, no element, mixed types."""
        p = Builder(float32, float32, float32)
        x, scale, shift = p.inputs
        y = p.add(p.mul(x, scale), shift)
        chain = Pointwise(p.finish(p.mul(y, p.sigmoid(y)), p.less(y, p.constant(float32, 0))))
        for shapes in (((2, 3, 5), (3, 1), (5,)), ((70, 33), (1, 33), (70, 1)), ((0, 4), (4,), ()), ((1,), (1,), (1,))):
            yield chain, [TensorSpec(float32, shape) for shape in shapes]
        yield chain, [TensorSpec(float32, (3, 1, 7, 1)), TensorSpec(float32, (2, 1, 9)), TensorSpec(float32, ())]
        q = Builder(DataType.INT64, float32)
        mixed = q.mul(q.cast(q.inputs[0], float32), q.inputs[1])
        yield Pointwise(q.finish(mixed)), [TensorSpec(DataType.INT64, (4, 1)), TensorSpec(float32, (1, 300))]


@operator("ew::Fused")
class Fused:
    """An operator with a pointwise program on its first output; made by fusion.

    Inputs: those of `anchor`, then the program's further inputs, each broadcast to the anchor's output. Input 0 of
    the program is that output.
    """

    INTERNAL = True  # made by passes, no method of Network

    anchor: Any
    program: PointwiseProgram

    def infer(self, *xs: TensorSpec | None) -> tuple[TensorSpec, ...]:
        """The shape of the anchor's first output, and the types of the program's outputs."""
        count = len(xs) - (self.program.n_inputs - 1)
        first = infer_specs(self.anchor, xs[:count])[0]
        extra = [x for x in xs[count:] if x is not None]
        outputs = broadcast_specs(self.program, [first, *extra])
        shape: tuple[Size, ...] = tuple(same(b, a) for a, b in zip(first.shape, outputs[0].shape, strict=True))
        return tuple(TensorSpec(output.dtype, shape) for output in outputs)

    def reference(self, *xs: Array | None) -> tuple[Array, ...]:
        """The anchor, then the program."""
        count = len(xs) - (self.program.n_inputs - 1)
        first = self.anchor.reference(*xs[:count])
        extra = [x for x in xs[count:] if x is not None]
        return self.program.run(first[0] if isinstance(first, tuple) else first, *extra)
