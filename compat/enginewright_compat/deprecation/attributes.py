"""Names that a module or enumeration still answers to, with a warning, though they have moved or are leaving."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from enginewright_compat.deprecation.registry import find_deprecation
from enginewright_compat.deprecation.runtime import identity_of, warn_deprecated


def deprecated_attributes(module: str, names: Mapping[str, tuple[str, str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module for names that are leaving it: name -> (text, where it is now).

    Where it is now is written "package.module:name". A name whose stage is "removed" raises AttributeError with the
    migration note; so does, without a note, any other name.
    """

    def attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        message, home = names[name]
        entry = find_deprecation(identity_of(message))
        if entry.stage == "removed":
            raise AttributeError(entry.text)
        warn_deprecated(message)
        place, _, attribute_name = home.partition(":")
        return getattr(import_module(place), attribute_name)

    attribute.__deprecations__ = tuple(message for message, _ in names.values())  # type: ignore[attr-defined]
    return attribute


def listed(module: str, *names: str) -> Callable[[], list[str]]:
    """Return the `__dir__` of a module that also lists names served by `__getattr__`."""
    return lambda: sorted({*vars(sys.modules[module]), *names})


def moved_module(message: str, old: str, new: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a file that stays behind when its module has moved; every name of it warns."""

    def attribute(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        value = getattr(import_module(new), name)
        warn_deprecated(message)
        return value

    attribute.__deprecations__ = (message,)  # type: ignore[attr-defined]
    return attribute


class DeprecatedMembers(enum.EnumMeta):
    """Metaclass of an enumeration some of whose members are leaving: those in `__deprecated_members__`.

    The member stays the identical object; the warning comes from its look-up by attribute or by name.
    """

    def __getattribute__(cls, name: str) -> Any:
        """Look a name up, and warn if it is on its way out."""
        if not name.startswith("_"):
            cls._warn(name)
        return super().__getattribute__(name)

    def __getitem__(cls, name: str) -> Any:
        """Look a member up by name, and warn if it is on its way out."""
        cls._warn(name)
        return super().__getitem__(name)

    def _warn(cls, name: str) -> None:
        leaving = type.__getattribute__(cls, "__dict__").get("__deprecated_members__", {})
        if name in leaving:
            warn_deprecated(leaving[name])
