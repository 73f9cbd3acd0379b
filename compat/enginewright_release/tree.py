"""Where a source tree keeps what a release is made of: versions, registry, snapshots, golden artifacts."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enginewright_compat.deprecation.registry import Deprecation, numbers, read_deprecations
from enginewright_compat.releases import read_releases
from enginewright_compat.version import Version

Facts = dict[str, Any]


@dataclass(frozen=True)
class Tree:
    """A source tree by its root."""

    root: Path

    @property
    def project(self) -> Path:
        """pyproject.toml: the one place of major.minor.patch."""
        return self.root / "pyproject.toml"

    @property
    def registry(self) -> Path:
        """The registry of deprecations."""
        return self.root / "compat/enginewright_compat/deprecations.toml"

    @property
    def releases_file(self) -> Path:
        """The table of releases."""
        return self.root / "compat/enginewright_compat/releases.toml"

    def snapshot(self, version: str, suffix: str = "json") -> Path:
        """The public interface of a release."""
        return self.root / "compat/api" / f"{'.'.join(version.split('.')[:2])}.{suffix}"

    def golden(self, version: str) -> Path:
        """The golden artifacts of a release."""
        return self.root / "tests/golden" / version

    @property
    def version(self) -> str:
        """The version under development, or of the release being made."""
        return str(tomllib.loads(self.project.read_text(encoding="utf-8"))["project"]["version"])

    def set_version(self, version: str) -> None:
        """Write another version into pyproject.toml."""
        text = self.project.read_text(encoding="utf-8")
        line = re.compile(r'^version = "[\d.]+"$', re.MULTILINE)
        self.project.write_text(line.sub(f'version = "{version}"', text, count=1), encoding="utf-8")

    def releases(self) -> Mapping[str, Version]:
        """All releases, in the order in which they were made."""
        return read_releases(self.releases_file)

    def release_dates(self) -> Mapping[str, datetime.date]:
        """The day of each release."""
        table = tomllib.loads(self.releases_file.read_text(encoding="utf-8"))
        return {version: facts["date"] for version, facts in table.items()}

    def last_release(self) -> str | None:
        """The newest release below this tree's version, None before the first."""
        below = [version for version in self.releases() if numbers(version) < numbers(self.version)]
        return max(below, key=numbers, default=None)

    def is_released(self) -> bool:
        """Whether this tree is that of a release."""
        return self.version in self.releases()

    def deprecations(self) -> Mapping[str, Deprecation]:
        """The registry."""
        return read_deprecations(self.registry)

    def facts(self, version: str) -> Facts:
        """The snapshot of a release."""
        facts: Facts = json.loads(self.snapshot(version).read_text(encoding="utf-8"))["facts"]
        return facts

    def shipped(self, version: str) -> list[dict[str, Any]]:
        """The registry as a release shipped it."""
        entries: list[dict[str, Any]] = json.loads(
            (self.golden(version) / "deprecations.json").read_text(encoding="utf-8")
        )
        return entries


def source_tree() -> Tree:
    """Return the tree that this file lies in."""
    return Tree(Path(__file__).resolve().parents[2])
