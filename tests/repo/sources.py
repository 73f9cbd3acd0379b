"""Which files the rules of the repository apply to."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked(*patterns: str) -> tuple[str, ...]:
    """Return the files under version control that match, relative to the root, new ones not yet added included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file()))


def python_files(*folders: str) -> list[str]:
    """Return the Python modules below the folders (all of them without an argument)."""
    return [name for name in tracked("*.py") if name.startswith(tuple(f"{folder}/" for folder in folders) or "")]


def native_files() -> list[str]:
    """Return the C, C++ and CUDA sources and headers."""
    return list(tracked("*.c", "*.cpp", "*.h", "*.cu"))


def text(name: str) -> str:
    """Return the contents of a tracked file; bytes that are no UTF-8 are replaced."""
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")
