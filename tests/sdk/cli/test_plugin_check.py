"""`plugin check`: the report, its exit code, JSON, the lock file, and a kernel that crashes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from enginewright.cli import main
from tests.sdk.testing.modules import planting
from tests.sdk.testing.planted import kernel, operator

QUICK = ["--only", "state", "--only", "shapes/static"]


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Any]:
    """A function that makes a plugin of a text."""
    with planting(tmp_path) as plant:
        yield plant


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what is printed."""
    with pytest.raises(SystemExit) as caught:
        main(["plugin", "check", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().out


def test_passed(plugin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin(operator())
    code, out = check(capsys, "acme::Op", *QUICK)
    assert code == 0
    assert "ok       shapes/static" in out
    assert out.rstrip().endswith("5 passed, 1 skipped")


def test_failed(plugin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin(operator("return x.with_dtype(ew.float64)"))
    code, out = check(capsys, "acme::Op@1", *QUICK)
    assert code == 5
    assert "FAILED   shapes/static" in out
    assert "infer says float64, the reference gives float32" in out
    assert "-> Let infer and reference agree" in out


def test_json(plugin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin(operator())
    code, out = check(capsys, "acme::Op", *QUICK, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["passed"] is True
    assert [line["name"] for line in found["lines"]][-1] == "shapes/static"


def test_lock(plugin: Any, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    plugin(operator())
    code, out = check(capsys, "acme::Op", "--only", "state/version", "--lock")
    assert (code, "plugin.lock.json now holds the fields of acme::Op@1" in out) == (0, True)
    kept = (folder / "plugin.lock.json").read_text(encoding="utf-8")
    assert check(capsys, "acme::Op", "--only", "state/version") == (
        0,
        "acme::Op@1\nok       state/version          fields change only with the version\n1 passed\n",
    )
    assert json.loads(kept)["acme::Op@1"]["fields"] == "factor: float"
    assert check(capsys, "acme::Op", "--only", "state/version", "--lock")[0] == 0
    assert (folder / "plugin.lock.json").read_text(encoding="utf-8") == kept


@pytest.mark.needs_cc
def test_a_kernel_that_crashes(plugin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin(kernel("abort();"))
    only = ["--only", "tactics/agree", "--only", "state/saved"]
    code, out = check(capsys, "acme::Op", "--subprocess", *only)
    assert code == 5
    assert "the process was killed by SIGABRT" in out
    assert "ok       state/saved" in out


def test_unknown_names(plugin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin(operator())
    assert check(capsys, "acme::Op", "--only", "nothing")[0] == 2
    assert check(capsys, "acme::Nothing")[0] == 5
