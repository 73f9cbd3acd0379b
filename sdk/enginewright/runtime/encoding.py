"""Writes a plan's programs as the flat words that the native runtime reads (layout: native/src/program.h)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from enginewright.errors import PlanInvalid
from enginewright.plan.meta import CHECK_KINDS, EXPR_OPS, STORAGE_KINDS, Meta, Operand, Param, Program, Step, Storage

VERSION = 2
UNKNOWN = -(2**63)
_EXPR = {name: number for number, name in enumerate(EXPR_OPS)}
_CHECK = {name: number for number, name in enumerate(CHECK_KINDS)}
_STORAGE = {name: number for number, name in enumerate(STORAGE_KINDS)}
_INT, _FLOAT, _EXPRESSION = 0, 1, 2


def encode_programs(meta: Meta, python_steps: Sequence[int] = ()) -> tuple[npt.NDArray[np.int64], bytes]:
    """The words and the strings of all programs; `PlanInvalid` where a record names what does not exist.

    `python_steps`: the numbers under which the operators of the plan are known to native code, in their order.
    """
    strings = _Strings()
    words = [VERSION, len(meta.programs)]
    try:
        for program in meta.programs:
            words += _program(program, meta, strings, python_steps)
        return np.array(words, np.int64), strings.blob()
    except (KeyError, IndexError, ValueError, OverflowError, struct.error) as error:
        raise PlanInvalid(f"META: {type(error).__name__}: {error}", hint="Build the plan again.") from None


class _Strings:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def blob(self) -> bytes:
        data = [text.encode() for text in self.numbers]
        offsets = np.cumsum([8 * (len(data) + 1), *map(len, data)]).astype(np.int64)
        return offsets.tobytes() + b"".join(data)


def _program(program: Program, meta: Meta, strings: _Strings, python_steps: Sequence[int]) -> list[int]:
    parts = (
        program.inputs, program.outputs, program.n_params, program.exprs, program.segments,
        program.checks, program.storages, program.tensors, program.steps,
    )  # fmt: skip
    words = [part if isinstance(part, int) else len(part) for part in parts]
    for op, a, b in program.exprs:
        words += (_EXPR[op], a, b)
    for segment in program.segments:
        words += (segment.exprs, segment.checks, segment.steps)
    for check in program.checks:
        words += (_CHECK[check.kind], _operand(check.a), _operand(check.b), strings(check.label))
    for storage in program.storages:
        words += _storage(storage, meta)
    for tensor in program.tensors:
        words += (tensor.dtype, tensor.format, tensor.storage, _operand(tensor.offset))
        words += (len(tensor.shape), *map(_operand, tensor.shape))
    words += program.inputs
    words += program.outputs
    for step in program.steps:
        words += _step(step, strings, python_steps)
    return words


def _storage(storage: Storage, meta: Meta) -> Sequence[int]:
    value, size = storage.value, _operand(storage.size)
    if storage.kind == "weight":
        weight = meta.weights[value]
        value, size = weight.offset, weight.length
    return _STORAGE[storage.kind], value, size, storage.first, storage.last, storage.segment, storage.device


def _step(step: Step, strings: _Strings, python_steps: Sequence[int]) -> list[int]:
    words = [strings(step.kernel), strings(step.layer), len(step.inputs), *step.inputs]
    words += [len(step.outputs), *step.outputs, len(step.params)]
    for param in step.params if step.operator is None else [python_steps[step.operator], *step.params[1:]]:
        words += _param(param)
    return [*words, _operand(step.workspace), len(step.programs), *step.programs, step.device]


def _param(param: Param) -> tuple[int, int]:
    if isinstance(param, int):
        return _INT, param
    if isinstance(param, str):
        return _FLOAT, int(struct.unpack("<q", struct.pack("<d", float.fromhex(param)))[0])
    operand = param[0]
    if operand is None or len(param) != 1:
        raise ValueError("a parameter is no operand")
    return (_INT, operand) if operand >= 0 else (_EXPRESSION, ~operand)


def _operand(operand: Operand) -> int:
    return UNKNOWN if operand is None else operand
