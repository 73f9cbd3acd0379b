"""plugin.lock.json: fields that changed without a new version are found; what is published is not overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import enginewright as ew
from enginewright.testing import check_plugin, write_lock
from tests.sdk.testing.planted import operator


def line(cls: Any, lock: Path) -> Any:
    """The line about versions."""
    (found,) = check_plugin(cls, only=["state/version"], lock=lock).lines
    return found


def test_fields_that_changed_without_a_new_version(plugin: Any, tmp_path: Path) -> None:
    lock = tmp_path / "plugin.lock.json"
    cls = plugin(operator())
    assert line(cls, lock).outcome == "skipped"
    assert write_lock(cls, lock)
    assert line(cls, lock).outcome == "passed"
    with ew.registry.override(cls):
        changed = plugin(operator().replace("acme::Op", "acme::Op2").replace("factor: float = 2.0", "factor: int = 2"))
    changed.KEY = cls.KEY
    found = line(changed, lock)
    assert found.outcome == "failed"
    assert found.problems == ("acme::Op@1 had the fields (factor: float), and has (factor: int)",)
    assert "Raise version=" in found.hint
    assert not write_lock(changed, lock)
    assert line(changed, lock).outcome == "failed"


def test_another_default_is_no_change_of_state(plugin: Any, tmp_path: Path) -> None:
    lock = tmp_path / "plugin.lock.json"
    write_lock(plugin(operator()), lock)
    other = plugin(operator().replace("acme::Op", "acme::Op2").replace("= 2.0", "= 3.0"))
    assert write_lock(other, lock)
    assert line(other, lock).outcome == "passed"


@pytest.mark.parametrize("text", ["{", "[]", '{"acme::Op@1": 3}'])
def test_files_that_are_no_lock_files(plugin: Any, tmp_path: Path, text: str) -> None:
    lock = tmp_path / "plugin.lock.json"
    lock.write_text(text, encoding="utf-8")
    cls = plugin(operator())
    with pytest.raises(ew.UsageError, match=r"plugin\.lock\.json"):
        write_lock(cls, lock)
    assert "plugin.lock.json" in line(cls, lock).problems[0]
