"""The matrix says for each file and plugin what the rules say, for every release and the next major, and the dates."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

import enginewright_compat.matrix as matrix_module
from enginewright.plan.artifact import Kind, Section, artifact_bytes
from enginewright_compat.deprecation.registry import Deprecation
from enginewright_compat.matrix import Matrix, columns, make_matrix, requirements_of
from enginewright_compat.passport import Passport, PluginUse
from enginewright_compat.plugins import Installed
from enginewright_compat.releases import Release, read_table
from enginewright_compat.rules import LOAD_RULES, judge_version
from enginewright_compat.version import Version, parse_version
from tests.compat.artifacts import example_plan
from tests.compat.test_library import build_library, needs_cc
from tests.repo.gates.registry import example, registry

RELEASES = ["0.9.0+5", "1.0.0+10", "1.0.1+12", "1.1.0+20"]
DAY = datetime.date(2026, 2, 1)
TABLE = {
    version.public: Release(version, DAY, (1 if version.major else 0, version.minor), (1, 0), 1)
    for version in map(parse_version, RELEASES)
}
NAMES = ["0.9.0", "1.0.0", "1.0.1", "1.1.0", "2.0.0 (next)"]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry have one entry."""
    entries = registry(example(id="EW-D0012", target="plugin:acme::Swish@1", kind="operator", autofix="none"))
    monkeypatch.setattr(matrix_module, "known_deprecations", lambda: entries)


def write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def answers(found: Matrix, row: int = 0) -> list[str]:
    return [f"{cell.answer} {cell.field}".strip() for cell in found.rows[row].cells]


def artifact(kind: Kind, version: str) -> bytes:
    if kind is Kind.PLAN:
        return example_plan(enginewright=version)
    section = Section.RANGES if kind is Kind.CALIBRATION_CACHE else Section.ENTRIES
    return artifact_bytes(kind, {section: b"{}"}, Passport(enginewright=version))


@pytest.mark.parametrize("kind", [Kind.PLAN, Kind.TIMING_CACHE, Kind.CALIBRATION_CACHE])
@pytest.mark.parametrize("version", RELEASES)
def test_what_load_rules_say(kind: Kind, version: str, tmp_path: Path) -> None:
    path = write(tmp_path, "a.bin", artifact(kind, version))
    found = make_matrix([path], {}, {}, TABLE)
    heads = columns(TABLE, [])
    for cell, head in zip(found.rows[0].cells, heads, strict=True):
        reason = judge_version(kind, parse_version(version), head.release.version)
        assert (cell.answer, cell.field) == (("INCOMPATIBLE", reason.field) if reason else ("OK", ""))
    assert found.rows[0].version == version
    assert not found.rows[0].loads_nowhere


def test_a_safe_plan_is_judged_for_the_safety_runtime(tmp_path: Path) -> None:
    data = artifact_bytes(
        Kind.SAFE_PLAN, {Section.META: b"{}", Section.WEIGHTS: b""}, Passport(enginewright="1.0.0+10")
    )
    found = make_matrix([write(tmp_path, "a.safe.plan", data)], {}, {}, TABLE)
    assert answers(found)[:4] == ["INCOMPATIBLE major", "OK", "OK", "INCOMPATIBLE minor"]


def test_a_plan_by_hand(tmp_path: Path) -> None:
    found = make_matrix([write(tmp_path, "a.plan", example_plan(enginewright="1.0.0+10"))], {}, {}, TABLE)
    assert [column.name for column in found.columns] == NAMES
    assert answers(found) == [
        *("INCOMPATIBLE major", "OK", "INCOMPATIBLE patch", "INCOMPATIBLE minor", "INCOMPATIBLE major"),
    ]
    assert {rule.id for rule in LOAD_RULES} >= {"L1", "L2", "L3"}


def test_no_release_loads_it(tmp_path: Path) -> None:
    found = make_matrix([write(tmp_path, "a.plan", example_plan(enginewright="1.0.0+11"))], {}, {}, TABLE)
    assert found.rows[0].loads_nowhere
    assert answers(found)[1] == "INCOMPATIBLE build"


def use(**changes: Any) -> PluginUse:
    facts = {"key": "acme::Swish@1", "distribution": "acme", "version": "1.3.0", "tactic": "numpy", "level": 1}
    return PluginUse(**(facts | {"schema": "", "source": "", "abi": "", "needed": True} | changes))


def test_deprecated_and_missing_plugins(tmp_path: Path) -> None:
    data = example_plan(enginewright="1.1.0+20", plugins=(use(),), deprecations=("EW-D0012",))
    path = write(tmp_path, "a.plan", data)
    assert answers(make_matrix([path], {}, {}, TABLE))[3] == "INCOMPATIBLE acme::Swish@1"
    plugins = {"acme": (Installed("acme", "1.3.0"),)}
    found = make_matrix([path], plugins, {"acme": ">=1.0,<2"}, TABLE)
    assert answers(found)[3] == "SUBOPTIMAL deprecations"
    (coming,) = found.coming
    assert (coming.id, coming.not_before, coming.removal_in) == ("EW-D0012", datetime.date(2027, 2, 1), "2.0.0")
    assert coming.rows == (path,)


def test_what_a_major_removes(tmp_path: Path) -> None:
    """A calibration cache of a release of the next major, so that its own rule holds, loses by its deprecation."""
    table = TABLE | {"2.0.0": Release(Version(2, 0, 0, 30), DAY, (2, 0), (1, 0), 1)}
    data = artifact_bytes(
        Kind.CALIBRATION_CACHE,
        {Section.RANGES: b"{}"},
        Passport(enginewright="2.0.0+30", deprecations=("EW-D0012",)),
    )
    found = make_matrix([write(tmp_path, "a.calib", data)], {}, {}, table)
    assert answers(found)[4] == "INCOMPATIBLE EW-D0012"


def test_plugins_by_what_they_ask_for() -> None:
    plugins = {"acme": (Installed("acme", "1.3.0"),), "foo": (Installed("foo", "2.0"),)}
    found = make_matrix([], plugins, {"acme": ">=1.0.1,<2", "foo": None}, TABLE)
    assert answers(found, 0) == [
        "INCOMPATIBLE needs >=1.0.1,<2", "INCOMPATIBLE needs >=1.0.1,<2", "OK", "OK", "INCOMPATIBLE needs >=1.0.1,<2",
    ]  # fmt: skip
    assert set(answers(found, 1)) == {"unknown no requirement"}
    assert answers(make_matrix([], plugins, {"acme": "no version"}, TABLE))[0] == "unknown no requirement"


def test_requirements_of_installed_distributions() -> None:
    found = requirements_of({"x": (Installed("pytest", "8"), Installed("msgspec", "1"))})
    assert found == {"pytest": None, "msgspec": None}


@needs_cc
@pytest.mark.needs_cc
def test_plugin_libraries_by_their_interface(tmp_path: Path) -> None:
    found = make_matrix([str(build_library(tmp_path, (1, 0)))], {}, {}, TABLE)
    assert found.rows[0].version == "ABI 1.0"
    assert answers(found) == ["INCOMPATIBLE abi 0.9", "OK", "OK", "OK", "OK"]


def test_folders_and_damage(tmp_path: Path) -> None:
    data = example_plan(enginewright="1.1.0+20")
    write(tmp_path, "a.plan", data)
    write(tmp_path, "b.plan", data[:-1])
    write(tmp_path, "notes.txt", b"nothing")
    found = make_matrix([str(tmp_path)], {}, {}, TABLE)
    assert [Path(row.name).name for row in found.rows] == ["a.plan", "b.plan"]
    assert {cell.answer for cell in found.rows[1].cells} <= {"unknown", "INCOMPATIBLE"}


def test_columns() -> None:
    assert columns({}, []) == ()
    later: Deprecation = example(removal_in="3.0.0")
    assert [head.name for head in columns(TABLE, [later])][-1] == "3.0.0 (next)"
    assert columns(TABLE, [])[-1].date is None


@pytest.mark.parametrize("line", ['abi = "1"', "date = 7", "recipe_schema = 'x'"])
def test_a_broken_table(line: str, tmp_path: Path) -> None:
    facts = {"build": "1", "date": "2026-02-01", "abi": '"1.0"', "format": '"1.0"', "recipe_schema": "1"}
    name, _, value = line.partition(" = ")
    text = "".join(f"{key} = {each}\n" for key, each in (facts | {name: value}).items())
    path = tmp_path / "releases.toml"
    path.write_text(f'["1.0.0"]\n{text}')
    with pytest.raises(ValueError, match=r".+"):
        read_table(path)
