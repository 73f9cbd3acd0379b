"""Writes the golden artifacts of a release: what later releases must answer for these files, documented.

As a script, in a tree whose `_version.py` holds the numbers of the release: ``python -m enginewright_release.golden``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from enginewright_compat.deprecation.registry import known_deprecations
from enginewright_compat.layout import Kind
from enginewright_compat.passport import read_facts
from enginewright_compat.rules import FIELDS, find_rule, judge_version
from enginewright_compat.version import Version, running_version
from enginewright_release.tree import source_tree

LARGEST = 8 << 10
OTHERS = (".json", ".py", ".toml")
HEAD = """\
# What releases answer for the files of this folder, generated from LOAD_RULES when this release was made: "same" for
# this release itself, then for one that differs from it first in the field named.
"""


def write_golden(folder: Path) -> None:
    """Write the artifacts, what is expected of them, and the registry of deprecations."""
    made = import_module("tests.golden.release")  # the tests' small networks
    folder.mkdir(parents=True)
    for name, data in made.artifacts():
        if len(data) > LARGEST:
            raise ValueError(f"{name} has {len(data):,} bytes, more than {LARGEST:,}")
        (folder / name).write_bytes(data)
    (folder / "expected.toml").write_text(expected(folder), encoding="utf-8")
    rows = [asdict(entry) for entry in known_deprecations().values()]
    (folder / "deprecations.json").write_text(json.dumps(rows, indent=1, default=str) + "\n", encoding="utf-8")


def expected(folder: Path) -> str:
    """Return the table of expectations."""
    return HEAD + "".join(_expectation(path) for path in sorted(folder.iterdir()) if path.suffix not in OTHERS)


def _expectation(path: Path) -> str:
    facts = read_facts(path)
    kind = Kind(facts.prefix_kind)
    lines = [f'\n["{path.name}"]', f'kind = "{facts.kind}"', f'rule = "{find_rule(kind).id}"']
    for name, version in variants(facts.version):
        reason = judge_version(kind, facts.version, version)
        lines.append(f'{name} = "{f"{reason.code} {reason.field}" if reason else "OK"}"')
    return "\n".join(lines) + "\n"


def variants(version: Version) -> Iterator[tuple[str, Version]]:
    """Yield the release itself, and one for each field that differs from it first."""
    yield "same", version
    for field in reversed(FIELDS):
        yield field, version._replace(**{field: getattr(version, field) + 1})


def first_difference(a: Version, b: Version) -> str:
    """Return which expectation two releases fall under."""
    return next((field for field in FIELDS if getattr(a, field) != getattr(b, field)), "same")


if __name__ == "__main__":
    if running_version().is_development:
        sys.exit("the golden artifacts of a release are made with its version: use make release")
    write_golden(source_tree().golden(running_version().public))
