"""Recognizes what kernels with a fixed epilogue can do: a bias, a residual and an activation, in either order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from enginewright.ops.pointwise import Instruction, PointwiseProgram
from enginewright.tensors import TensorSpec, float32

NONE, RELU, CLIP, SIGMOID, SILU, HARD_SWISH, GELU, GELU_TANH, TANH = range(9)
"""Activations by number, as native/cuda/values.h has them."""
_SINGLE = {"sigmoid": SIGMOID, "silu": SILU, "gelu": GELU, "gelu_tanh": GELU_TANH, "tanh": TANH}
INFINITY = float("inf")


@dataclass(frozen=True)
class Epilogue:
    """y = activation(x + bias + residual), or activation(x + bias) + residual if `activate_first`.

    `bias`, `residual`: numbers of the program's further inputs, None where there is none.
    """

    bias: int | None = None
    residual: int | None = None
    activation: int = NONE
    low: float = -INFINITY
    high: float = INFINITY
    activate_first: bool = False

    @property
    def inputs(self) -> tuple[int, ...]:
        """The further inputs in the order in which kernels take them: bias, residual."""
        return tuple(index for index in (self.bias, self.residual) if index is not None)

    @property
    def params(self) -> tuple[int | float, ...]:
        """Activation, its bounds, whether it comes first, bias given, residual given."""
        given = int(self.bias is not None), int(self.residual is not None)
        return (self.activation, self.low, self.high, int(self.activate_first), *given)


def epilogue_of(
    program: PointwiseProgram, extras: Sequence[TensorSpec], output: TensorSpec, *, wide: bool = False
) -> Epilogue | str:
    """The epilogue that a program behind an anchor is; the reason where it is another one.

    The program's input 0 is the anchor's output, the others are `extras`; the last axis of the output has the bias.
    Casts to float32 and back mean nothing here: kernels have floats in between, rounded once at the end, or with `wide`
    not at all.
    """
    narrow, result = program.dtypes[0], program.dtypes[program.outputs[0]]
    known = {*program.dtypes[: program.n_inputs]} == {narrow} and {*program.dtypes} <= {narrow, float32}
    if len(program.outputs) != 1 or not known or result is not output.dtype or (result is not narrow and not wide):
        return "the fused program has several types or outputs"
    chain = _Chain(program, extras, output)
    found, value = Epilogue(), 0
    for number, step in enumerate(program.instructions, start=program.n_inputs):
        if step.opcode == "constant":
            continue
        after = chain.step(found, step, value)
        if after is None:
            return f"the kernel has no epilogue with {step.opcode} here"
        found, value = after, number
    return found if program.outputs[0] == value else "the fused program has another result"


@dataclass(frozen=True)
class _Chain:
    """A program that is looked at instruction by instruction."""

    program: PointwiseProgram
    extras: Sequence[TensorSpec]
    output: TensorSpec

    def step(self, found: Epilogue, step: Instruction, value: int) -> Epilogue | None:
        """The epilogue with one more instruction, None where it does not continue the chain."""
        if step.args.count(value) != 1:
            return None
        if step.opcode == "cast":
            return found
        if step.opcode in _SINGLE:
            return replace(found, activation=_SINGLE[step.opcode]) if found.activation == NONE else None
        if len(step.args) != 2:
            return None
        other = step.args[1 - step.args.index(value)]
        if other >= self.program.n_inputs:
            return _bounded(found, step, self.program.instructions[other - self.program.n_inputs])
        return self._added(found, step, other - 1)

    def _added(self, found: Epilogue, step: Instruction, extra: int) -> Epilogue | None:
        if step.opcode != "add" or extra < 0:
            return None
        shape, output = self.extras[extra].shape, self.output.shape
        wide = tuple(size for size in shape if size != 1)
        is_row = wide == output[-1:] and shape[-1:] == output[-1:]
        if is_row and found.bias is None and found.residual is None and found.activation == NONE:
            return replace(found, bias=extra)
        if shape == output and found.residual is None:
            return replace(found, residual=extra, activate_first=found.activation != NONE)
        return None


def _bounded(found: Epilogue, step: Instruction, constant: Instruction) -> Epilogue | None:
    if step.opcode not in ("max", "min") or constant.opcode != "constant" or found.activate_first:
        return None
    number = float(constant.immediate)
    if step.opcode == "max" and found.activation == NONE:
        return replace(found, activation=RELU if number == 0 else CLIP, low=number)
    if step.opcode == "min" and found.activation in (NONE, RELU, CLIP):
        return replace(found, activation=CLIP, high=min(number, found.high))
    return None
