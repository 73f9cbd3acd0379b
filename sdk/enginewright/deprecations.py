"""What is deprecated, which of it a process or a folder of sources uses, and how uses are turned into errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from enginewright_compat.deprecation.controls import Use, error, report
from enginewright_compat.deprecation.registry import Deprecation, find_deprecation, known_deprecations, numbers
from enginewright_compat.deprecation.warning import (
    DeprecationNotice,
    EnginewrightDeprecationWarning,
    EnginewrightRemovalWarning,
)

if TYPE_CHECKING:
    from enginewright.tools.deprecated_uses import Scan
    from enginewright.tools.repair import Repairs

__all__ = [
    "Deprecation",
    "DeprecationNotice",
    "EnginewrightDeprecationWarning",
    "EnginewrightRemovalWarning",
    "Use",
    "error",
    "find",
    "fix",
    "known",
    "report",
    "scan",
]


def known(target: str | None = None) -> tuple[Deprecation, ...]:
    """Return everything deprecated, by id; with `target` ("2.0") what that release removes."""
    entries = tuple(known_deprecations().values())
    if target is None:
        return entries
    wanted = _release(target)
    return tuple(entry for entry in entries if numbers(entry.removal_in) <= wanted)


def _release(text: str) -> tuple[int, ...]:
    """Return a release as three numbers; `ConfigError` for any other text."""
    parts = text.split(".")
    if len(parts) > 3 or not all(part.isdecimal() and len(part) < 10 for part in parts):
        from enginewright.errors import ConfigError

        raise ConfigError(f"{text[:80]!r} is no release", hint="Write it as 2.0 or 2.0.0.")
    return tuple(int(part) for part in (*parts, "0", "0")[:3])


def find(identity: str) -> Deprecation:
    """Return one entry by its id; `UsageError` for an unknown one."""
    try:
        return find_deprecation(identity)
    except LookupError as error:
        from enginewright.errors import UsageError

        raise UsageError(str(error), hint="enginewright deprecations list shows all of them") from error


def scan(paths: Sequence[str], *, target: str | None = None, use: Sequence[str] = ()) -> Scan:
    """Find uses of what is deprecated (with `target`: of what that release removes) in Python files and folders.

    Nothing of them is run, so names that are only known at run time are missed; `use` adds what runs of the program
    reported with ENGINEWRIGHT_DEPRECATIONS=json:FILE. Raises `UsageError` for a path or report that cannot be read.
    """
    from enginewright.tools import deprecated_uses

    return deprecated_uses.scan(paths, known(target), use)


def fix(paths: Sequence[str], *, target: str | None = None, write: bool = False) -> Repairs:
    """Return the changes that replace renamed names and parameters, and what is left; with `write`, make them."""
    from enginewright.tools import repair

    return repair.fix(paths, known(target), write=write)
