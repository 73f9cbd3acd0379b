"""The plugin of the page on testing passes as the page says, fails as it says without its refusal, and Rows passes."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from enginewright.registry.registry import registry
from enginewright.testing import Report, check_plugin, line_names
from tests.repo.sources import text

PAGE = text("docs/testing-plugins.md")
MODULE = re.search(r":caption: acme_plugins.py\n\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = re.search(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for modules."""
    monkeypatch.syspath_prepend(str(tmp_path))
    with registry.isolated():
        yield tmp_path
    sys.modules.pop("acme_plugins", None)


def checked(folder: Path, source: str, key: str, **how: Any) -> Report:
    """The report on a module's operator."""
    (folder / "acme_plugins.py").write_text(source, encoding="utf-8")
    importlib.import_module("acme_plugins")
    return check_plugin(key, **how)


@pytest.mark.needs_cc
def test_as_it_stands(folder: Path) -> None:
    assert MODULE is not None
    report = checked(folder, MODULE[1], "acme::Scale")
    assert report.passed, report


@pytest.mark.needs_cc
def test_the_failure_that_the_page_shows(folder: Path) -> None:
    assert MODULE is not None
    source = MODULE[1].replace(' if x.dtype is ew.float32 else "needs float32"', "")
    assert source != MODULE[1]
    report = checked(folder, source, "acme::Scale", only=["tactics/agree"])
    shown = PAGE.partition("```text\n")[2].partition("```")[0].splitlines()
    found = str(report).splitlines()
    assert found[1] == shown[0]
    assert found[2].startswith(shown[1].removesuffix("..."))
    assert any(line == shown[2] for line in found)


def test_rows(folder: Path) -> None:
    assert ROWS is not None
    report = checked(folder, ROWS[1], "acme::Rows")
    assert report.passed, report


def test_all_lines_are_on_the_page() -> None:
    table = PAGE.partition("## What is checked")[2].partition("## Cases")[0]
    for name in line_names():
        group, _, line = name.partition("/")
        (row,) = [row for row in table.splitlines() if row.startswith(f"| `{group}`")]
        assert f"`{line}`" in row
