"""Writes programs as the words of native/src/program.h, by hand, for tests of the native runtime."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright import _native
from enginewright.tensors import DataType

UNKNOWN = -(2**63)
CONST, INPUT_DIM, PARAM, VALUE, DATA, ADD, SUB, MUL, FLOOR_DIV, MOD, CEIL_DIV, MIN, MAX, BROADCAST = range(14)
SCALE, EQUAL, LESS, SELECT, PAIR = range(14, 19)
CHECK_EQUAL, CHECK_BROADCAST, AT_LEAST, AT_MOST = range(4)
INPUT, OUTPUT, WEIGHT, ARENA, GROWN, SLOT = range(6)
F32, I64, BOOL, STRING = int(DataType.FLOAT32), int(DataType.INT64), int(DataType.BOOL), int(DataType.STRING)
SIZES = {F32: 4, I64: 8, BOOL: 1, int(DataType.INT32): 4, int(DataType.UINT8): 1, STRING: 8}
FOREVER = 1000


class Expr(int):
    """The number of an expr, used as a param."""


@dataclass
class Program:
    """One program under construction; methods return operands, storage ids and tensor ids."""

    strings: list[str]
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    n_params: int = 0
    exprs: list[tuple[int, int, int]] = field(default_factory=list)
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    checks: list[tuple[int, int, int, int]] = field(default_factory=list)
    storages: list[list[int]] = field(default_factory=list)
    tensors: list[list[int]] = field(default_factory=list)
    steps: list[list[int]] = field(default_factory=list)

    def string(self, text: str) -> int:
        if text not in self.strings:
            self.strings.append(text)
        return self.strings.index(text)

    def expr(self, op: int, a: int, b: int = 0) -> int:
        self.exprs.append((op, a, b))
        return ~(len(self.exprs) - 1)

    def scale(self, a: int, factor: float) -> int:
        return self.expr(SCALE, a, struct.unpack("<q", struct.pack("<d", factor))[0])

    def check(self, kind: int, a: int, b: int, label: str) -> None:
        self.checks.append((kind, a, b, self.string(label)))

    def storage(
        self, kind: int, value: int = 0, size: int = 0, first: int = 0, last: int = FOREVER, *, device: int = 0
    ) -> int:
        self.storages.append([kind, value, size, first, last, len(self.segments), device])
        return len(self.storages) - 1

    def tensor(self, storage: int, shape: Sequence[int], dtype: int = F32, offset: int = 0, format: int = 0) -> int:
        self.tensors.append([dtype, format, storage, offset, len(shape), *shape])
        return len(self.tensors) - 1

    def input(self, shape: Sequence[int], dtype: int = F32, *, device: int = 0) -> int:
        storage = self.storage(INPUT, len(self.inputs), device=device)
        self.inputs.append(self.tensor(storage, shape, dtype))
        return self.inputs[-1]

    def dynamic_input(self, rank: int, dtype: int = F32) -> tuple[int, list[int]]:
        """An input of any sizes, and its sizes as operands."""
        dims = [self.expr(INPUT_DIM, len(self.inputs), axis) for axis in range(rank)]
        return self.input(dims, dtype), dims

    def bytes(self, shape: Sequence[int], dtype: int = F32) -> int:
        size = SIZES[dtype]
        for dim in shape:
            size = size * dim if size >= 0 and dim >= 0 else self.expr(MUL, size, dim)
        return size

    def arena(self, shape: Sequence[int], dtype: int = F32, last: int = FOREVER, *, device: int = 0) -> int:
        """A tensor in memory of its own, alive from the next step on."""
        size = UNKNOWN if UNKNOWN in shape else self.bytes(shape, dtype)
        kind = GROWN if size == UNKNOWN else ARENA
        return self.tensor(self.storage(kind, 0, size, len(self.steps), last, device=device), shape, dtype)

    def output(self, shape: Sequence[int], dtype: int = F32, *, device: int = 0) -> int:
        """A tensor in the memory of the next output."""
        size = UNKNOWN if UNKNOWN in shape else self.bytes(shape, dtype)
        self.outputs.append(self.tensor(self.storage(OUTPUT, len(self.outputs), size, device=device), shape, dtype))
        return self.outputs[-1]

    def step(
        self,
        kernel: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        params: Sequence[int | float] = (),
        *,
        workspace: int = 0,
        programs: Sequence[int] = (),
        layer: str = "",
        device: int = 0,
    ) -> None:
        words = [self.string(kernel), self.string(layer), len(inputs), *inputs, len(outputs), *outputs, len(params)]
        for param in params:
            if isinstance(param, Expr):
                words += [2, ~int(param)]
            elif isinstance(param, float):
                words += [1, struct.unpack("<q", struct.pack("<d", param))[0]]
            else:
                words += [0, param]
        self.steps.append([*words, workspace, len(programs), *programs, device])

    def end_segment(self) -> None:
        self.segments.append((len(self.exprs), len(self.checks), len(self.steps)))

    def words(self) -> list[int]:
        end = (len(self.exprs), len(self.checks), len(self.steps))
        segments = [*self.segments, end]
        parts = (self.exprs, segments, self.checks, self.storages, self.tensors, self.steps)
        words = [len(self.inputs), len(self.outputs), self.n_params, *(len(part) for part in parts)]
        for part in parts[:-1]:
            words += [word for item in part for word in item]
        return [*words, *self.inputs, *self.outputs, *(word for step in self.steps for word in step)]


@dataclass
class Words:
    """Programs that share strings."""

    strings: list[str] = field(default_factory=lambda: [""])
    programs: list[Program] = field(default_factory=list)

    def program(self) -> Program:
        self.programs.append(Program(self.strings))
        return self.programs[-1]

    def encode(self) -> tuple[np.ndarray[Any, np.dtype[np.int64]], bytes]:
        words = [2, len(self.programs), *(word for program in self.programs for word in program.words())]
        return np.array(words, np.int64), _native.pack_strings(self.strings)

    def model(self, weights: np.ndarray[Any, Any] | None = None) -> _native.Model:
        return _native.Model(*self.encode(), weights)


def run(context: _native.Context, *arrays: np.ndarray[Any, Any], outputs: int = 1) -> list[np.ndarray[Any, Any]]:
    """One run on these inputs; copies of the outputs."""
    for index, array in enumerate(arrays):
        context.bind_input(index, array)
    context.run()
    return [context.output(index).copy() for index in range(outputs)]


def floats(*values: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A float32 vector."""
    return np.array(values, np.float32)
