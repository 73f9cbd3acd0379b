"""Prints results: tables for people, JSON for programs; stdout is data only."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

WIDTH = 100
SCHEMA_VERSION = 1
"""Of every command so far; adding keys keeps it, anything else raises it for that command."""


def print_json(command: str, content: Mapping[str, Any]) -> None:
    """Print one JSON object with `schema_version` and `command`; infinities become texts."""
    print(json_text(command, content))  # noqa: T201 - this is what prints


def json_text(command: str, content: Mapping[str, Any]) -> str:
    """The JSON object that `print_json` prints."""
    whole = {"schema_version": SCHEMA_VERSION, "command": command, **content}
    return json.dumps(plain(whole), indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """A value as JSON knows it: dataclasses with their properties left out, tuples as lists, infinities as texts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Enum):
        return value.name.lower()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def print_text(text: str = "") -> None:
    """Print lines as they are."""
    print(text)  # noqa: T201 - this is what prints


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table; columns whose name ends in ">" are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.removesuffix(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if title:
        console.print(Text(title, style="bold"))
    console.print(table)
