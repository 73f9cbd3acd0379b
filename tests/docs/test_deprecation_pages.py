"""The pages on deprecations say what the registry says: a line and a section for each entry, and the guide's anchor."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from enginewright_compat.deprecation.registry import read_deprecations
from tests.compat.deprecation.conftest import LIBRARY
from tests.repo.sources import ROOT

ENTRIES = [e for e in read_deprecations(LIBRARY / "deprecations.toml").values() if e.before]


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """Import the extension of Sphinx."""
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("deprecation_pages", ROOT / "docs/_ext/deprecation_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_calendar(pages: ModuleType) -> None:
    text = pages.calendar(ENTRIES)
    for entry in ENTRIES:
        (line,) = [line for line in text.splitlines() if line.startswith(f"| [{entry.id}]")]
        assert f"`{entry.name}`" in line
        assert str(entry.not_before) in line
    assert "Nothing is deprecated." in pages.calendar([])


def test_guides(pages: ModuleType) -> None:
    found = pages.guides(ENTRIES)
    assert found.keys() == {"migrate/1.0", "migrate/2.0"}
    for entry in ENTRIES:
        page, _, anchor = entry.guide.partition("#")
        section = found[page].partition(f"({anchor})=\n")[2].partition("\n(")[0]
        assert entry.before in section
        assert entry.after in section
        assert entry.migration in section
        assert ("after, repaired" in section) == (entry.autofix != "none")
