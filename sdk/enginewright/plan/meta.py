"""The graph part of a plan as typed records: programs, steps, tensors, sizes, weights; its JSON is the META section.

An *operand* is a size in a record: a literal (>= 0), ``~k`` for the value of expression k of the program, or None where
the size is unknown until a kernel sets it.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

SCHEMA = 1
Operand: TypeAlias = int | None
Param: TypeAlias = int | str | list[Operand]
"""An integer, a real number as `float.hex` text, or a one-element list with an operand."""

EXPR_OPS = [
    "const",
    "input_dim",
    "param",
    "value",
    "data",
    "add",
    "sub",
    "mul",
    "floordiv",
    "mod",
    "ceildiv",
    "min",
    "max",
    "broadcast",
    "scale",
    "equal",
    "less",
    "select",
    "pair",
]
CHECK_KINDS = ("equal", "broadcast", "at_least", "at_most")
CODE_KINDS = ("object", "library", "cubin")
STORAGE_KINDS = ("input", "output", "weight", "arena", "grown", "slot")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of the records: unknown fields are refused, defaults left out; no cycles, so nothing to collect."""


class Storage(Record, frozen=True):
    """Memory that one or more tensors share; alive from step `first` to step `last`, inclusive.

    `value`: index of the input, output or weight. `device`: 0 is the host, 1 the device that the plan was built for.
    """

    kind: str
    value: int = 0
    size: Operand = 0
    first: int = 0
    last: int = 0
    segment: int = 0
    device: int = 0


class TensorRecord(Record, frozen=True):
    """A tensor: type, sizes and where it lies in its storage (`offset` in bytes)."""

    name: str
    dtype: int
    shape: list[Operand]
    storage: int
    offset: Operand = 0
    format: int = 0


class Step(Record, frozen=True):
    """One kernel call; `operator` is the index of the operator that a Python step runs, `device` where it runs."""

    kernel: str
    layer: str
    inputs: list[int]
    outputs: list[int]
    params: list[Param] = []
    workspace: Operand = 0
    programs: list[int] = []
    operator: int | None = None
    sources: list[str] = []
    device: int = 0


class Segment(Record, frozen=True):
    """A run of steps whose sizes are known when it starts: exclusive ends in exprs, checks and steps."""

    exprs: int
    checks: int
    steps: int


class Check(Record, frozen=True):
    """Two operands that must agree, and the text that names the place."""

    kind: str
    a: Operand
    b: Operand
    label: str


class Program(Record, frozen=True):
    """A flat list of steps with everything it needs; nested programs run inside If, Loop and Scan steps."""

    name: str
    inputs: list[int]
    outputs: list[int]
    n_params: int
    exprs: list[tuple[str, int, int]]
    segments: list[Segment]
    checks: list[Check]
    storages: list[Storage]
    tensors: list[TensorRecord]
    steps: list[Step]


class Weight(Record, frozen=True):
    """An array in the WEIGHTS section: its bytes, the initializer it came from, and how it was packed."""

    name: str
    offset: int
    length: int
    pack: str = ""
    params: list[Param] = []


class Items(Record, frozen=True):
    """What a sequence or an optional holds; sizes that vary are None, as is the shape if the number of axes varies."""

    dtype: int
    shape: list[int | None] | None = None
    items: Items | None = None


class Port(Record, frozen=True):
    """An input or output of the engine; a size is a number or the text of an expression.

    `items`: what a sequence or an optional holds.
    """

    name: str
    dtype: int
    shape: list[int | str]
    items: Items | None = None


class OperatorRecord(Record, frozen=True):
    """An operator that a Python step runs: its key and its fields as (name, kind, text) triples."""

    key: str
    fields: list[tuple[str, str, str]] = []


class ProfileRecord(Record, frozen=True):
    """The range of input shapes that one program is made for: by input a list of (min, opt, max) for each axis."""

    name: str
    shapes: dict[str, list[tuple[int, int, int]]]


class CodeRecord(Record, frozen=True):
    """A compiled object in the CODE section: `kind` is "object" (C), "library" or "cubin".

    `kernels`: names of steps, each with the symbol that it has in the object.
    """

    kind: str
    length: int
    kernels: list[tuple[str, str]] = []


class Meta(Record, frozen=True):
    """Everything that a plan holds beside its passport and its weights; `threads`: what it was tuned for.

    `code`: what the CODE section holds, one behind another.
    """

    schema: int
    inputs: list[Port]
    outputs: list[Port]
    profiles: list[ProfileRecord]
    programs: list[Program]
    weights: list[Weight]
    operators: list[OperatorRecord] = []
    threads: int = 0
    code: list[CodeRecord] = []


class MetaHead(Record, frozen=True):
    """META as it is read at first: what Python needs of every plan, and the JSON of programs and weights as it is."""

    schema: int
    inputs: list[Port]
    outputs: list[Port]
    profiles: list[ProfileRecord]
    programs: msgspec.Raw
    weights: msgspec.Raw
    operators: list[OperatorRecord] = []
    threads: int = 0
    code: list[CodeRecord] = []
