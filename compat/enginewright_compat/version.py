"""The four version numbers of this installation: major, minor, patch and build.

A release has its numbers in the generated `_version.py`. A source tree (also an editable install) is a development
build: bit 31 plus 31 bits of the SHA-256 of all its sources, so that any edit gives another build and a stale plan
cannot load. As a script, this module writes `_version.py` for a wheel: ``python version.py _version.py [1.4.2+1873]``.
"""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

DEVELOPMENT = 1 << 31
MAX_FIELD = (1 << 32) - 1
SOURCE_ROOMS = ("compat", "native", "plugins", "sdk")
SOURCE_SUFFIXES = (".c", ".cmake", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".inc", ".py", ".pyi", ".toml", ".txt")
GENERATED = ("_version.py", "_abi.py")
_TEXT = re.compile(r"(\d{1,10})\.(\d{1,10})\.(\d{1,10})(?:\+(\d{1,10})|\.dev0\+([0-9a-f]{8}))")


class Version(NamedTuple):
    """Four unsigned 32-bit numbers; compared field by field, never as text."""

    major: int
    minor: int
    patch: int
    build: int

    @property
    def is_development(self) -> bool:
        """Whether the build number is a digest of sources and not the number of a release."""
        return bool(self.build & DEVELOPMENT)

    @property
    def public(self) -> str:
        """The first three numbers as text, as in `enginewright.__version__`."""
        return f"{self.major}.{self.minor}.{self.patch}"

    def __str__(self) -> str:
        return f"{self.public}.dev0+{self.build:08x}" if self.is_development else f"{self.public}+{self.build}"


def parse_version(text: str) -> Version:
    """Return the version that `str` made this text of; raise ValueError for any other text."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a version with four numbers: {text[:80]!r}")
    major, minor, patch, release, development = match.groups()
    build = int(release) if release else int(development, 16)
    version = Version(int(major), int(minor), int(patch), build)
    if max(version) > MAX_FIELD or str(version) != text:
        raise ValueError(f"not a version with four numbers: {text!r}")
    return version


@cache
def running_version() -> Version:
    """Return the version of this installation; a source tree is hashed at the first call (some milliseconds)."""
    built = _built_version()
    root = source_root()
    if built is not None and (root is None or not built.is_development):
        return built
    if root is None:
        raise RuntimeError("enginewright_compat/_version.py is missing: this installation is incomplete, install again")
    return development_version(root)


def development_version(root: Path) -> Version:
    """Return the version of the source tree at `root`: numbers of pyproject.toml, build from the sources."""
    import tomllib  # 4 ms, and a release has its numbers in _version.py

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    major, minor, patch = (int(number) for number in project["version"].split("."))
    return Version(major, minor, patch, source_build(root))


def source_root() -> Path | None:
    """Return the folder of the source tree that this file lies in, or None for an installed package."""
    root = Path(__file__).resolve().parents[2]
    project = root / "pyproject.toml"
    if project.is_file() and (root / "compat" / "enginewright_compat").is_dir():
        return root
    return None


def source_build(root: Path) -> int:
    """Return bit 31 plus the first 31 bits of the SHA-256 of all sources: relative path, size and content of each."""
    digest = hashlib.sha256()
    for path in sorted(_source_files(root)):
        content = Path(root, path).read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return DEVELOPMENT | int.from_bytes(digest.digest()[:4], "big") >> 1


def _source_files(root: Path) -> Iterator[str]:
    """Yield the sources relative to `root`, in no particular order."""
    yield "pyproject.toml"
    for room in SOURCE_ROOMS:
        for folder, folders, files in os.walk(root / room):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            relative = os.path.relpath(folder, root)
            yield from (
                f"{relative}/{name}" for name in files if name.endswith(SOURCE_SUFFIXES) and name not in GENERATED
            )


def _built_version() -> Version | None:
    """Return the numbers of the generated `_version.py` beside this file, None if it was not built."""
    path = Path(__file__).with_name("_version.py")
    if not path.is_file():
        return None
    return Version(*runpy.run_path(str(path))["VERSION"])


def write_version(path: Path, version: Version) -> None:
    """Write the `_version.py` that a wheel or source distribution carries."""
    numbers = ", ".join(str(number) for number in version)
    path.write_text(
        f'"""The version that this package was built as: major, minor, patch, build."""\n\nVERSION = ({numbers})\n',
        encoding="utf-8",
    )


def main(arguments: list[str]) -> None:
    """Write `_version.py` to the first argument, with the numbers of the second or of the tree."""
    version = parse_version(arguments[1]) if len(arguments) > 1 else running_version()
    write_version(Path(arguments[0]), version)


if __name__ == "__main__":
    main(sys.argv[1:])
