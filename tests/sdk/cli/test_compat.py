"""`enginewright compat matrix`: the table, the dates, JSON, exit codes, and how little it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import enginewright as ew
import enginewright_compat.matrix as matrix_module
from enginewright.cli._group import group
from enginewright.cli._running import run
from tests.compat.artifacts import example_plan
from tests.repo.gates.registry import example, registry

TABLE = """\
["0.1.0"]
build = 7
date = 2026-11-25
abi = "0.1"
format = "1.0"
recipe_schema = 1
["0.2.0"]
build = 9
date = 2026-11-25
abi = "0.1"
format = "1.0"
recipe_schema = 1
"""
Text = pytest.CaptureFixture[str]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be two releases and one deprecation, and no installed plugins."""
    path = tmp_path / "releases.toml"
    path.write_text(TABLE)
    entries = registry(example(target="plugin:acme::Swish@1", kind="operator", removal_in="1.0.0"))
    monkeypatch.setattr(matrix_module, "TABLE", path)
    monkeypatch.setattr(matrix_module, "known_deprecations", lambda: entries)
    monkeypatch.setenv("ENGINEWRIGHT_PLUGINS", "none")


def call(capsys: Text, *arguments: str) -> tuple[int, str, str]:
    code = run(group, ["compat", "matrix", *arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.mark.usefixtures("releases")
def test_table_and_dates(tmp_path: Path, capsys: Text) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(example_plan(enginewright="0.1.0+7", deprecations=("EW-D0012",)))
    code, out, _ = call(capsys, str(path))
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split("  ")[-3:] == ["0.1.0", "0.2.0", "1.0.0 (next)"] or "1.0.0 (next)" in lines[0]
    assert lines[1].split() == [
        *(str(path), "plan", "0.1.0+7", "SUBOPTIMAL", "(deprecations)", "INCOMPATIBLE", "(minor)"),
        *("INCOMPATIBLE", "(major)"),
    ]
    assert lines[-1] == f"not before 2027-02-01  1.0.0 removes acme::Swish@1 (EW-D0012); used by {path}"


@pytest.mark.usefixtures("releases")
def test_json_and_exit_code(tmp_path: Path, capsys: Text) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(example_plan(enginewright="0.1.0+8"))
    code, out, _ = call(capsys, str(path), "--json")
    found = json.loads(out)
    assert code == 4
    assert (found["schema_version"], found["command"]) == (1, "compat matrix")
    assert [cell["field"] for cell in found["rows"][0]["cells"]] == ["build", "minor", "major"]
    assert found["coming"][0]["not_before"] == "2027-02-01"


@pytest.mark.usefixtures("releases")
def test_what_is_no_artifact(tmp_path: Path, capsys: Text) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing")
    assert call(capsys, str(path))[0] == 6
    with pytest.raises(ew.PlanNotRecognized):
        ew.compat_matrix([path])
    assert call(capsys, str(tmp_path / "missing"))[0] == 2


def test_nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Text) -> None:
    (tmp_path / "releases.toml").write_text("")
    monkeypatch.setattr(matrix_module, "TABLE", tmp_path / "releases.toml")
    monkeypatch.setattr(matrix_module, "known_deprecations", dict)
    code, out, _ = call(capsys, str(tmp_path))
    assert code == 0
    assert "no release is known yet" in out
    assert "nothing is deprecated" in out


def test_start_imports_little() -> None:
    code = "from enginewright.cli import main; import sys\n"
    code += "try: main(['compat', 'matrix'])\nexcept SystemExit: pass\n"
    code += "print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"numpy", "cffi", "onnx", "rich", "msgspec"} & set(done.stderr.split())
