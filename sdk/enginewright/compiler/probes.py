"""Probes: generated inputs and what a plan computes on them, kept in the plan so that another can be compared with it.

The PROBES section is a 64-bit length, canonical JSON of that length (`Probes`), and the bytes of the outputs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.compiler.accepted_sizes import accepted_sizes
from enginewright.compiler.differences import OutputComparison, compare_output
from enginewright.compiler.generated import InputRule, generate, rule_of
from enginewright.compiler.ranges import index_limits
from enginewright.dims import Dim, evaluate
from enginewright.errors import EnginewrightError, InputError
from enginewright.graph.network import Network
from enginewright.plan.canonical import NotCanonical, decode_json, encode_json
from enginewright.plan.meta import ProfileRecord, Record
from enginewright.plan.plan import Plan
from enginewright.runtime.engine import Engine
from enginewright.tensors import ELEMENT_TYPES, MAX_RANK, DataType
from enginewright_compat.passport import Tolerance

_log = logging.getLogger("enginewright.plan")

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
SCHEMA = 1
MOST = 4
USUAL = 2
"""Probes of a plan without profiles; one where a run is likely to be long."""

LARGE_WEIGHTS = 256 << 20
MOST_INPUT_BYTES = 64 << 20
WHOLE_BYTES = 1 << 20
SAMPLES = 4096


class OutputRecord(Record, frozen=True):
    """An output of a probe: its type and shape, and `count` elements at even distances, at `offset` in the bytes."""

    name: str
    dtype: int
    shape: list[int]
    count: int
    offset: int


class Probe(Record, frozen=True):
    """One inference."""

    seed: int
    inputs: list[InputRule]
    outputs: list[OutputRecord]


class Probes(Record, frozen=True):
    """The head of the PROBES section."""

    schema: int
    probes: list[Probe]


# ---- making ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A probe to be made."""

    seed: int
    inputs: list[InputRule]

    def arrays(self) -> Arrays:
        """The inputs."""
        return {rule.name: generate(rule, self.seed * 1000 + index) for index, rule in enumerate(self.inputs)}


def wanted_probes(network: Network, profiles: Sequence[ProfileRecord]) -> list[Wanted]:
    """The probes for a network before it is optimized: at each profile's usual sizes, else at sizes that it accepts.

    None for one that takes sequences or optionals, which are not generated.
    """
    if any(tensor.dtype.is_container for tensor in network.inputs):
        return []
    limits = index_limits(network)
    if profiles:
        shapes = [{name: [opt for _, opt, _ in axes] for name, axes in item.shapes.items()} for item in profiles]
    else:
        sizes = accepted_sizes(network, {})
        shapes = [{item.name: [_number(size, sizes) for size in item.shape] for item in network.inputs}]
        shapes *= USUAL
    found = [
        Wanted(seed, [rule_of(t.name, t.dtype, tuple(given[t.name]), limits.get(t.name)) for t in network.inputs])
        for seed, given in enumerate(shapes[:MOST])
    ]
    return [item for item in found if sum(rule.nbytes for rule in item.inputs) <= MOST_INPUT_BYTES]


def _number(size: int | Dim, sizes: Mapping[str, int]) -> int:
    return size if isinstance(size, int) else sizes[str(size)] if str(size) in sizes else evaluate(size, sizes)


def run_probes(plan: Plan, wanted: Sequence[Wanted], step: Callable[[int, int], None]) -> tuple[bytes, str]:
    """The PROBES section of a plan, empty where it can run on none of the inputs; and what it raised on the first."""
    wanted = wanted[:1] if plan.weights.nbytes > LARGE_WEIGHTS else wanted
    done: list[Probe] = []
    data: list[bytes] = []
    failures: list[str] = []
    with Engine(plan, announce=False) as engine:
        for number, item in enumerate(wanted):
            step(number, len(wanted))
            records = []
            for name, array in _outputs(engine, item, failures).items():
                piece = sampled(array)
                start = sum(map(len, data))
                records.append(OutputRecord(name, int(DataType.of(array)), list(array.shape), piece.size, start))
                data.append(piece.tobytes())
            if records:
                done.append(Probe(item.seed, item.inputs, records))
    if not done:
        return b"", failures[0] if failures else ""
    head = encode_json(Probes(SCHEMA, done))
    return b"".join((len(head).to_bytes(8, "little"), head, *data)), ""


def _outputs(engine: Engine, item: Wanted, failures: list[str]) -> Arrays:
    """The outputs that can be compared as numbers; nothing where the model cannot run on generated inputs.

    Python steps may raise anything: no reason for a build to fail.
    """
    try:
        with np.errstate(all="ignore"):
            outputs: dict[str, Any] = dict(engine.run(item.arrays()))
    except Exception as error:  # noqa: BLE001
        _log.debug("no probe: %s", error)
        where = f" ({error.where})" if isinstance(error, EnginewrightError) and error.where else ""
        failures.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}{where}")
        return {}
    arrays = {name: found for name, found in outputs.items() if isinstance(found, np.ndarray)}
    return {name: array for name, array in arrays.items() if DataType.of(array) is not DataType.STRING}


def sampled(array: Array) -> Array:
    """The elements of an output that a probe keeps: all of 1 MiB, else 4,096 at even distances."""
    flat = array.reshape(-1)
    if flat.nbytes <= WHOLE_BYTES:
        return flat
    return flat[np.arange(SAMPLES, dtype=np.int64) * (flat.size - 1) // (SAMPLES - 1)]


# ---- comparing -------------------------------------------------------------------------------------------------------


def read_probes(section: bytes | memoryview) -> tuple[list[Probe], memoryview]:
    """The probes in the bytes of a section and the bytes of their outputs; `ValueError` where these are none."""
    view = memoryview(section)
    length = int.from_bytes(view[:8], "little")
    if len(view) < 8 or length > len(view) - 8:
        raise ValueError(f"{len(view):,} bytes cannot hold a head of {length:,}")
    try:
        head = decode_json(view[8 : 8 + length], Probes, allowed=64 << 20)
    except NotCanonical as error:
        raise ValueError(f"{error}") from None
    if head.schema != SCHEMA:
        raise ValueError(f"schema {head.schema}, this release reads {SCHEMA}")
    data = view[8 + length :]
    for probe in head.probes:
        _check(probe, len(data))
    return head.probes, data


def _check(probe: Probe, size: int) -> None:
    """Raise `ValueError` for what would not fit memory, a NumPy type, or the bytes of the section."""
    if not 0 <= probe.seed < 2**32:
        raise ValueError(f"the seed {probe.seed} is out of range")
    for rule in probe.inputs:
        _check_tensor(rule.name, rule.dtype, rule.shape)
        counts = rule.kind in ("integers", "positions")
        if (counts and rule.limit < 1) or (rule.kind == "positions" and not rule.shape):
            raise ValueError(f'"{rule.name}" has no numbers to take')
    if sum(rule.nbytes for rule in probe.inputs) > MOST_INPUT_BYTES:
        raise ValueError("the inputs are too large")
    for record in probe.outputs:
        _check_tensor(record.name, record.dtype, record.shape)
        nbytes = record.count * DataType(record.dtype).numpy.itemsize
        if record.dtype == DataType.STRING or not 0 <= record.count <= math.prod(record.shape):
            raise ValueError(f'"{record.name}" has {record.count} numbers')
        if not 0 <= record.offset <= size - nbytes:
            raise ValueError(f'"{record.name}" has no place in the section')


def _check_tensor(name: str, dtype: int, shape: list[int]) -> None:
    if dtype not in ELEMENT_TYPES:
        raise ValueError(f'"{name}" has the data type {dtype}')
    if len(shape) > MAX_RANK or any(not 0 <= length < 2**31 for length in shape):
        raise ValueError(f'"{name}" has the shape {shape}')


def compare_probes(
    plan: Plan, section: bytes | memoryview, tolerance: Tolerance, *, other_shapes: bool = False
) -> list[OutputComparison]:
    """Run a plan on the probes of another and compare every output; `ValueError` where the section holds none.

    `other_shapes`: the plan is for other shapes, and probes whose inputs it does not accept are left out.
    """
    probes, data = read_probes(section)
    pairs: dict[str, list[tuple[Array, Array]]] = {}
    with Engine(plan, announce=False) as engine, np.errstate(all="ignore"):
        for probe in probes:
            try:
                outputs = engine.run(Wanted(probe.seed, probe.inputs).arrays())
            except InputError:
                if not other_shapes:
                    raise
                continue
            for record in probe.outputs:
                pairs.setdefault(record.name, []).append(_pair(outputs.get(record.name), record, data))
    return [compare_output(name, found, tolerance.rtol, tolerance.atol) for name, found in pairs.items()]


def _pair(now: Array | None, record: OutputRecord, data: memoryview) -> tuple[Array, Array]:
    """An output as it is now and as it was; nothing for one that has another shape, which then differs."""
    dtype = DataType(record.dtype).numpy
    was = np.frombuffer(data, dtype, record.count, record.offset)
    fits = now is not None and list(now.shape) == record.shape
    return sampled(now) if now is not None and fits else np.zeros(was.size + 1, dtype), was
