"""Exhaustive damage: every bit and length of three real plans, every byte of their heads with right digests."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.probes import compare_probes
from enginewright.errors import EnginewrightError, PlanError, PluginNotFound
from enginewright.plan.artifact import Kind, Section, open_as
from enginewright.plan.plan import Plan
from enginewright_compat.layout import ENTRY_SIZE, HEADER_SIZE
from enginewright_compat.passport import Tolerance
from enginewright_compat.recipe import decode_recipe
from tests.compat.artifacts import Parts, take_apart
from tests.golden.plans import NETWORKS, golden

PLANS = [*NETWORKS, "safe"]
NUMBERS = [0, 1, 2**31 - 1, 2**31 + 1, 2**32 - 1, 2**63 - 1, 2**63 + 1, 2**64 - 1]
Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]


def loads(data: bytes | bytearray, kinds: tuple[Kind, ...] = (Kind.PLAN, Kind.SAFE_PLAN)) -> bool:
    """Whether bytes are taken as a plan of one of these kinds; whatever is no PlanError is raised."""
    try:
        open_as(data, kinds, lambda artifact: artifact)
    except PlanError:
        return False
    return True


@pytest.mark.parametrize("name", PLANS)
def test_every_flipped_bit_is_refused(name: str) -> None:
    damaged, loaded = bytearray(golden(name)), []
    for at, bit in itertools.product(range(len(damaged)), range(8)):
        damaged[at] ^= 1 << bit
        if loads(damaged):
            loaded.append((at, bit))
        damaged[at] ^= 1 << bit
    assert loaded == []
    assert loads(damaged)


@pytest.mark.parametrize("name", PLANS)
def test_every_truncation_is_refused(name: str) -> None:
    data = golden(name)
    assert not any(loads(data[:length]) for length in range(len(data)))


@pytest.mark.parametrize("name", PLANS)
def test_extra_bytes_are_refused(name: str) -> None:
    assert not any(loads(golden(name) + bytes(extra)) for extra in range(1, 65))
    assert not any(loads(bytes(extra) + golden(name)) for extra in range(1, 65))


# --- With right digests -----------------------------------------------------------------------------------------------


def inputs(plan: Plan) -> Arrays:
    """Return an input of each port."""
    made: Arrays = {}
    for port in plan.meta.inputs:
        if port.name == "rows":
            made["rows"] = np.array([3, 4], np.int64)
        else:
            shape = [{"N": 2, "M": 6}.get(str(size), size) for size in port.shape]
            made[port.name] = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return made


def outputs(data: bytes) -> Arrays:
    """Return what a plan computes."""
    plan = Plan.load(data)
    with ew.Engine(plan, threads=1) as engine:
        return engine.run(inputs(plan))


def sealed(name: str, head: bytes) -> bytes:
    """Return a plan with other bytes before its first section, the digests of header and table following them."""
    data, count = golden(name), golden(name)[44:48]
    parts = take_apart(data)
    frame = take_apart(head[:44] + count + head[48:] + data[len(head) :])
    prefix = frame.prefix | {"n_sections": int.from_bytes(head[44:48], "little")}
    return Parts(prefix, frame.header, frame.entries, parts.gaps, parts.sections).seal_frame()


def type_fields(name: str, *sections: Section) -> set[int]:
    """Return where the section table has the types of some sections, as far as the plan has them."""
    types = [entry["type"] for entry in take_apart(golden(name)).entries]
    return {HEADER_SIZE + ENTRY_SIZE * types.index(section) for section in sections if section in types}


def fate(name: str, head: bytes, wanted: Arrays) -> str:
    """Return "same" if nothing changed, "refused", or "loads" after comparing what the plan computes."""
    data = sealed(name, head)
    if data == golden(name):
        return "same"
    if not loads(data, (Kind.SAFE_PLAN if name == "safe" else Kind.PLAN,)):
        return "refused"
    found = outputs(data)
    assert all(np.array_equal(found[key], wanted[key]) for key in wanted)
    return "loads"


@pytest.mark.parametrize("name", PLANS)
def test_every_byte_of_the_head_sealed_again(name: str) -> None:
    """Each byte of prefix, header and table takes three other values; only what the format ignores may load."""
    data, wanted = golden(name), outputs(golden(name))
    end = HEADER_SIZE + ENTRY_SIZE * len(take_apart(data).entries)
    free, refused = set(), 0
    for at, change in itertools.product(range(end), (1, 0x80, 0xFF)):
        head = bytearray(data[:end])
        head[at] ^= change
        outcome = fate(name, bytes(head), wanted)
        refused += outcome == "refused"
        if outcome == "loads":
            free.add(at)
    unknown = {at + byte for at in type_fields(name, Section.PROBES) for byte in range(4)}
    assert free == {10, 11, 52, 53, 54, 55} | unknown, "format_minor, flags_compat, optional sections of unknown type"
    assert refused > 3 * (end - 200)


@pytest.mark.parametrize("name", PLANS)
def test_every_number_of_the_head_sealed_again(name: str) -> None:
    data, wanted = golden(name), outputs(golden(name))
    end = HEADER_SIZE + ENTRY_SIZE * len(take_apart(data).entries)
    free = set()
    for width, at in [(w, a) for w in (4, 8) for a in range(8, end, w)]:
        for value in [*NUMBERS, len(data), len(data) + 1]:
            head = bytearray(data[:end])
            struct.pack_into("<I" if width == 4 else "<Q", head, at, value & (256**width - 1))
            if fate(name, bytes(head), wanted) == "loads":
                free.add(at)
    unknown = type_fields(name, Section.SOURCE, Section.PROBES)  # eight bytes are a type and its flag "required"
    assert free == {8, 52} | unknown, "format_minor, flags_compat, optional sections of unknown type"


@pytest.mark.parametrize("name", PLANS)
def test_every_byte_of_the_metadata_sealed_again(name: str) -> None:
    """Each byte of PASSPORT and META takes another value: a valid plan or a refusal, nothing else."""
    counts = {True: 0, False: 0}
    for section in (Section.PASSPORT, Section.META):
        parts = take_apart(golden(name))
        which = parts.find(section)
        content = parts.sections[which]
        for at in range(len(content)):
            parts.sections[which] = content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :]
            try:
                ew.Engine(Plan.load(parts.seal()), threads=1).close()
                counts[True] += 1
            except (PlanError, PluginNotFound):
                counts[False] += 1
    assert min(counts.values()) > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_byte_of_recipe_and_probes_sealed_again(name: str) -> None:
    """Each byte takes another value: the plan loads all the same, and a rebuild follows it or refuses it."""
    plan = Plan.load(golden(name))
    recipe, probes = (bytes(plan.origin.get(section, b"")) for section in (Section.RECIPE, Section.PROBES))
    counts = {True: 0, False: 0}
    for content, read in ((recipe, decode_recipe), (probes, lambda data: compare_probes(plan, data, Tolerance(1, 1)))):
        for at in range(len(content)):
            try:
                read(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
                counts[True] += 1
            except (ValueError, EnginewrightError):
                counts[False] += 1
    assert min(counts.values()) > 0
