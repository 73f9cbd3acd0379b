"""Repairs renamed names and parameters in Python sources: edits at the places that the scan found, nothing else."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from enginewright.tools.deprecated_uses import Edit, Finding, Scan, read_source, scan
from enginewright_compat.deprecation.registry import Deprecation


@dataclass(frozen=True, slots=True)
class Repair:
    """One file before and after, and what is left in it for a person to do."""

    path: str
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), self.path, self.path
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Repairs:
    """The files that change, the uses that are left, and the scan that found all."""

    files: tuple[Repair, ...]
    left: tuple[Finding, ...]
    scan: Scan


def fix(paths: Sequence[str], entries: Sequence[Deprecation], *, write: bool = False) -> Repairs:
    """Repair what can be repaired; files are changed only with `write`, each at once or not at all."""
    found = scan(paths, entries)
    by_path: dict[str, list[Edit]] = {}
    for finding in found.findings:
        if finding.edit is not None:
            by_path.setdefault(finding.path, []).append(finding.edit)
    files = tuple(_repair(path, edits, write) for path, edits in by_path.items())
    return Repairs(files, tuple(finding for finding in found.findings if finding.edit is None), found)


def _repair(path: str, edits: Sequence[Edit], write: bool) -> Repair:
    before, encoding = read_source(Path(path))
    data = before.encode()
    for edit in sorted(set(edits), key=lambda edit: edit.start, reverse=True):
        data = data[: edit.start] + edit.text.encode() + data[edit.end :]
    repair = Repair(path, before, data.decode())
    if write:
        _replace(Path(path), repair.after.encode(encoding))
    return repair


def _replace(path: Path, data: bytes) -> None:
    """Write a file beside the old one, with its permissions, and put it in its place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(path.stat().st_mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
