"""Every damaged, foreign or untrusted artifact is refused with the right code, and an intact one is mapped."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, strategies as st

from enginewright import errors
from enginewright.errors import PlanError
from enginewright.plan.artifact import Kind, Section, artifact_bytes, decode_json, open_artifact
from enginewright.plan.canonical import NotCanonical, encode_json
from enginewright_compat.layout import CHUNK, HEADER_SIZE, SectionFlag
from enginewright_compat.passport import PluginUse, Target
from enginewright_compat.version import running_version
from tests.compat.artifacts import (
    META,
    WEIGHTS,
    Parts,
    example_cache,
    example_passport,
    example_plan,
    relaid,
    rich_plan,
    take_apart,
    without_sums,
)

PLAN = example_plan()
CACHE = example_cache()
RICH = rich_plan()


def refusal(data: bytes | bytearray, kind: Kind = Kind.PLAN, **options: Any) -> PlanError:
    """Return the PlanError with which bytes are refused; any other outcome fails the test."""
    with pytest.raises(PlanError) as caught:
        open_artifact(data, kind, **options)
    return caught.value


# --- What comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapped", [True, False])
def test_round_trip(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(RICH)
    artifact = open_artifact(path, Kind.PLAN, mmap=mapped)
    assert artifact.kind is Kind.PLAN
    assert artifact.version == running_version()
    assert artifact.passport == example_passport()
    assert {s.name: bytes(v) for s, v in artifact.sections.items() if s not in (Section.PASSPORT, Section.CHUNKS)} == {
        "META": META,
        "WEIGHTS": WEIGHTS,
        "RECIPE": b"RECIPE",
        "SOURCE": b"SOURCE",
        "PROBES": b"PROBES",
        "LAYERINFO": b"facts",
    }


@pytest.mark.parametrize("mapped", [True, False])
def test_weights_are_a_read_only_page_aligned_view(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(PLAN)
    for source in (path, PLAN):
        weights = open_artifact(source, Kind.PLAN, mmap=mapped).weights
        assert weights.tobytes() == WEIGHTS
        assert weights.ctypes.data % 4096 == 0
        assert not weights.flags.writeable
        assert not weights.flags.owndata


def test_weights_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(PLAN)
    before = Path("/proc/self/maps").read_text().count(str(path))
    artifact = open_artifact(path, Kind.PLAN)
    maps = Path("/proc/self/maps").read_text()
    assert maps.count(str(path)) == before + 1
    line = next(line for line in maps.splitlines() if str(path) in line)
    start, end = (int(address, 16) for address in line.split()[0].split("-"))
    assert start <= artifact.weights.ctypes.data < end
    assert line.split()[1].startswith("r--")


def test_empty_weights() -> None:
    data = artifact_bytes(Kind.PLAN, {Section.META: META, Section.WEIGHTS: b""}, example_passport())
    assert open_artifact(data, Kind.PLAN).weights.size == 0
    assert open_artifact(CACHE, Kind.TIMING_CACHE).weights.size == 0


def test_many_chunks() -> None:
    weights = np.arange(2 * CHUNK // 8 + 5, dtype=np.int64).view(np.uint8)
    data = artifact_bytes(Kind.PLAN, {Section.META: META, Section.WEIGHTS: weights}, example_passport())
    artifact = open_artifact(data, Kind.PLAN)
    assert np.array_equal(artifact.weights, weights)
    assert len(artifact.sections[Section.CHUNKS]) == 3 * 32
    damaged = bytearray(data)
    damaged[data.index(weights[CHUNK : CHUNK + 64].tobytes())] ^= 1
    assert "WEIGHTS piece 16" in str(refusal(damaged))
    assert "WEIGHTS chunk 1" in str(refusal(without_sums(damaged)))


def test_unknown_optional_section_and_compatible_flags_are_skipped() -> None:
    parts = take_apart(PLAN)
    parts.prefix["flags_compat"] = 0xFFFF
    parts.entries.append({**parts.entries[1], "type": 77, "flags": int(SectionFlag.CHUNKED)})
    parts.sections.append(b"of a newer minor")
    parts.gaps.append(b"")
    artifact = open_artifact(relaid(parts), Kind.PLAN)
    assert artifact.weights.tobytes() == WEIGHTS
    assert set(artifact.sections) == {Section.PASSPORT, Section.META, Section.WEIGHTS, Section.CHUNKS}


def test_opened_from_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(PLAN)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(open_artifact(path, Kind.PLAN).weights.tobytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WEIGHTS] * 8


# --- Accidents: every bit, every length -------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "kind"), [(PLAN, Kind.PLAN), (CACHE, Kind.TIMING_CACHE)], ids=["plan", "cache"])
def test_every_flipped_bit_is_refused(data: bytes, kind: Kind) -> None:
    damaged = bytearray(data)
    loaded = []
    for bit in range(8 * len(data)):
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            open_artifact(damaged, kind)
            loaded.append(bit)
        except PlanError:
            pass
        damaged[bit // 8] ^= 1 << bit % 8
    assert loaded == []
    open_artifact(damaged, kind)


def test_every_truncation_is_refused() -> None:
    for length in range(len(PLAN)):
        error = refusal(PLAN[:length])
        assert error.code == ("EW-P001" if length < 64 else "EW-P002")
    assert "truncated: 3,000 of" in str(refusal(PLAN[:3000]))


@pytest.mark.parametrize("extra", [1, 2, 63, 64, 4096])
def test_extra_bytes_are_refused(extra: int) -> None:
    assert refusal(PLAN + bytes(extra)).code == "EW-P002"


# --- Faults with good digests -----------------------------------------------------------------------------------------


def test_every_header_number_sealed_again() -> None:
    """Set each aligned number of prefix, header and table; what loads all the same must hold what the plan holds."""
    size, end = len(PLAN), HEADER_SIZE + 80 * 4
    values = [0, 1, 2**31 - 1, 2**31 + 1, 2**32 - 1, 2**63 - 1, 2**63 + 1, 2**64 - 1, size, size + 1]
    loaded, refused = set(), 0
    for width, form in ((4, "<I"), (8, "<Q")):
        for at, value in itertools.product(range(8, end, width), values):
            head = bytearray(PLAN[:end])
            struct.pack_into(form, head, at, value & (256**width - 1))
            data = sealed_with_head(bytes(head))
            if data == PLAN:
                continue
            try:
                artifact = open_artifact(data, Kind.PLAN)
            except PlanError:
                refused += 1
                continue
            assert (artifact.weights.tobytes(), bytes(artifact.sections[Section.META])) == (WEIGHTS, META)
            loaded.add(at)
    assert loaded == {8, 52}, "only format_minor and flags_compat are free"
    assert refused > 1000


def sealed_with_head(head: bytes) -> bytes:
    """Return PLAN with other numbers in its head and the digests of header and table following them."""
    true_count = PLAN[44:48]
    parts = take_apart(PLAN)
    frame = take_apart(head[:44] + true_count + head[48:] + PLAN[len(head) :])
    count = int.from_bytes(head[44:48], "little")
    return Parts(
        frame.prefix | {"n_sections": count}, frame.header, frame.entries, parts.gaps, parts.sections
    ).seal_frame()


Damage = Callable[[Parts], None]


def set_prefix(**fields: int) -> Damage:
    return lambda parts: parts.prefix.update(fields)


def set_header(**fields: Any) -> Damage:
    return lambda parts: parts.header.update(fields)


def set_entry(section: Section, **fields: Any) -> Damage:
    return lambda parts: parts.entries[parts.find(section)].update(fields)


def set_gap(parts: Parts) -> None:
    at = parts.find(Section.WEIGHTS)
    parts.gaps[at] = b"\x01" + parts.gaps[at][1:]


def swap_first(parts: Parts) -> None:
    parts.entries[0]["type"], parts.entries[1]["type"] = parts.entries[1]["type"], parts.entries[0]["type"]


FAULTS: list[tuple[str, Damage, str]] = [
    ("kind", set_prefix(kind=2), "EW-P005"),
    ("unknown kind", set_prefix(kind=9), "EW-P005"),
    ("major", set_prefix(major=7), "EW-P003"),
    ("minor", set_prefix(minor=7), "EW-P003"),
    ("patch", set_prefix(patch=7), "EW-P003"),
    ("build", set_prefix(build=7), "EW-P003"),
    ("release before format", set_prefix(build=7, format_major=9), "EW-P003"),
    ("format", set_prefix(format_major=2), "EW-P004"),
    ("unknown flag", set_prefix(flags_incompat=2), "EW-P004"),
    ("digest algorithm", set_header(digest_alg=2), "EW-P004"),
    ("signature algorithm", set_header(signature_alg=2), "EW-P004"),
    ("file size", set_prefix(file_size=1 << 40), "EW-P002"),
    ("no sections", set_prefix(n_sections=0), "EW-P008"),
    ("65 sections", set_prefix(n_sections=65), "EW-P008"),
    ("more sections than bytes", set_prefix(n_sections=64), "EW-P002"),
    ("header size", set_prefix(header_size=328), "EW-P009"),
    ("entry size", set_prefix(entry_size=96), "EW-P009"),
    ("reserved prefix", set_prefix(zero=1), "EW-P002"),
    ("reserved header", set_header(zero=b"\x01" + bytes(23)), "EW-P002"),
    ("signature without algorithm", set_header(signature=b"\x01" * 64), "EW-P002"),
    ("key without algorithm", set_header(key_id=b"\x01" * 32), "EW-P002"),
    ("signature crc32", set_header(signature_alg=1, signature_crc=5), "EW-P002"),
    ("recipe digest without recipe", set_header(recipe=b"\x01" * 32), "EW-P009"),
    ("target digest", set_header(target=b"\x01" * 32), "EW-P009"),
    ("unknown required section", set_entry(Section.CHUNKS, type=99), "EW-P004"),
    ("unknown section with code", set_entry(Section.CHUNKS, type=99, flags=2), "EW-P009"),
    ("reserved entry", set_entry(Section.META, zero=b"\x01" * 16), "EW-P002"),
    ("align", set_entry(Section.META, align=128), "EW-P009"),
    ("overlap", set_entry(Section.WEIGHTS, offset=0), "EW-P009"),
    ("gap too large", set_entry(Section.WEIGHTS, offset=8192), "EW-P009"),
    ("length beyond the file", set_entry(Section.CHUNKS, length=1 << 62), "EW-P009"),
    ("length near 2^64", set_entry(Section.CHUNKS, length=2**64 - 1), "EW-P009"),
    ("last section too short", set_entry(Section.CHUNKS, length=31), "EW-P009"),
    ("gap not zero", set_gap, "EW-P002"),
    ("passport not first", swap_first, "EW-P009"),
    ("section twice", set_entry(Section.META, type=1), "EW-P009"),
    ("section missing", set_entry(Section.META, type=7, flags=0), "EW-P009"),
    ("needed section missing", set_entry(Section.CHUNKS, type=6), "EW-P009"),
    ("flags of a section", set_entry(Section.META, flags=0), "EW-P009"),
    ("chunked flag missing", set_entry(Section.WEIGHTS, flags=1), "EW-P009"),
    ("code flag without code", set_prefix(flags_incompat=1), "EW-P007"),
    ("digest of weights", set_entry(Section.WEIGHTS, digest=bytes(32)), "EW-P009"),
    ("digest of passport", set_entry(Section.PASSPORT, digest=bytes(32)), "EW-P002"),
    ("digest of meta", set_entry(Section.META, digest=bytes(32)), "EW-P002"),
]


@pytest.mark.parametrize(("damage", "code"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_named_faults(damage: Damage, code: str) -> None:
    parts = take_apart(PLAN)
    damage(parts)
    error = refusal(parts.seal_frame())
    assert error.code == code
    assert error.hint
    assert error.where == "bytes"
    assert pickle.loads(pickle.dumps(error)).kind == error.kind


def test_untouched_parts_load() -> None:
    assert open_artifact(take_apart(PLAN).seal(), Kind.PLAN).weights.tobytes() == WEIGHTS
    assert take_apart(PLAN).seal() == PLAN
    assert relaid(take_apart(RICH)) == RICH


def test_code_flag_without_code_is_invalid_even_if_trusted() -> None:
    parts = take_apart(PLAN)
    parts.prefix["flags_incompat"] = 1
    assert refusal(parts.seal_frame(), trust="any").code == "EW-P009"


def test_number_of_chunks_must_fit() -> None:
    parts = take_apart(PLAN)
    parts.sections[parts.find(Section.CHUNKS)] = bytes(64)
    assert refusal(relaid(parts)).code == "EW-P009"


def test_section_of_another_kind() -> None:
    parts = take_apart(PLAN)
    parts.entries.append({**parts.entries[1], "type": int(Section.ENTRIES)})
    parts.sections.append(b"[]")
    parts.gaps.append(b"")
    assert "ENTRIES" in refusal(relaid(parts)).message


def test_section_limits() -> None:
    parts = take_apart(PLAN)
    parts.sections[0] = b"1" * ((256 << 10) + 1)
    assert refusal(relaid(parts)).code == "EW-P008"


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_are_refused(data: bytes, magic: bool) -> None:
    refusal(PLAN[:8] + data if magic else data)


# --- What else it may be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty file"),
        (b"\x08\x07\x12\x04" + bytes(100), "ONNX model"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (b"\x80\x04\x95" + bytes(100), "pickle"),
        (b"\x1f\x8b" + bytes(100), "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n" + bytes(100), "Git LFS"),
        (b"<!DOCTYPE html>" + bytes(100), "HTML"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "JPEG"),
        (PLAN.replace(b"\r\n", b"\n"), "text mode"),
        (bytes(byte & 127 for byte in PLAN), "text mode"),
        (PLAN[:20], "only 20 bytes"),
        (b"something else" * 10, "73 6f 6d 65"),
    ],
)
def test_not_recognized_says_what_it_looks_like(data: bytes, text: str) -> None:
    error = refusal(data)
    assert error.code == "EW-P001"
    assert text in error.message


@pytest.mark.parametrize("name", ["missing.plan", "folder", "fifo"])
def test_paths_that_are_no_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(errors.PlanNotRecognized) as caught:
        open_artifact(tmp_path / name, Kind.PLAN)
    assert name in str(caught.value)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(errors.PlanNotRecognized, match="an empty file"):
        open_artifact(tmp_path / "empty", Kind.PLAN)


# --- Release, machine, plugins, trust ---------------------------------------------------------------------------------


def test_other_release_names_field_and_rebuild_command(tmp_path: Path) -> None:
    parts = take_apart(PLAN)
    parts.prefix["patch"] += 1
    path = tmp_path / "det.plan"
    path.write_bytes(parts.seal_frame())
    with pytest.raises(errors.PlanVersionMismatch) as caught:
        open_artifact(path, Kind.PLAN)
    error = caught.value
    assert (error.kind, error.field, error.running) == ("plan", "patch", str(running_version()))
    assert error.found != error.running
    assert error.rebuild == f"enginewright build {tmp_path}/MODEL.onnx -o {path}"


def test_rebuild_command_names_the_model() -> None:
    version = str(running_version()._replace(patch=99))
    error = refusal(example_plan(enginewright=version))
    assert isinstance(error, errors.PlanVersionMismatch)
    assert error.rebuild == "enginewright build tiny.onnx -o bytes"


@pytest.mark.parametrize(
    ("target", "memory", "field"),
    [
        (Target("riscv128"), 0, "arch"),
        (Target(os.uname().machine, needs=("avx1024",)), 0, "needs"),
        (Target(os.uname().machine, compute_capability="sm_10"), 0, "compute_capability"),
        (Target(os.uname().machine), 1 << 60, "memory"),
    ],
)
def test_other_machine(target: Target, memory: int, field: str) -> None:
    error = refusal(example_plan(target=target, memory=memory))
    assert error.code == "EW-P006"
    assert isinstance(error.details, errors.PlanDetails)
    assert error.details.field == field


def test_all_missing_plugins_at_once() -> None:
    uses = tuple(
        PluginUse(key, "acme-ops", "1.0", "", "t", 1, "", "0.1", needed=True) for key in ("no::A@1", "none::B@2")
    )
    with pytest.raises(errors.PluginNotFound) as caught:
        open_artifact(example_plan(plugins=uses), Kind.PLAN)
    assert [plugin.namespace for plugin in caught.value.plugins] == ["no::A@1", "none::B@2"]
    not_needed = tuple(
        PluginUse(use.key, use.distribution, use.version, "", "t", 1, "", "0.1", needed=False) for use in uses
    )
    assert open_artifact(example_plan(plugins=not_needed), Kind.PLAN).passport.plugins == not_needed


@pytest.mark.parametrize("option", [{"verify": "eager"}, {"verify": ""}, {"trust": "all"}])
def test_unknown_options(option: dict[str, str]) -> None:
    with pytest.raises(errors.ConfigError):
        open_artifact(PLAN, Kind.PLAN, **option)  # type: ignore[arg-type]


def test_header_only_skips_the_weights_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    damaged = bytearray(PLAN)
    damaged[PLAN.index(WEIGHTS)] ^= 1
    with caplog.at_level(logging.WARNING, "enginewright.plan"):
        assert open_artifact(damaged, Kind.PLAN, verify="header").weights[0] == 1
    assert "damaged weights would not be noticed" in caplog.text
    assert refusal(damaged).code == "EW-P002"


# --- JSON -------------------------------------------------------------------------------------------------------------


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record of a test."""

    name: str
    sizes: tuple[int, ...]
    inner: Node | None = None


def test_canonical_json_round_trip() -> None:
    node = Node("ä\n\x01\x7f\u2028", (1, -(2**63), 2**63 - 1), Node("b", ()))
    data = encode_json(node)
    assert decode_json(data, Node) == node
    assert decode_json(memoryview(data), Node) == node


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"inner":null, "name":"a","sizes":[]}',
        b'{"name":"a","inner":null,"sizes":[]}',
        b'{"inner":null,"name":"a","name":"a","sizes":[]}',
        b'{"inner":null,"name":"a","other":1,"sizes":[]}',
        b'{"inner":null,"name":"a","sizes":[1.0]}',
        b'{"inner":null,"name":"\\u0061","sizes":[]}',
        b'{"inner":null,"name":"\xff","sizes":[]}',
        b'{"inner":null,"name":"a","sizes":[01]}',
        b'{"inner":null,"name":"a","sizes":[]} ',
        b'{"inner":null,"name":1,"sizes":[]}',
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        decode_json(data, Node)
    plan = artifact_bytes(Kind.PLAN, {Section.META: data, Section.WEIGHTS: b""}, example_passport())
    with pytest.raises(errors.PlanInvalid, match="META"):
        open_artifact(plan, Kind.PLAN).decode(Section.META, Node)


def test_nesting_is_limited() -> None:
    data = b'{"inner":' * 100_000 + b"null"
    plan = artifact_bytes(Kind.PLAN, {Section.META: data, Section.WEIGHTS: b""}, example_passport())
    with pytest.raises(errors.PlanLimitExceeded, match="META"):
        open_artifact(plan, Kind.PLAN).decode(Section.META, Node)


def test_decoding_a_section_that_is_not_there() -> None:
    with pytest.raises(errors.PlanInvalid, match="no section RECIPE"):
        open_artifact(PLAN, Kind.PLAN).decode(Section.RECIPE, Node)
