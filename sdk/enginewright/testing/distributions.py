"""Writes distributions for tests: packages with metadata and entry points, as an installation leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_distribution(
    folder: Path,
    name: str,
    modules: Mapping[str, str],
    *,
    version: str = "1.0",
    plugins: Mapping[str, str] | None = None,
    extensions: Mapping[str, str] | None = None,
) -> Path:
    """Write a distribution into a folder: `modules` by dotted name, entry points as namespace -> module."""
    for module, text in modules.items():
        path = folder / Path(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = []
    for group, entries in (("plugins", plugins), ("extensions", extensions)):
        lines += [f"[enginewright.{group}]", *(f"{key} = {value}" for key, value in (entries or {}).items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
