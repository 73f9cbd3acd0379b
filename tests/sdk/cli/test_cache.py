"""`enginewright cache`: each command's answer as text and as JSON, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import enginewright as ew
from enginewright.cli._group import group
from enginewright.cli._running import run
from tests.sdk.plan.test_calibration_cache import GRAPH, RANGES
from tests.sdk.plan.test_timing_cache import cache_with, what

Text = pytest.CaptureFixture[str]


def call(capsys: Text, *arguments: object) -> tuple[int, str, str]:
    """Run a command; return exit code, stdout, stderr."""
    code = run(group, ["cache", *map(str, arguments)])
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.fixture
def timing(tmp_path: Path) -> Path:
    """A file with one entry, one of whose two tactics is pinned."""
    cache_with("b", a=1, b=2).save(tmp_path / "t.timing")
    return tmp_path / "t.timing"


def test_commands_are_found(capsys: Text) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(name in out for name in ("info", "merge", "export", "import "))


def test_info_of_a_timing_cache(capsys: Text, timing: Path) -> None:
    code, out, _ = call(capsys, "info", timing)
    assert code == 0
    assert what().key in out
    assert f"{what().key}  ew::a@1 on float32[2]: pinned b of 2\n" in out
    code, out, _ = call(capsys, "info", timing, "--json")
    (entry,) = json.loads(out)["entries"]
    assert (entry["fastest"], entry["pinned"], entry["timings"]["a"]["nanoseconds"]) == ("a", "b", 1)


def test_info_of_a_trial(capsys: Text, tmp_path: Path) -> None:
    cache = ew.TimingCache(tmp_path / "t.timing")
    cache.record_rounding(what(), ew.RoundingTrial(9, 2, 40_000, 10_000, largest_kept=64))
    cache.save()
    code, out, _ = call(capsys, "info", tmp_path / "t.timing")
    assert code == 0
    assert f"{what().key}  ew::a@1 on float32[2]: 2 of 9 products stay in float32\n" in out
    (entry,) = json.loads(call(capsys, "info", tmp_path / "t.timing", "--json")[1])["entries"]
    assert entry["rounding"] == {
        "products": 9, "kept": 2, "largest_kept": 64,
        "error_without_millionths": 40_000, "error_left_millionths": 10_000,
    }  # fmt: skip


def test_info_of_a_calibration_cache(capsys: Text, tmp_path: Path) -> None:
    path = tmp_path / "c.calibration"
    ew.CalibrationCache(GRAPH, RANGES).save(path)
    code, out, _ = call(capsys, "info", path)
    assert code == 0
    assert "percentile" in out
    answer = json.loads(call(capsys, "info", path, "--json")[1])
    assert (answer["graph"], answer["ranges"]["x"]["zero_point"]) == (GRAPH, 128)


def test_info_without_a_file_is_about_the_default_cache(
    capsys: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    code, out, _ = call(capsys, "info")
    assert (code, "0 entries" in out) == (0, True)


@pytest.mark.parametrize("command", [["info"], ["export"], ["merge", "-o", "x.timing"]])
def test_files_that_are_none(capsys: Text, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "a.txt").write_bytes(b"<html>" * 20)
    code, _, err = call(capsys, *command, tmp_path / "a.txt")
    assert (code, "EW-P001" in err) == (6, True)


def test_export_edit_import(capsys: Text, timing: Path, tmp_path: Path) -> None:
    text = tmp_path / "t.json"
    assert call(capsys, "export", timing, "-o", text)[0] == 0
    assert call(capsys, "export", timing)[1] == text.read_text()
    content: Any = json.loads(text.read_text())
    content["entries"][0]["pinned"] = "a"
    text.write_text(json.dumps(content))
    assert call(capsys, "import", text, "-o", timing) == (0, f"{timing}: 1 entry imported\n", "")
    assert ew.TimingCache.load(timing)[what().key].pinned == "a"


def test_export_to_where_nothing_can_be_written(capsys: Text, timing: Path, tmp_path: Path) -> None:
    code, _, err = call(capsys, "export", timing, "-o", tmp_path / "missing" / "t.json")
    assert (code, "Could not open file" in err) == (1, True)


@pytest.mark.parametrize(("content", "code"), [(b"{}", 6), (b"\xff\xfe", 1)])
def test_import_of_something_else(capsys: Text, timing: Path, tmp_path: Path, content: bytes, code: int) -> None:
    before = timing.read_bytes()
    (tmp_path / "t.json").write_bytes(content)
    assert call(capsys, "import", tmp_path / "t.json", "-o", timing)[0] == code
    assert timing.read_bytes() == before


def test_merge(capsys: Text, timing: Path, tmp_path: Path) -> None:
    cache_with(c=3).save(tmp_path / "other.timing")
    assert call(capsys, "merge", timing, tmp_path / "other.timing", "-o", tmp_path / "all.timing")[0] == 0
    assert set(ew.TimingCache.load(tmp_path / "all.timing")[what().key].timings) == {"a", "b", "c"}


def test_merge_with_a_conflict_changes_nothing(capsys: Text, timing: Path, tmp_path: Path) -> None:
    cache_with("a", a=1, b=2).save(tmp_path / "other.timing")
    before = timing.read_bytes()
    code, _, err = call(capsys, "merge", tmp_path / "other.timing", "-o", timing)
    assert (code, "EW-C002" in err, "a or b" in err) == (1, True, True)
    assert timing.read_bytes() == before
