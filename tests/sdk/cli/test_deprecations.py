"""`enginewright deprecations`: its answers as text and as JSON, exit codes, and how little it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from enginewright.cli._group import group
from enginewright.cli._running import run
from tests.compat.deprecation.conftest import library as library  # a fixture

Text = pytest.CaptureFixture[str]


def call(capsys: Text, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return exit code, stdout, stderr."""
    code = run(group, ["deprecations", *arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.mark.usefixtures("library")
def test_list(capsys: Text) -> None:
    code, out, _ = call(capsys, "list")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["id", "what", "stage", "since", "removed", "in", "not", "before", "use"]
    assert lines[1].split() == [
        *("EW-D9001", "acme_lib.old_total", "warn", "1.4.0", "2.0.0", "2027-02-01", "acme_lib.total"),
    ]
    assert len(lines) == 33


@pytest.mark.usefixtures("library")
def test_list_for_a_release(capsys: Text) -> None:
    assert call(capsys, "list", "--target", "1.9")[1] == "nothing is deprecated that 1.9 removes\n"
    assert len(call(capsys, "list", "--target", "2")[1].splitlines()) == 33
    code, _, err = call(capsys, "list", "--target", "two")
    assert code == 2
    assert "no release" in err


@pytest.mark.usefixtures("library")
def test_list_json(capsys: Text) -> None:
    found = json.loads(call(capsys, "list", "--json")[1])
    assert (found["schema_version"], found["command"]) == (1, "deprecations list")
    first = found["deprecations"][0]
    assert (first["id"], first["target"], first["not_before"]) == ("EW-D9001", "acme_lib.old_total", "2027-02-01")


@pytest.mark.usefixtures("library")
def test_show(capsys: Text) -> None:
    code, out, _ = call(capsys, "show", "EW-D9001")
    assert code == 0
    for line in (
        "EW-D9001  acme_lib.old_total (function)",
        "  since        1.4.0 (2026-02-01)",
        "  not before   2027-02-01",
        "  before       acme_lib.old_total(2, 3)",
        "  after        acme_lib.total(2, 3)",
        "  repaired by  enginewright deprecations fix",
    ):
        assert line in out.splitlines()
    found = json.loads(call(capsys, "show", "EW-D9008", "--json")[1])
    assert found["deprecation"]["target"] == "param:acme_lib.load#colour"
    assert found["url"].endswith("/migrate/2.0#ew-d9008")


@pytest.mark.usefixtures("library")
def test_show_unknown(capsys: Text) -> None:
    code, _, err = call(capsys, "show", "EW-D0000")
    assert code == 2
    assert "EW-D0000 is no known deprecation" in err
    assert "enginewright deprecations list" in err


def test_start_imports_little() -> None:
    code = "from enginewright.cli import main; import sys\n"
    code += "try: main(['deprecations', 'list'])\nexcept SystemExit: pass\n"
    code += "print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"numpy", "cffi", "onnx", "rich", "msgspec", "enginewright.errors"} & set(done.stderr.split())


@pytest.fixture
def script(library: Path, tmp_path: Path) -> Path:
    """Write a script with one use that can be repaired and one that cannot."""
    path = tmp_path / "user.py"
    path.write_text("import acme_lib\nacme_lib.old_total(1, 2)\nacme_lib.sizes()\n")
    return path


def test_scan(script: Path, capsys: Text) -> None:
    code, out, err = call(capsys, "scan", str(script))
    assert code == 1
    assert f"{script}:2:10: EW-D9001: use acme_lib.total  [can be repaired]\n    acme_lib.old_total(1, 2)\n" in out
    assert "2 uses in 1 of 1 files; 1 can be repaired by fix --write\n" in out
    assert "misses what is only known at run time" in err
    assert call(capsys, "scan", str(script), "--target", "1.0")[0] == 0
    found = json.loads(call(capsys, "scan", str(script), "--json")[1])
    assert [finding["id"] for finding in found["findings"]] == ["EW-D9001", "EW-D9016"]


def test_scan_nothing(tmp_path: Path, capsys: Text) -> None:
    (tmp_path / "fine.py").write_text("import enginewright\n")
    assert call(capsys, "scan", str(tmp_path))[0] == 0
    assert call(capsys, "scan", str(tmp_path / "nothing"))[0] == 2
    (tmp_path / "broken.py").write_text("def (\n")
    code, _, err = call(capsys, "scan", str(tmp_path))
    assert code == 1
    assert "broken.py: not read" in err


def test_fix(script: Path, capsys: Text) -> None:
    code, out, _ = call(capsys, "fix", str(script))
    assert code == 1
    assert "-acme_lib.old_total(1, 2)\n+acme_lib.total(1, 2)\n" in out
    assert f"{script}:3:10: by hand: EW-D9016" in out
    assert "old_total" in script.read_text()
    found = json.loads(call(capsys, "fix", str(script), "--write", "--json")[1])
    assert (found["written"], [file["path"] for file in found["files"]]) == (True, [str(script)])
    assert script.read_text() == "import acme_lib\nacme_lib.total(1, 2)\nacme_lib.sizes()\n"
