"""Sums find accidents in the weights of unsigned plans; where somebody signed, digests decide."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash

from enginewright.errors import PlanCorrupt, PlanError
from enginewright.plan import artifact
from enginewright.plan.artifact import Kind, Section, artifact_bytes, check_file, open_artifact
from enginewright.plan.hashing import Claim, early_claim
from enginewright.plan.signing import sign
from enginewright.trust import Trust
from enginewright_compat.layout import ENTRY_SIZE, HEADER_SIZE, PIECE, SUM_SIZE, SectionFlag, chunk_count
from tests.compat.artifacts import META, WEIGHTS, example_passport, heavy_plan, relaid, take_apart, without_sums
from tests.sdk.plan.test_artifact import refusal
from tests.sdk.plan.test_signing import PUBLIC, key_file

PLAN = heavy_plan()
TABLE_END = HEADER_SIZE + ENTRY_SIZE * len(take_apart(PLAN).entries)
SOURCE = Path(__file__).parents[3] / "native/cpu/xxh3.cpp"
SECRET = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})\b", SOURCE.read_text().split("SECRET[")[1]))
BLOCK, LOW, WORD = 1024, (1 << 32) - 1, (1 << 64) - 1
START = take_apart(PLAN).entries[take_apart(PLAN).find(Section.WEIGHTS)]["offset"]
SIZE = len(take_apart(PLAN).sections[take_apart(PLAN).find(Section.WEIGHTS)])


def resealed(**sections: bytes) -> bytes:
    """Return the plan with other contents of sections, and the digests of what it now holds."""
    parts = take_apart(PLAN)
    for name, content in sections.items():
        parts.sections[parts.find(Section[name])] = content
    return relaid(parts)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 5 * PIECE + 7])
def test_from_a_piece_on_there_are_sums(size: int) -> None:
    data = artifact_bytes(Kind.PLAN, {Section.META: META, Section.WEIGHTS: bytes(size)}, example_passport())
    sections = open_artifact(data, Kind.PLAN).sections
    assert len(sections.get(Section.SUMS, b"")) == size // PIECE * SUM_SIZE
    assert (Section.SUMS in sections) == (size >= PIECE)


def test_they_are_optional() -> None:
    entry = next(entry for entry in take_apart(PLAN).entries if entry["type"] == Section.SUMS)
    assert not entry["flags"] & SectionFlag.REQUIRED
    plain = without_sums(PLAN)
    assert open_artifact(plain, Kind.PLAN).weights.tobytes() == open_artifact(PLAN, Kind.PLAN).weights.tobytes()


def test_a_safe_plan_has_none() -> None:
    sections = {Section.META: META, Section.WEIGHTS: WEIGHTS * 2000}
    safe = artifact_bytes(Kind.SAFE_PLAN, sections, example_passport())
    assert Section.SUMS not in open_artifact(safe, Kind.SAFE_PLAN).sections
    parts = take_apart(PLAN)
    parts.prefix["kind"] = int(Kind.SAFE_PLAN)
    error = refusal(relaid(parts), Kind.SAFE_PLAN)
    assert error.code == "EW-P009"
    assert "SUMS" in str(error)


def test_any_changed_bit_of_the_weights_is_found() -> None:
    rng = np.random.default_rng(0)
    places = [0, PIECE - 1, PIECE, 3 * PIECE - 1, 3 * PIECE, SIZE - 1, *rng.integers(0, SIZE, 200).tolist()]
    for place in places:
        damaged = bytearray(PLAN)
        damaged[START + place] ^= 1 << int(rng.integers(8))
        error = refusal(damaged)
        assert error.code == "EW-P002"
        assert f"WEIGHTS piece {min(place // PIECE, 2)} sum" in str(error)


def test_other_accidents_are_found() -> None:
    """Pieces that changed places, bytes that were never written, a run that stands one byte further on."""
    weights = bytes(np.random.default_rng(0).integers(0, 256, 2 * PIECE, dtype=np.uint8))
    sections = {Section.META: META, Section.WEIGHTS: weights}
    plan = artifact_bytes(Kind.PLAN, sections, example_passport())
    half, page = PIECE // 2, 4096
    for other in (
        weights[PIECE:] + weights[:PIECE],
        weights[half:PIECE] + weights[:half] + weights[PIECE:],
        weights[:page] + bytes(page) + weights[2 * page :],
        weights[:page] + weights[page - 1 : -1],
        bytes(len(weights)),
    ):
        assert refusal(plan.replace(weights, other)).code == "EW-P002"


@pytest.mark.parametrize("sums", [b"", bytes(16), bytes(32), bytes(47), bytes(49), bytes(64)])
def test_their_number_must_fit(sums: bytes) -> None:
    error = refusal(resealed(SUMS=sums))
    assert error.code == "EW-P009"
    assert "3 sums" in str(error)


@pytest.mark.parametrize("sums", [b"", bytes(16)])
def test_too_few_weights_have_none(sums: bytes) -> None:
    error = refusal(resealed(WEIGHTS=WEIGHTS, CHUNKS=bytes(32), SUMS=sums))
    assert error.code == "EW-P009"
    assert "SUMS" in str(error)


def test_a_changed_sum_is_found() -> None:
    at = PLAN.rindex(take_apart(PLAN).sections[-1])
    damaged = bytearray(PLAN)
    damaged[at] ^= 1
    assert "SUMS" in str(refusal(damaged))
    assert "WEIGHTS piece 0" in str(refusal(resealed(SUMS=bytes(48))))


def block_sums(block: bytes) -> list[int]:
    """What a block of 1 KiB adds to the eight sums of XXH3."""
    sums = [0] * 8
    for at in range(0, BLOCK, 8):
        (word,), (secret,) = (
            struct.unpack_from("<Q", block, at),
            struct.unpack_from("<Q", SECRET, at // 64 * 8 + at % 64),
        )
        lane, mixed = at // 8 % 8, word ^ secret
        sums[lane ^ 1] += word
        sums[lane] += (mixed & LOW) * (mixed >> 32)
    return [total & WORD for total in sums]


def forged(block: bytes, wanted: bytes) -> bytes:
    """A block that begins as is wanted and adds to the sums what the other does.

    Of two stripes the products are zero: in the first by the low halves, in the second by the high ones; what is left
    of their words makes up any difference.
    """
    made = bytearray(wanted.ljust(BLOCK, b"\0"))
    for lane in range(8):
        first, second = (struct.unpack_from("<Q", SECRET, 8 * (stripe + lane))[0] for stripe in (14, 15))
        struct.pack_into("<Q", made, 14 * 64 + 8 * lane, first & LOW)
        struct.pack_into("<Q", made, 15 * 64 + 8 * lane, second & ~LOW)
    for lane, (had, has) in enumerate(zip(block_sums(block), block_sums(bytes(made)), strict=True)):
        missing = (had - has) & WORD
        for stripe, part in ((15, missing & LOW), (14, missing & ~LOW)):
            at = stripe * 64 + 8 * (lane ^ 1)
            struct.pack_into("<Q", made, at, struct.unpack_from("<Q", made, at)[0] | part)
    return bytes(made)


def with_forged_weights(plan: bytes) -> bytes:
    """The plan with other weights that have the same sums; all else is as it was."""
    block = plan[START : START + BLOCK]
    other = forged(block, b"forged weights " * 50)
    assert other != block
    made = plan[:START] + other + plan[START + BLOCK :]
    assert xxhash.xxh3_128_digest(made[START : START + PIECE]) == xxhash.xxh3_128_digest(plan[START : START + PIECE])
    return made


@pytest.fixture
def signed(tmp_path: Path) -> bytes:
    """The plan, signed by key "a"."""
    path = tmp_path / "signed.plan"
    path.write_bytes(PLAN)
    sign(path, key_file(tmp_path))
    return path.read_bytes()


@pytest.mark.parametrize("trust", [None, [PUBLIC["a"]], "any"])
def test_who_signed_is_not_deceived_by_sums(signed: bytes, trust: Trust) -> None:
    open_artifact(signed, Kind.PLAN, trust=trust)
    assert "WEIGHTS chunk 0 digest" in str(refusal(with_forged_weights(signed), trust=trust))


def test_forged_weights_of_an_unsigned_plan_have_other_digests(tmp_path: Path) -> None:
    """Which a load does not compare, for who forges the weights could make the digests fit; these do."""
    path = tmp_path / "plan"
    path.write_bytes(with_forged_weights(PLAN))
    open_artifact(path, Kind.PLAN)
    lazy = open_artifact(path, Kind.PLAN, verify="lazy").lazy
    assert lazy is not None
    with pytest.raises(PlanCorrupt, match="WEIGHTS chunk 0 digest"):
        lazy.check_all()
    with pytest.raises(PlanError, match="WEIGHTS chunk 0 digest"):
        check_file(path)


@pytest.mark.parametrize("by_sums", [True, False])
def test_a_signature_that_comes_or_goes_while_a_file_is_read(
    signed: bytes, by_sums: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are hashed before the header is checked: what they were compared with must be what it asks for."""
    changed = with_forged_weights(signed) if by_sums else PLAN

    def claim(view: memoryview) -> Claim:
        return replace(early_claim(view), by_sums=by_sums)

    monkeypatch.setattr(artifact, "early_claim", claim)
    assert "WEIGHTS digest" in str(refusal(changed))


def test_every_changed_bit_of_the_table_and_behind_the_weights_is_found() -> None:
    for at in (*range(HEADER_SIZE, TABLE_END), *range(START + SIZE, len(PLAN))):
        for bit in range(8):
            damaged = bytearray(PLAN)
            damaged[at] ^= 1 << bit
            refusal(damaged)


def test_every_byte_of_the_head_sealed_again() -> None:
    """Whatever head it is, with right digests: refused, or the weights that were written."""
    rng = np.random.default_rng(0)
    for at in range(8, TABLE_END):
        for value in {0, 1, 12, 255, int(rng.integers(256))} - {PLAN[at]}:
            changed = bytearray(PLAN)
            changed[at] = value
            try:
                parts = take_apart(bytes(changed))
                found = open_artifact(parts.seal_frame(), Kind.PLAN)
            except PlanError:
                continue
            except (struct.error, StopIteration):  # of take_apart: no such table
                continue
            assert found.weights.tobytes() == PLAN[START : START + SIZE]


def test_sums_of_a_signed_plan_decide_nothing(signed: bytes, tmp_path: Path) -> None:
    """It loads whatever they are, for its digests are right; a check of the file says that they are wrong."""
    path = tmp_path / "plan"
    path.write_bytes(signed)
    check_file(path)
    parts = take_apart(signed)
    parts.sections[parts.find(Section.SUMS)] = bytes(48)
    path.write_bytes(relaid(parts))
    assert open_artifact(path, Kind.PLAN).sections[Section.SUMS] == bytes(48)
    with pytest.raises(PlanError, match="WEIGHTS piece 0"):
        check_file(path)


@pytest.mark.parametrize("section", ["SUMS", "CHUNKS"])
def test_a_check_of_the_file_looks_at_both(section: str, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_bytes(PLAN)
    check_file(path)
    size = 48 if section == "SUMS" else 32 * chunk_count(SIZE)
    path.write_bytes(resealed(**{section: bytes(size)}))
    with pytest.raises(PlanError, match="WEIGHTS (piece|chunk) 0"):
        check_file(path)
