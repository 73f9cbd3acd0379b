"""Compares two type stubs of the public interface with griffe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

from enginewright_release.changes import CHANGED, REMOVED, Change


def griffe_changes(old: str, new: str) -> list[Change]:
    """Return what griffe finds broken between two stubs."""
    return list(_changes(_module(old), _module(new)))


def _module(text: str) -> griffe.Module:
    return griffe.visit("enginewright", filepath=Path("enginewright.pyi"), code=text)


def _changes(old: griffe.Module, new: griffe.Module) -> Iterator[Change]:
    for breakage in griffe.find_breaking_changes(old, new):
        parameter = getattr(breakage.old_value, "name", "") or getattr(breakage.new_value, "name", "")
        is_parameter = "parameter" in breakage.kind.value.lower() and parameter
        subject = f"{breakage.obj.path}#{parameter}" if is_parameter else breakage.obj.path
        what = REMOVED if breakage.kind in (
            griffe.BreakageKind.OBJECT_REMOVED, griffe.BreakageKind.PARAMETER_REMOVED
        ) else CHANGED  # fmt: skip
        yield Change(subject.replace(".__init__#", "#"), what, breakage.kind.value)
