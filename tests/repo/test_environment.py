"""No behaviour by environment variable beyond the ones in the documentation."""

from __future__ import annotations

import re

import pytest

from tests.repo.sources import native_files, python_files, text

DOCUMENTED = set(re.findall(r"^\| `(\w+)", text("docs/environment.md"), re.MULTILINE))
LOOK_UP = re.compile(r"(?:environ(?:\.get|\.pop|\.setdefault)?|getenv)\s*[(\[]\s*([^,)\]]+)")
OURS = re.compile(r"ENGINEWRIGHT_[A-Z_]+")
SOURCES = [*python_files("sdk", "compat", "plugins"), *native_files()]


def undocumented(source: str) -> list[str]:
    """Return every look-up whose name is no documented variable, and every name that looks like one of ours."""
    looked_up = [name.strip().strip("\"'") for name in LOOK_UP.findall(source)]
    constants = dict(re.findall(r"^(\w+)\s*(?::[^=\n]+)?= [\"'](\w+)[\"']", source, re.MULTILINE))
    names = [constants.get(name, name) for name in looked_up] + OURS.findall(source)
    return sorted({name for name in names if name not in DOCUMENTED and not name.endswith("_H")})


@pytest.mark.parametrize("name", SOURCES)
def test_only_documented_variables(name: str) -> None:
    assert undocumented(text(name)) == []


def test_rule_finds_what_it_forbids() -> None:
    assert undocumented('os.environ.get("EW_FAST")') == ["EW_FAST"]
    assert undocumented('os.environ["HOME"]') == ["HOME"]
    assert undocumented('KEY = "NO_COLOR"\nos.getenv(KEY)') == []
    assert undocumented('"ENGINEWRIGHT_' + 'TURBO"') == ["ENGINEWRIGHT_" + "TURBO"]
