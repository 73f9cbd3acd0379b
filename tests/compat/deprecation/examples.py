"""Runs the example of a deprecation, its old and its new form, as a line of a user's file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from enginewright_compat.deprecation.registry import Deprecation
from enginewright_compat.deprecation.warning import DeprecationNotice

FILE, LINE = "user.py", 7


@dataclass(frozen=True)
class Ran:
    """What an expression gave, and the warnings of ours that it caused."""

    value: Any
    caught: list[warnings.WarningMessage]


def evaluate(expression: str, names: dict[str, Any]) -> Any:
    """Evaluate an expression at a known line of a module of its own."""
    code = compile("\n" * (LINE - 1) + expression.strip(), FILE, "eval")
    return eval(code, {"__name__": "user", **names})


def run(expression: str, names: dict[str, Any]) -> Ran:
    """Evaluate an expression, and catch the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = evaluate(expression, names)
    return Ran(value, [warning for warning in caught if isinstance(warning.message, DeprecationNotice)])


def problems(entry: Deprecation, names: dict[str, Any]) -> list[str]:
    """Return what is wrong with an entry's example: results, number and place of warnings, and error mode."""
    if not entry.before or not entry.after:
        return [f"{entry.id} has no example: give `before` and `after`"]
    old, new = run(entry.before, names), run(entry.after, names)
    found = []
    if old.value != new.value:
        found.append(f"{entry.id}: old result {old.value!r}, new result {new.value!r}")
    if len(old.caught) != (entry.stage != "soft"):
        found.append(f"{entry.id}: the old form warns {len(old.caught)} times")
    if new.caught:
        found.append(f"{entry.id}: the new form warns, too")
    return found + [text for warning in old.caught for text in _wrong_place(entry, warning)]


def _wrong_place(entry: Deprecation, warning: warnings.WarningMessage) -> list[str]:
    message = warning.message
    assert isinstance(message, DeprecationNotice)
    found = []
    if message.entry != entry:
        found.append(f"{entry.id}: the warning is about {message.id}")
    loud = entry.stage == "loud" or entry.kind == "default"
    if isinstance(message, FutureWarning) != loud:
        found.append(f"{entry.id}: the warning is a {type(message).__name__}")
    if entry.kind not in ("hook", "hookarg", "cli") and (warning.filename, warning.lineno) != (FILE, LINE):
        found.append(f"{entry.id}: the warning is for {warning.filename}:{warning.lineno}, not for the caller's line")
    return found
