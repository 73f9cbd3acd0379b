"""Keeps the public interface of this tree as that of its version: as run-time facts, and as a stub."""

from __future__ import annotations

import json

from enginewright_release.snapshot import take_snapshot
from enginewright_release.stub import write_stub
from enginewright_release.tree import Facts, Tree, source_tree


def snapshot_text(version: str, facts: Facts) -> str:
    """Return the file of a snapshot: one line a fact, so that a difference can be read."""
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in facts.items())
    return f'{{"version": "{version}", "facts": {{\n{lines}\n}}}}\n'


def keep(tree: Tree) -> None:
    """Write both files."""
    tree.snapshot(tree.version).parent.mkdir(exist_ok=True)
    tree.snapshot(tree.version).write_text(snapshot_text(tree.version, take_snapshot(tree.root)), encoding="utf-8")
    tree.snapshot(tree.version, "pyi").write_text(write_stub(), encoding="utf-8")


if __name__ == "__main__":
    keep(source_tree())
