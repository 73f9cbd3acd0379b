"""Writes a table as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_page(path: Path, title: str, intro: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write the page as Markdown."""
    lines = [f"# {title}", "", intro, "", _row(columns), "|" + "---|" * len(columns), *map(_row, rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
