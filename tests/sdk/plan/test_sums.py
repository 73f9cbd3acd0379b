"""Sums find accidents in the weights of unsigned plans; where somebody signed, digests decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enginewright.plan.artifact import Kind, Section, artifact_bytes, check_file, open_artifact
from enginewright.plan.signing import sign
from enginewright_compat.layout import PIECE, SUM_SIZE, SectionFlag, chunk_count
from tests.compat.artifacts import META, WEIGHTS, example_passport, heavy_plan, relaid, take_apart, without_sums
from tests.sdk.plan.test_artifact import refusal
from tests.sdk.plan.test_signing import key_file

PLAN = heavy_plan()
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
    with pytest.raises(Exception, match="SUMS") as caught:
        open_artifact(relaid(parts), Kind.SAFE_PLAN)
    assert caught.value.code == "EW-P009"  # type: ignore[attr-defined]


def test_any_changed_bit_of_the_weights_is_found() -> None:
    rng = np.random.default_rng(0)
    places = [0, PIECE - 1, PIECE, 3 * PIECE - 1, 3 * PIECE, SIZE - 1, *rng.integers(0, SIZE, 200).tolist()]
    for place in places:
        damaged = bytearray(PLAN)
        damaged[START + place] ^= 1 << int(rng.integers(8))
        error = refusal(damaged)
        assert error.code == "EW-P002"
        assert f"WEIGHTS piece {min(place // PIECE, 2)}" in str(error)


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


def test_too_few_weights_have_none() -> None:
    error = refusal(resealed(WEIGHTS=WEIGHTS, CHUNKS=bytes(32), SUMS=bytes(16)))
    assert error.code == "EW-P009"
    assert "SUMS" in str(error)


def test_a_changed_sum_is_found() -> None:
    at = PLAN.rindex(take_apart(PLAN).sections[-1])
    damaged = bytearray(PLAN)
    damaged[at] ^= 1
    assert "SUMS" in str(refusal(damaged))
    assert "WEIGHTS piece 0" in str(refusal(resealed(SUMS=bytes(48))))


def test_who_signed_is_not_deceived_by_sums(tmp_path: Path) -> None:
    """Weights that were forged with their sums, under the digests that were signed."""
    path, forged = tmp_path / "plan", bytearray(PLAN)
    path.write_bytes(PLAN)
    sign(path, key_file(tmp_path))
    forged = bytearray(path.read_bytes())
    forged[START] ^= 1
    assert "WEIGHTS chunk 0" in str(refusal(forged))


def test_sums_of_a_signed_plan_decide_nothing(tmp_path: Path) -> None:
    """It loads whatever they are, for its digests are right; a check of the file says that they are wrong."""
    path = tmp_path / "plan"
    path.write_bytes(PLAN)
    sign(path, key_file(tmp_path))
    check_file(path)
    parts = take_apart(path.read_bytes())
    parts.sections[parts.find(Section.SUMS)] = bytes(48)
    path.write_bytes(relaid(parts))
    assert open_artifact(path, Kind.PLAN).sections[Section.SUMS] == bytes(48)
    with pytest.raises(Exception, match="WEIGHTS piece 0"):
        check_file(path)


@pytest.mark.parametrize("section", ["SUMS", "CHUNKS"])
def test_a_check_of_the_file_looks_at_both(section: str, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_bytes(PLAN)
    check_file(path)
    size = 48 if section == "SUMS" else 32 * chunk_count(SIZE)
    path.write_bytes(resealed(**{section: bytes(size)}))
    with pytest.raises(Exception, match="WEIGHTS (piece|chunk) 0"):
        check_file(path)
