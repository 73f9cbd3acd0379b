"""Checks that the records of a plan agree with each other, before native code checks the programs themselves.

The rules of META that native code cannot see: counts, names, ports, profiles, operators, and that the records of the
weights cover their section. Each failure is a ValueError whose text names the record at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from enginewright._native import Ends
from enginewright.plan.meta import (
    CODE_KINDS,
    SCHEMA,
    CodeRecord,
    Meta,
    MetaHead,
    Port,
    ProfileRecord,
    Program,
    Step,
    Weight,
)
from enginewright.tensors import DataType
from enginewright_compat.layout import ALIGN, MAX_DIMENSION, MAX_RANK, MAX_RECORDS, align_up
from enginewright_compat.records import check_text

PYTHON_KERNEL = "python"
_TYPES = frozenset(int(dtype) for dtype in DataType)
_DEEPEST = 2
"""An optional of sequences of tensors."""


class TooMany(ValueError):
    """A count is over its limit."""


def check_meta(meta: Meta, weights: npt.NDArray[np.uint8], code: int = 0) -> None:
    """Raise ValueError (TooMany for a limit) for the first rule that the records break; `code`: bytes of CODE."""
    check_head(meta, code)
    _check_counts(meta)
    _check_programs(meta)
    _check_weights(meta.weights, weights)


def check_head(meta: Meta | MetaHead, code: int = 0) -> None:
    """The same for everything but programs and weights."""
    if meta.schema != SCHEMA:
        raise ValueError(f"schema {meta.schema}, this release reads {SCHEMA}")
    for ports, what in ((meta.inputs, "input"), (meta.outputs, "output")):
        _check_names((port.name for port in ports), what)
        for port in ports:
            _check_port(port, what)
    _check_names((profile.name for profile in meta.profiles), "profile")
    for profile in meta.profiles:
        _check_profile(profile, meta.inputs)
    _check_code(meta.code, code)
    if not 0 <= meta.threads <= MAX_RECORDS:
        raise ValueError(f"{meta.threads} threads")


def _check_code(records: Sequence[CodeRecord], length: int) -> None:
    for record in records:
        if record.kind not in CODE_KINDS or record.length <= 0:
            raise ValueError(f"code of kind {record.kind!r} with {record.length} bytes")
        for texts in record.kernels:
            for text in texts:
                check_text(text)
    given = sum(record.length for record in records)
    if given != length:
        raise ValueError(f"the records of code cover {given} bytes, the section has {length}")


def _check_counts(meta: Meta) -> None:
    counted: dict[str, int] = {"weights": len(meta.weights), "operators": len(meta.operators), "code": len(meta.code)}
    for name in ("steps", "tensors", "exprs", "checks", "storages", "segments", "inputs", "outputs"):
        counted[name] = sum(len(getattr(program, name)) for program in meta.programs)
    counted["programs"] = len(meta.programs)
    for name, count in counted.items():
        if count > MAX_RECORDS:
            raise TooMany(f"{count:,} {name}, at most {MAX_RECORDS:,} are allowed")


def _check_names(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        check_text(name)
        if name in seen:
            raise ValueError(f'two {what}s have the name "{name}"')
        seen.add(name)


def _check_port(port: Port, what: str) -> None:
    if port.dtype not in _TYPES:
        raise ValueError(f'{what} "{port.name}" has the unknown data type {port.dtype}')
    _check_items(port, what)
    if len(port.shape) > MAX_RANK:
        raise ValueError(f'{what} "{port.name}" has {len(port.shape)} axes, at most {MAX_RANK} are allowed')
    if any(isinstance(size, int) and not 0 <= size <= MAX_DIMENSION for size in port.shape):
        raise ValueError(f'{what} "{port.name}" has an axis of impossible size')


def _check_items(port: Port, what: str) -> None:
    """A sequence or an optional has no axes, and says what it holds: tensors, or an optional a sequence of them."""
    kinds, held = [port.dtype], port.items
    shape: Sequence[int | str | None] = port.shape
    while held is not None and len(kinds) <= _DEEPEST:
        if shape or held.dtype not in _TYPES or any(size is not None and size < 0 for size in held.shape or ()):
            raise ValueError(f'{what} "{port.name}" says nothing sound of what it holds')
        kinds.append(held.dtype)
        shape, held = held.shape or (), held.items
    containers = [DataType(kind).is_container for kind in kinds]
    if held is not None or containers != [True] * (len(kinds) - 1) + [False]:
        raise ValueError(f'{what} "{port.name}" says nothing sound of what it holds')


def _check_profile(profile: ProfileRecord, inputs: Sequence[Port]) -> None:
    if profile.shapes.keys() != {port.name for port in inputs}:
        raise ValueError(f'profile "{profile.name}" does not name exactly the inputs')
    for port in inputs:
        ranges = profile.shapes[port.name]
        if len(ranges) != len(port.shape):
            raise ValueError(f'profile "{profile.name}": "{port.name}" has another rank')
        if any(not 0 <= low <= opt <= high <= MAX_DIMENSION for low, opt, high in ranges):
            raise ValueError(f'profile "{profile.name}": "{port.name}" has sizes that are not in order')


def _check_programs(meta: Meta) -> None:
    """The first programs, one a profile, take the inputs of the engine and give its outputs."""
    entries = max(1, len(meta.profiles))
    if len(meta.programs) < entries:
        raise ValueError(f"{len(meta.programs)} programs for {entries} profiles")
    for program in meta.programs[:entries]:
        if program.n_params:
            raise ValueError(f'program "{program.name}" asks for parameters that nobody gives')
        _check_ends(program, program.inputs, meta.inputs, "input")
        _check_ends(program, program.outputs, meta.outputs, "output")
    for program in meta.programs:
        for storage in program.storages:
            if storage.kind == "weight" and not 0 <= storage.value < len(meta.weights):
                raise ValueError(f'program "{program.name}": a storage names weight {storage.value} of nothing')
        for step in program.steps:
            _check_step(step, len(meta.operators))


def engine_ends(head: Meta | MetaHead) -> Ends:
    """What native code has to know of the engine when it reads the programs."""
    inputs, outputs = ([end_of(port) for port in ports] for ports in (head.inputs, head.outputs))
    return Ends(inputs, outputs, max(1, len(head.profiles)), MAX_RECORDS)


def end_of(port: Port) -> tuple[int, int]:
    """Data type and rank of the tensor in a program that is this input or output."""
    return int(DataType.STRING) if DataType(port.dtype).is_object else port.dtype, len(port.shape)


def _check_ends(program: Program, tensors: Sequence[int], ports: Sequence[Port], what: str) -> None:
    if len(tensors) != len(ports):
        raise ValueError(f'program "{program.name}" has {len(tensors)} {what}s for {len(ports)}')
    for index, port in zip(tensors, ports, strict=True):
        if not 0 <= index < len(program.tensors):
            raise ValueError(f'program "{program.name}": {what} "{port.name}" is tensor {index}, which is not there')
        tensor = program.tensors[index]
        if (tensor.dtype, len(tensor.shape)) != end_of(port):
            raise ValueError(f'program "{program.name}": {what} "{port.name}" has another data type or rank there')


def _check_step(step: Step, n_operators: int) -> None:
    """A step that runs in Python names its operator; no other may look as if it did."""
    if (step.kernel == PYTHON_KERNEL) != (step.operator is not None):
        raise ValueError(f'step "{step.layer}" has an operator and no Python kernel, or the other way round')
    if step.operator is None:
        return
    if not 0 <= step.operator < n_operators or not step.params or step.params[0] != step.operator:
        raise ValueError(f'step "{step.layer}" names operator {step.operator}, which is not there')


def _check_weights(records: Sequence[Weight], weights: npt.NDArray[np.uint8]) -> None:
    """The records follow each other at multiples of 64 and end with the section; what lies between is zero."""
    end = 0
    for record, gap in zip(records, _gaps(records), strict=True):
        if record.offset != align_up(end, ALIGN) or record.length < 0:
            raise ValueError(f'weight "{record.name}" is at {record.offset}, not behind the one before')
        if record.offset + record.length > weights.size:
            raise ValueError(f'weight "{record.name}" ends behind the section')
        if weights[gap].any():
            raise ValueError(f'the gap before weight "{record.name}" is not zero')
        end = record.offset + record.length
    if end != weights.size:
        raise ValueError(f"the weights end at {end:,}, their section at {weights.size:,}")


def _gaps(records: Sequence[Weight]) -> Iterator[slice]:
    """Yield what lies before each weight and behind the one before."""
    end = 0
    for record in records:
        yield slice(end, record.offset)
        end = record.offset + record.length
