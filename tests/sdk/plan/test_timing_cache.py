"""Timing caches: keys that fit, merging in any order, pins, files that several processes share, and texts to edit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

import enginewright as ew
from enginewright import errors
from enginewright.device import cache_folder
from enginewright.plan.artifact import Kind, Passport, Section, artifact_bytes, open_artifact
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import (
    RoundingTrial,
    TacticTime,
    TimingDescription,
    TimingEntry,
    as_imported,
    merge_entries,
)
from enginewright_compat.version import running_version
from tests.compat.artifacts import example_plan
from tests.fuzz.mutation import with_section
from tests.fuzz.targets import limits, timing_cache

Entries = dict[str, TimingEntry]
MAX = 2**32 - 1


def what(name: str = "a") -> TimingDescription:
    return TimingDescription(f"ew::{name}@1", {}, ["float32[2]"], "kernels", {}, {"model": "some CPU"}, "free")


def cache_with(pinned: str | None = None, path: Path | None = None, **times: int) -> TimingCache:
    """A cache of one entry."""
    made = TimingCache(path)
    made.record(what(), {name: TacticTime(number, 15) for name, number in times.items()})
    if pinned:
        made.pin(what().key, pinned)
    return made


def saved(path: Path, cache: TimingCache) -> Path:
    cache.save(path)
    return path


# --- Merging ----------------------------------------------------------------------------------------------------------

TACTICS = st.sampled_from(["a", "b", "c"])
TRIALS = st.builds(RoundingTrial, st.integers(2, 3), *[st.integers(0, 2)] * 3, st.none() | st.integers(-1, 2))
TIMES = st.dictionaries(TACTICS, st.builds(TacticTime, st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1)


@st.composite
def caches(draw: st.DrawFn) -> Entries:
    """The entries of a cache over three keys, some of them pinned."""
    made = {}
    for name in draw(st.sets(TACTICS)):
        times = draw(TIMES)
        pinned = draw(st.none() | st.sampled_from(sorted(times)))
        made[what(name).key] = TimingEntry(what(name).key, what(name), times, pinned, draw(st.none() | TRIALS))
    return made


def outcome(merge: Callable[[], Entries]) -> Entries | str:
    """What a merge gives; "conflict" if it is refused."""
    try:
        return merge()
    except errors.TimingCacheConflict:
        return "conflict"


@given(caches(), caches(), caches())
def test_merging_is_commutative_associative_and_idempotent(a: Entries, b: Entries, c: Entries) -> None:
    assert outcome(lambda: merge_entries(a, b)) == outcome(lambda: merge_entries(b, a))
    left = outcome(lambda: merge_entries(merge_entries(a, b), c))
    assert left == outcome(lambda: merge_entries(a, merge_entries(b, c)))
    assert left == outcome(lambda: merge_entries(c, a, b, a))
    assert merge_entries(a, a) == merge_entries(a) == a


@given(caches(), caches())
def test_a_merge_invents_and_loses_nothing(a: Entries, b: Entries) -> None:
    merged = outcome(lambda: merge_entries(a, b))
    if isinstance(merged, str):
        assert any(a[key].pinned and b[key].pinned and a[key].pinned != b[key].pinned for key in a.keys() & b.keys())
        return
    assert merged.keys() == a.keys() | b.keys()
    for key, entry in merged.items():
        given = [source[key] for source in (a, b) if key in source]
        assert entry.timings.keys() == {tactic for each in given for tactic in each.timings}
        for tactic, time in entry.timings.items():
            times = [each.timings[tactic] for each in given if tactic in each.timings]
            assert time in times
            assert all((time.samples, -time.nanoseconds) >= (each.samples, -each.nanoseconds) for each in times)
        assert entry.pinned in {each.pinned for each in given}


@given(caches())
def test_bytes_and_text_hold_everything(entries: Entries) -> None:
    cache = TimingCache()
    cache.merge(entries)
    assert dict(TimingCache.load(cache.to_bytes())) == entries
    read = TimingCache.from_text(cache.to_text())
    assert dict(read) == {key: as_imported(entry) for key, entry in entries.items()}
    assert dict(TimingCache.load(read.to_bytes())) == dict(read) == dict(TimingCache.from_text(read.to_text()))


def test_more_samples_win_then_fewer_nanoseconds() -> None:
    cache = cache_with(a=5, b=9)
    cache.record(what(), {"a": TacticTime(6, 20), "b": TacticTime(8, 15)})
    cache.record(what(), {"a": TacticTime(1, 3), "b": TacticTime(10, 15)})
    assert cache[what().key].timings == {"a": TacticTime(6, 20), "b": TacticTime(8, 15)}


def test_all_conflicting_pins_are_named() -> None:
    one, other = cache_with("a", a=1, b=2), cache_with("b", a=1, b=2)
    for cache, tactic in ((one, "x"), (other, "y")):
        cache.record(what("second"), {"x": TacticTime(1, 1), "y": TacticTime(1, 1)})
        cache.pin(what("second").key, tactic)
    before = dict(one)
    with pytest.raises(errors.TimingCacheConflict) as caught:
        one.merge(other)
    assert dict(one) == before
    assert isinstance(caught.value.details, errors.CacheConflictDetails)
    assert {pin.key: pin.tactics for pin in caught.value.details.pins} == {
        what().key: ("a", "b"),
        what("second").key: ("x", "y"),
    }
    assert "a or b for ew::a@1 on float32[2]" in str(caught.value)


def test_a_description_in_a_few_words_and_in_full() -> None:
    fields = {"anchor": "ew::Conv@1(group=1)", "program": "..."}
    fused = msgspec.structs.replace(
        what(), fields=fields, inputs=["float32[1, 3] linear", "float32[3] linear constant"]
    )
    assert fused.title == "ew::Conv@1 on float32[1, 3], float32[3]"
    assert what().title == "ew::a@1 on float32[2]"
    assert str(fused).startswith("ew::a@1(anchor=ew::Conv@1(group=1), program=...) on float32[1, 3] linear")


# --- Looking up and pinning -------------------------------------------------------------------------------------------


def test_a_cache_is_a_mapping() -> None:
    cache = cache_with(b=2, a=2, c=3)
    key = what().key
    assert len(key) == 32
    assert list(cache.keys()) == [key]
    assert key in cache
    assert cache[key].description == what()
    assert cache[key].fastest == "a", "ties by name"
    assert repr(cache) == "<TimingCache in memory: 1 entries>"
    with pytest.raises(KeyError):
        cache["0" * 32]


def test_what_could_not_be_timed_is_never_the_fastest() -> None:
    cache = TimingCache()
    assert cache.record(what(), {"a": TacticTime(0, 0)}).fastest is None
    assert cache.record(what(), {"b": TacticTime(7, 1)}).fastest == "b"


def test_only_what_was_timed_can_be_pinned() -> None:
    cache = cache_with(a=1)
    with pytest.raises(errors.ConfigError, match="no key"):
        cache.pin("0" * 32, "a")
    with pytest.raises(errors.ConfigError, match="Pin one of these: a"):
        cache.pin(what().key, "b")


def test_a_pin_is_kept_changed_and_taken_away_in_a_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.timing", cache_with(a=1, b=2))
    for tactic in ("b", "a", None):
        cache = TimingCache.load(path)
        cache.pin(what().key, tactic)
        cache.save()
        assert TimingCache.load(path)[what().key].pinned == tactic


def test_two_editors_with_different_pins(tmp_path: Path) -> None:
    """The second to save is told, and the file keeps the first one's pin."""
    path = saved(tmp_path / "t.timing", cache_with("a", a=1, b=2, c=3))
    first, second = TimingCache.load(path), TimingCache.load(path)
    first.pin(what().key, "b")
    second.pin(what().key, "c")
    first.save()
    with pytest.raises(errors.TimingCacheConflict):
        second.save()
    assert TimingCache.load(path)[what().key].pinned == "b"
    second.pin(what().key, "b")
    second.save()


# --- Files ------------------------------------------------------------------------------------------------------------


def test_saving_merges_with_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "new" / "t.timing"
    one, other = TimingCache.named(path), TimingCache.named(path)
    one.record(what("a"), {"t": TacticTime(1, 1)})
    other.record(what("b"), {"t": TacticTime(2, 1)})
    one.save()
    other.save()
    assert sorted(TimingCache.load(path)) == sorted([what("a").key, what("b").key])
    assert len(other) == 2


def test_trials_are_kept_merged_and_edited_like_timings(tmp_path: Path) -> None:
    less, more = RoundingTrial(9, 0, 40_000, 40_000), RoundingTrial(9, 2, 40_000, 10_000, largest_kept=64)
    one, other = TimingCache(tmp_path / "t.timing"), TimingCache(tmp_path / "t.timing")
    assert one.record_rounding(what(), less) == less
    assert other.record_rounding(what(), more) == more
    one.save()
    other.save()
    kept = TimingCache.load(tmp_path / "t.timing")
    assert kept[what().key].rounding == more, "the one that keeps larger products"
    assert (kept[what().key].timings, kept[what().key].fastest) == ({}, None)
    assert dict(TimingCache.from_text(kept.to_text())) == dict(kept)
    assert kept.record_rounding(what(), less) == more


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.timing", cache_with(a=1))
    before = path.stat().st_mtime_ns
    TimingCache.load(path).save()
    assert path.stat().st_mtime_ns == before
    TimingCache().save()


def test_replacing_instead_of_merging(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.timing", cache_with("a", a=1))
    cache_with("b", b=2).save(path, replace=True)
    assert TimingCache.load(path)[what().key].pinned == "b"
    assert set(TimingCache.load(path)[what().key].timings) == {"b"}


def test_equal_caches_have_equal_bytes() -> None:
    one, other = TimingCache(), TimingCache()
    for cache, names in ((one, "abc"), (other, "cab")):
        for name in names:
            cache.record(what(name), {tactic: TacticTime(1, 2) for tactic in names})
    assert one.to_bytes() == other.to_bytes()
    assert one.to_text() == other.to_text()


def test_saving_over_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.timing"
    path.write_bytes(b"a letter to a friend, who would miss it if it were replaced by timings of kernels")
    with pytest.raises(errors.PlanNotRecognized):
        cache_with(a=1).save(path)
    assert path.read_bytes().startswith(b"a letter")


def test_locked_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_folder, "LOCK_SECONDS", 0.05)
    path = tmp_path / "t.timing"
    with cache_folder.locked(path, "timing cache"), pytest.raises(errors.CacheError, match="locked"):
        cache_with(a=1).save(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Nobody may make files in /proc: the lock is refused first."""
    with pytest.raises(errors.PlanWriteError, match="cannot lock"):
        cache_with(a=1).save("/proc/self/t.timing")
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.PlanWriteError, match="folder"):
        cache_with(a=1).save(tmp_path / "file" / "t.timing")


def test_a_named_file_that_cannot_be_written_is_said_at_the_first_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.PlanWriteError, match="cannot be written"):
        cache_with(path=tmp_path / "file" / "t.timing", a=1)
    assert cache_with(path=tmp_path / "new" / "t.timing", a=1)


# --- The default cache ------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    return tmp_path / "timing"


def test_default_cache_is_private(folder: Path) -> None:
    cache = TimingCache.default()
    cache.record(what(), {"a": TacticTime(1, 1)})
    cache.save()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert dict(TimingCache.default()) == dict(cache)


def test_default_cache_that_others_may_write_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    cache = TimingCache.default()
    cache.record(what(), {"a": TacticTime(1, 1)})
    cache.save()
    assert list(folder.iterdir()) == []
    assert ["may be written by other users" in record.message for record in caplog.records] == [True]


def test_default_cache_of_somebody_else_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(errors.CacheError, match="belongs to user"):
        cache_folder.make_private(folder)
    assert TimingCache.default().path is None


def test_default_cache_that_cannot_be_written_only_warns(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = TimingCache.default()
    (folder / f"{running_version()}.timing").mkdir()
    cache.record(what(), {"a": TacticTime(1, 1)})
    cache.save()
    assert ["are not kept" in record.message for record in caplog.records] == [True]
    with pytest.raises(errors.PlanWriteError):
        cache.save("/proc/self/t.timing")


def test_default_cache_in_an_impossible_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path / "file"))
    assert TimingCache.default().path is None


def test_broken_default_cache_that_another_process_mended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is good once the lock is there is used, not renamed."""
    path = folder / f"{running_version()}.timing"
    folder.mkdir(mode=0o700)
    path.write_bytes(b"damaged")
    good = cache_with(a=1).to_bytes()
    locked = cache_folder.locked

    def mended(*arguments: Any) -> Any:
        path.write_bytes(good)
        return locked(*arguments)

    monkeypatch.setattr("enginewright.plan.timing_cache.locked", mended)
    assert list(TimingCache.default()) == [what().key]
    assert path.read_bytes() == good


# --- Named bad caches -------------------------------------------------------------------------------------------------

Damage = Callable[[dict[str, Any]], object]
KEY = "0" * 32
TIME = {"nanoseconds": 1, "samples": 1}


def at(*path: str) -> Callable[[dict[str, Any]], Any]:
    """What finds a place of the first entry."""

    def find(content: dict[str, Any]) -> Any:
        place = content["entries"][0]
        for name in path:
            place = place[name]
        return place

    return find


def trial(**changed: int) -> dict[str, int]:
    """What a file holds of a trial."""
    return {"products": 3, "kept": 1, "without": 40_000, "left": 10_000, "largest_kept": 8} | changed


BAD: list[tuple[str, Damage, str]] = [
    ("unknown field", lambda c: c.update(more=1), "unknown field"),
    ("no entries", lambda c: c.clear(), "missing required field"),
    ("entry without timings", lambda c: at()(c).pop("timings"), "missing required field"),
    ("unknown field of an entry", lambda c: at()(c).update(more=1), "unknown field"),
    ("unknown field of a description", lambda c: at("description")(c).update(more=1), "unknown field"),
    ("unknown field of a time", lambda c: at("timings", "a")(c).update(more=1), "unknown field"),
    ("key of something else", lambda c: at()(c).update(key=KEY), "describes what has the key"),
    ("key with a control character", lambda c: at()(c).update(key="\x1b[31m"), "control character"),
    ("description of something else", lambda c: at("description")(c).update(clock="locked"), "has the key"),
    ("key twice", lambda c: c["entries"].insert(0, c["entries"][0]), "behind the one before"),
    ("not sorted", lambda c: c["entries"].reverse(), "behind the one before"),
    ("negative time", lambda c: at("timings", "a")(c).update(nanoseconds=-1), "negative"),
    ("negative samples", lambda c: at("timings", "a")(c).update(samples=-1), "negative"),
    ("time with a fraction", lambda c: at("timings", "a")(c).update(nanoseconds=1.5), "Expected `int`"),
    ("time of more than 64 bits", lambda c: at("timings", "a")(c).update(nanoseconds=2**70), "too large"),
    ("time as text", lambda c: at("timings", "a")(c).update(nanoseconds="5"), "Expected `int`"),
    (
        "name with a control character",
        lambda c: at("timings")(c).update({"\n": TIME}),
        "cont",
    ),
    ("name of 1,025 bytes", lambda c: at("timings")(c).update({"n" * 1025: TIME}), "1024"),
    ("trial that keeps more than all", lambda c: at()(c).update(rounding=trial(kept=4)), "cannot be"),
    ("trial that keeps fewer than none", lambda c: at()(c).update(rounding=trial(kept=-1)), "cannot be"),
    ("trial of too small products", lambda c: at()(c).update(rounding=trial(largest_kept=-2)), "cannot be"),
    ("trial with a negative error", lambda c: at()(c).update(rounding=trial(left=-1)), "negative"),
    ("trial with a too large error", lambda c: at()(c).update(rounding=trial(without=2**62)), "too large"),
    ("unknown field of a trial", lambda c: at()(c).update(rounding=trial(more=1)), "unknown field"),
    ("pin of an unknown tactic", lambda c: at()(c).update(pinned="z"), "none of those"),
    ("pin written out as none", lambda c: at()(c).update(pinned=None), "canonical"),
    ("input that is a number", lambda c: at("description")(c).update(inputs=[1]), "Expected `str`"),
]


def content_of() -> dict[str, Any]:
    decoded = json.loads(bytes(open_artifact(timing_cache(), Kind.TIMING_CACHE).sections[Section.ENTRIES]))
    assert isinstance(decoded, dict)
    decoded["entries"][0].pop("pinned", None)
    return decoded


def sealed(content: object) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return with_section(timing_cache(), Section.ENTRIES, text)


@pytest.mark.parametrize(("damage", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_entries(damage: Damage, message: str) -> None:
    content = content_of()
    damage(content)
    with pytest.raises(errors.PlanInvalid, match=message):
        TimingCache.load(sealed(content))


def test_untouched_entries_load() -> None:
    assert len(TimingCache.load(sealed(content_of()))) == 2


def test_description_of_more_than_a_mebibyte() -> None:
    long = msgspec.structs.replace(what(), inputs=["x" * 2**20])
    cache = TimingCache()
    cache.record(long, {"a": TacticTime(1, 1)})
    with pytest.raises(errors.PlanLimitExceeded, match="1,048,576"):
        cache.to_bytes()


@pytest.mark.parametrize("extra", [0, 1])
def test_limit_of_entries(monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    monkeypatch.setattr("enginewright.plan.timing_entries.MAX_RECORDS", 2 - extra)
    if extra:
        with pytest.raises(errors.PlanLimitExceeded, match="2 entries, at most 1"):
            TimingCache.load(timing_cache())
    else:
        assert len(TimingCache.load(timing_cache())) == 2


def test_other_kinds() -> None:
    with pytest.raises(errors.PlanKindMismatch):
        TimingCache.load(example_plan())


@pytest.mark.parametrize("field", ["major", "minor", "patch", "build"])
@pytest.mark.parametrize("change", [-1, 0, 1, MAX])
def test_load_rule(field: str, change: int) -> None:
    """All four numbers must be those of the running release; the number may be the smallest or the largest there is."""
    number = getattr(running_version(), field)
    found = MAX if change == MAX else min(max(0, number + change), MAX)
    version = running_version()._replace(**{field: found})
    entries = open_artifact(timing_cache(), Kind.TIMING_CACHE).sections[Section.ENTRIES]
    data = artifact_bytes(Kind.TIMING_CACHE, {Section.ENTRIES: entries}, Passport(enginewright=str(version)))
    if found == number:
        assert len(TimingCache.load(data)) == 2
        return
    with pytest.raises(errors.PlanVersionMismatch) as caught:
        TimingCache.load(data)
    assert (caught.value.kind, caught.value.field) == ("timing cache", field)


def test_every_flipped_bit_is_refused() -> None:
    data = cache_with(a=1).to_bytes()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.PlanError):
            TimingCache.load(bytes(damaged))


def test_the_densest_cache_that_is_read_keeps_the_promise(tmp_path: Path) -> None:
    """20,000 entries of the shortest descriptions."""
    cache = TimingCache()
    empty = [TimingDescription(f"{n}", {"": ""}, [], "", {"": ""}, {"": ""}, "") for n in range(20_000)]
    cache.merge({one.key: TimingEntry(one.key, one, {"": TacticTime(0, 0)}) for one in empty})
    path = tmp_path / "dense.timing"
    cache.save(path)
    del cache, empty
    with limits(path.stat().st_size):
        assert len(TimingCache.load(path)) == 20_000


# --- Text -------------------------------------------------------------------------------------------------------------


def test_text_can_be_edited() -> None:
    content = json.loads(cache_with(a=1, b=2).to_text())
    content["entries"][0]["pinned"] = "b"
    content["entries"].append(json.loads(cache_with(a=1).to_text())["entries"][0])
    del content["entries"][1]
    cache = TimingCache.from_text(json.dumps(content))
    assert cache[what().key].pinned == "b"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"enginewright": "0.0.1+1"}, errors.PlanVersionMismatch),
        ({"enginewright": "new"}, errors.PlanInvalid),
        ({"entries": [{}]}, errors.PlanInvalid),
        ({"entries": None}, errors.PlanInvalid),
        ({"more": 1}, errors.PlanInvalid),
    ],
)
def test_bad_texts(change: dict[str, Any], error: type[errors.PlanError]) -> None:
    content = json.loads(cache_with(a=1).to_text()) | change
    with pytest.raises(error) as caught:
        TimingCache.from_text(json.dumps(content), "t.json")
    assert caught.value.where == "t.json"
    assert caught.value.hint


def test_text_with_a_wrong_key_or_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    text = cache_with(a=1).to_text()
    for bad in (text.replace(what().key, KEY), "", "[" * 100_000, text.replace('"samples": 15', '"samples": -1')):
        with pytest.raises(errors.PlanInvalid):
            TimingCache.from_text(bad)
    monkeypatch.setattr("enginewright.plan.timing_text.MAX_JSON", 10)
    with pytest.raises(errors.PlanLimitExceeded):
        TimingCache.from_text(text)
    monkeypatch.undo()
    monkeypatch.setattr("enginewright.plan.timing_entries.MAX_RECORDS", 0)
    with pytest.raises(errors.PlanLimitExceeded):
        TimingCache.from_text(text)


def test_public_names() -> None:
    assert ew.TimingCache is TimingCache
    assert isinstance(cache_with(a=1)[what().key], ew.TimingEntry)
