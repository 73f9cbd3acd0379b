"""Elementwise layers on the CPU: every one is a pointwise program, which one native kernel interprets."""

from __future__ import annotations

from typing import Any

from enginewright import ops
from enginewright.errors import DataTypeError
from enginewright.ops.elementwise import Elementwise
from enginewright.ops.pointwise import MAX_INPUTS, MAX_INSTRUCTIONS, Pointwise, encode, program_of, specialize
from enginewright.ops.quantized_tanh import QuantizedTanh
from enginewright.registry.registry import Launch, infer_specs, registry, tactic
from enginewright.tensors import TensorSpec

MAX_OUTPUTS = 8


def pointwise(op: Any, *specs: TensorSpec | None) -> Launch | str:
    """Constants of one element are written into the program; the output may take the memory of an equal input."""
    try:
        program = program_of(op, *specs)
    except DataTypeError as error:
        return error.message
    places = [index for index, spec in enumerate(specs) if spec is not None]
    program, kept = specialize(program, [spec for spec in specs if spec is not None])
    if len(kept) > MAX_INPUTS or len(program.instructions) > MAX_INSTRUCTIONS or len(program.outputs) > MAX_OUTPUTS:
        return f"at most {MAX_INPUTS} inputs, {MAX_INSTRUCTIONS} instructions, {MAX_OUTPUTS} outputs"
    inputs = tuple(places[index] for index in kept)
    output = infer_specs(op, specs)[0]
    equal = tuple(index for index in inputs if _same_memory(specs[index], output))
    return Launch(params=encode(program), inputs=inputs, inplace=equal)


@tactic(QuantizedTanh, kernel="cpu_quantized_tanh")
def quantized_tanh(op: QuantizedTanh, *specs: TensorSpec) -> Launch | str:
    """The range by what is before tanh, then the bytes."""
    if len(specs) > MAX_INPUTS or len(op.program.instructions) > MAX_INSTRUCTIONS:
        return f"at most {MAX_INPUTS} inputs, {MAX_INSTRUCTIONS} instructions"
    return Launch(params=encode(op.program))


def _same_memory(spec: TensorSpec | None, output: TensorSpec) -> bool:
    return spec is not None and (spec.dtype, spec.shape) == (output.dtype, output.shape)


ops.load()
for _cls in [*registry.operators.values()]:
    if issubclass(_cls, Elementwise | Pointwise):
        tactic(_cls, kernel="cpu_pointwise")(pointwise)
