"""Calibration caches: what they hold, for which graph, in which releases, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

import enginewright as ew
from enginewright import errors
from enginewright.plan.artifact import Kind, Section, open_artifact
from enginewright_compat.version import Version, running_version
from tests.compat.artifacts import Parts, example_plan, relaid, take_apart, with_passport
from tests.fuzz.mutation import with_section
from tests.fuzz.targets import limits
from tests.golden.calibrations import GRAPH, RANGES, written_by
from tests.sdk.onnx_io.test_graph_digest import changed, gemm

DIGEST = "ab" * 32
MAX = 2**32 - 1

GOLDEN = Path(__file__).parents[2] / "golden"


def cache(**changes: Any) -> ew.CalibrationCache:
    """A cache of one tensor."""
    fields: dict[str, Any] = {"scale": 0.5, "zero_point": 3, "method": "max", "samples": 10, "data": DIGEST} | changes
    return ew.CalibrationCache(GRAPH, {"x": ew.TensorRange(**fields)})


def test_it_is_made_saved_loaded_and_looked_up(tmp_path: Path) -> None:
    made = ew.CalibrationCache(ew.graph_digest(gemm()), RANGES)
    made.save(tmp_path / "m.calibration")
    found = ew.CalibrationCache.load(tmp_path / "m.calibration")
    assert dict(found) == RANGES
    assert (found.graph, list(found), len(found)) == (GRAPH, ["w", "x", "y"], 3)
    assert found["x"] == ew.TensorRange(0.1, 128, "entropy", 500, "11" * 32, ew.uint8)
    assert repr(found) == "<CalibrationCache for graph de3cc57269ff740d: 3 tensors>"
    with pytest.raises(KeyError):
        found["z"]
    assert (tmp_path / "m.calibration").read_bytes() == made.to_bytes()
    info = ew.verify_file(tmp_path / "m.calibration")
    assert info.kind == "calibration cache"
    assert info.passport is not None
    assert info.passport.model is not None
    assert info.passport.model.graph == GRAPH


def test_it_is_good_for_one_graph_only() -> None:
    made = ew.CalibrationCache(ew.graph_digest(gemm()), RANGES)
    made.check(ew.graph_digest(gemm()))
    with pytest.raises(errors.CalibrationMismatch) as caught:
        made.check(ew.graph_digest(changed(alpha=0.2)), "model.onnx")
    assert isinstance(caught.value.details, errors.PlanDetails)
    assert (caught.value.details.field, caught.value.details.found) == ("graph", GRAPH)
    assert caught.value.where == "model.onnx"


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=100),
        st.builds(
            ew.TensorRange,
            st.floats(min_value=0, exclude_min=True, allow_infinity=False),
            st.integers(0, 7),
            st.sampled_from(["max", "entropy"]),
            st.integers(1, 2**63 - 1),
            st.just(DIGEST),
            st.sampled_from([ew.int4, ew.uint4, ew.int8, ew.uint8, ew.int16, ew.uint16]),
        ),
    )
)
def test_every_range_comes_back_exactly(ranges: dict[str, ew.TensorRange]) -> None:
    made = ew.CalibrationCache(GRAPH, ranges)
    assert dict(ew.CalibrationCache.load(made.to_bytes())) == ranges
    turned = ew.CalibrationCache(GRAPH, dict(reversed(ranges.items())))
    assert turned.to_bytes() == made.to_bytes()


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"scale": 0.0}, "finite and above 0"),
    ({"scale": -1.0}, "finite and above 0"),
    ({"scale": float("inf")}, "finite and above 0"),
    ({"scale": float("nan")}, "finite and above 0"),
    ({"zero_point": 128}, "is no int8"),
    ({"zero_point": -129}, "is no int8"),
    ({"zero_point": -1, "dtype": ew.uint8}, "is no uint8"),
    ({"zero_point": 16, "dtype": ew.uint4}, "is no uint4"),
    ({"dtype": ew.float32}, "no type to quantize to"),
    ({"samples": 0}, "0 samples"),
    ({"samples": 2**63}, "samples"),
    ({"data": "AB" * 32}, "hex digits"),
    ({"method": "a\nb"}, "control characters"),
]


@pytest.mark.parametrize(("changes", "message"), IMPOSSIBLE)
def test_impossible_ranges_are_refused_when_they_are_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ConfigError, match=message):
        cache(**changes)


def test_impossible_graphs_names_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for graph, name in (("", "x"), (GRAPH.upper(), "x"), (GRAPH, "n" * 1025)):
        with pytest.raises(errors.ConfigError):
            ew.CalibrationCache(graph, {name: RANGES["x"]})
    data = ew.CalibrationCache(GRAPH, RANGES).to_bytes()
    monkeypatch.setattr("enginewright.plan.calibration_cache.MAX_RECORDS", 2)
    with pytest.raises(errors.PlanLimitExceeded, match="3 tensors, at most 2"):
        ew.CalibrationCache.load(data)


# --- Named bad caches -------------------------------------------------------------------------------------------------

Damage = Callable[[dict[str, Any]], object]


def first(**fields: object) -> Damage:
    """Change the first range."""
    return lambda content: content["ranges"][0].update(fields)


BAD: list[tuple[str, Damage, str]] = [
    ("unknown field", lambda c: c.update(more=1), "unknown field"),
    ("no graph", lambda c: c.pop("graph"), "missing required field"),
    ("graph that is no digest", lambda c: c.update(graph="00"), "hex digits"),
    ("unknown field of a range", first(more=1), "unknown field"),
    ("range without a scale", lambda c: c["ranges"][0].pop("scale"), "missing required field"),
    ("not sorted", lambda c: c["ranges"].reverse(), "not sorted"),
    ("tensor twice", lambda c: c["ranges"].append(c["ranges"][-1]), "there twice"),
    ("scale as a number", first(scale=0.5), "Expected `str`"),
    ("scale in decimal", first(scale="0.5"), "float.hex"),
    ("scale with zeros", first(scale="0x1.0p-5"), "float.hex"),
    ("scale that is no number", first(scale="much"), "float.hex"),
    ("scale beyond all numbers", first(scale="0x1p99999"), "float.hex"),
    ("scale 0", first(scale="0x0.0p+0"), "above 0"),
    ("scale infinite", first(scale="inf"), "above 0"),
    ("scale that is none", first(scale="nan"), "above 0"),
    ("unknown data type", first(dtype="int7"), "unknown data type"),
    ("real data type", first(dtype="float32"), "unknown data type"),
    ("zero point out of range", first(zero_point=200), "is no int8"),
    ("zero point with a fraction", first(zero_point=0.5), "Expected `int`"),
    ("no samples", first(samples=0), "samples"),
    ("samples of more than 64 bits", first(samples=2**70), "samples"),
    ("name with a control character", first(name="\x07"), "control"),
    ("name of 1,025 bytes", first(name="a" * 1025), "1024"),
    ("data that is no digest", first(data=""), "hex digits"),
]


def with_ranges(content: object) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return with_section(ew.CalibrationCache(GRAPH, RANGES).to_bytes(), Section.RANGES, text)


def content_of(data: bytes) -> dict[str, Any]:
    decoded = json.loads(bytes(open_artifact(data, Kind.CALIBRATION_CACHE).sections[Section.RANGES]))
    assert isinstance(decoded, dict)
    return decoded


@pytest.mark.parametrize(("damage", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_ranges(damage: Damage, message: str) -> None:
    content = content_of(ew.CalibrationCache(GRAPH, RANGES).to_bytes())
    damage(content)
    with pytest.raises(errors.PlanInvalid, match=message):
        ew.CalibrationCache.load(with_ranges(content))


def test_untouched_ranges_load() -> None:
    data = ew.CalibrationCache(GRAPH, RANGES).to_bytes()
    assert with_ranges(content_of(data)) == data


def test_other_kinds() -> None:
    with pytest.raises(errors.PlanKindMismatch):
        ew.CalibrationCache.load(example_plan())
    with pytest.raises(errors.PlanNotRecognized):
        ew.CalibrationCache.load(b"text" * 20)


def test_every_flipped_bit_is_refused() -> None:
    data = cache().to_bytes()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.PlanError):
            ew.CalibrationCache.load(bytes(damaged))


def test_the_densest_cache_keeps_the_promise(tmp_path: Path) -> None:
    path = tmp_path / "dense.calibration"
    ranges = {f"{n}": ew.TensorRange(1.0, 0, "", 1, DIGEST) for n in range(50_000)}
    ew.CalibrationCache(GRAPH, ranges).save(path)
    del ranges
    with limits(path.stat().st_size):
        assert len(ew.CalibrationCache.load(path)) == 50_000


# --- Releases of the major --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/mlp.calib")), ids=lambda path: path.parent.name)
def test_caches_of_every_release_load(path: Path) -> None:
    found = ew.CalibrationCache.load(path)
    assert dict(found) == RANGES
    assert found.graph == ew.graph_digest(gemm())


@pytest.mark.parametrize("field", ["major", "minor", "patch", "build"])
@pytest.mark.parametrize("change", [-1, 0, 1, MAX])
def test_load_rule(field: str, change: int) -> None:
    """Within a major in both directions; the number may be the smallest or the largest there is."""
    number = getattr(running_version(), field)
    found = MAX if change == MAX else min(max(0, number + change), MAX)
    data = written_by(running_version()._replace(**{field: found}))
    if field != "major" or found == number:
        assert dict(ew.CalibrationCache.load(data)) == RANGES
        return
    with pytest.raises(errors.PlanVersionMismatch) as caught:
        ew.CalibrationCache.load(data)
    assert (caught.value.kind, caught.value.field) == ("calibration cache", "major")


def with_extra_section(data: bytes, flags: int) -> Parts:
    """A cache with one section more, of a type that this release does not know."""
    parts = take_apart(data)
    entry = parts.entries[-1] | {"type": 77, "flags": flags, "align": 64}
    parts.entries.append(entry)
    parts.sections.append(b"new facts")
    parts.gaps.append(b"")
    return parts


def test_a_newer_release_may_add_what_can_be_skipped() -> None:
    """An unknown optional section, an unknown key of the passport, an unknown flag, a higher minor of the format."""
    newer = written_by(Version(running_version().major, MAX, 0, 1))
    passport = json.loads(bytes(open_artifact(newer, Kind.CALIBRATION_CACHE).sections[Section.PASSPORT]))
    text = json.dumps(passport | {"zzz": 1}, sort_keys=True, separators=(",", ":")).encode()
    parts = with_extra_section(with_passport(newer, text), flags=0)
    parts.prefix["flags_compat"], parts.prefix["format_minor"] = 1 << 31, 9
    assert dict(ew.CalibrationCache.load(relaid(parts))) == RANGES


def test_a_newer_release_may_not_add_what_is_needed() -> None:
    newer = written_by(Version(running_version().major, MAX, 0, 1))
    with pytest.raises(errors.PlanFormatMismatch):
        ew.CalibrationCache.load(relaid(with_extra_section(newer, flags=1)))
