"""A library in which something of every kind is deprecated."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar, overload

from acme_lib.shapes import MAX_SIZE
from enginewright_compat.deprecation import (
    UNSET,
    DeprecatedMembers,
    changed_default,
    deprecated,
    deprecated_attributes,
    deprecated_param,
    deprecated_positional,
    listed,
    renamed_key,
    warn_deprecated,
)

__all__ = ["MAX_SIZE", "Color", "Config", "Engine", "EngineFailure", "OldConfig", "load", "old_total", "total"]


def total(a: int, b: int) -> int:
    """The sum."""
    return a + b


@deprecated("EW-D9001: use acme_lib.total")
def old_total(a: int, b: int) -> int:
    """The sum, by the old name."""
    return total(a, b)


class Engine:
    """Methods and properties of all sorts."""

    def __init__(self, speed: int = 1) -> None:
        self.speed = speed
        self._gear = 1

    def start(self) -> int:
        """Start."""
        return self.speed

    @deprecated("EW-D9002: use acme_lib.Engine.start")
    def begin(self) -> int:
        """Start, by the old name."""
        return self.start()

    @classmethod
    def of(cls, speed: int) -> int:
        """The speed of a new engine."""
        return cls(speed).speed

    @classmethod
    @deprecated("EW-D9003: use acme_lib.Engine.of")
    def make(cls, speed: int) -> int:
        """The same by the old name."""
        return cls.of(speed)

    @staticmethod
    def half(number: int) -> int:
        """Half of it."""
        return number // 2

    @staticmethod
    @deprecated("EW-D9004: use acme_lib.Engine.half")
    def halve(number: int) -> int:
        """The same by the old name."""
        return number // 2

    @property
    @deprecated("EW-D9005: use acme_lib.Engine.speed")
    def velocity(self) -> int:
        """The speed, by the old name."""
        return self.speed

    @property
    def gear(self) -> int:
        """May be read, but no longer set."""
        return self._gear

    @gear.setter
    @deprecated("EW-D9006: use acme_lib.Engine.shift")
    def gear(self, value: int) -> None:
        self._gear = value

    def shift(self, value: int) -> None:
        """Set the gear."""
        self._gear = value


class Config:
    """The new class."""

    def __init__(self, level: int = 0) -> None:
        self.level = level


@deprecated("EW-D9007: use acme_lib.Config")
class OldConfig(Config):
    """The old class."""


@overload
def load(name: str, *, color: str = "blue") -> str: ...


@overload
@deprecated("EW-D9008: use color")
def load(name: str, *, colour: str) -> str: ...


@overload
@deprecated("EW-D9009: Leave it out; loading is always fast.")
def load(name: str, *, fast: bool) -> str: ...


@deprecated_param("EW-D9008: use color", "colour", new="color")
@deprecated_param("EW-D9009: Leave it out; loading is always fast.", "fast")
def load(name: str, *, color: str = "blue") -> str:  # type: ignore[misc]
    """A text from both."""
    return f"{name} {color}"


@deprecated_param("EW-D9022: use color", "tint", new="color")
def paint(color: str = "blue") -> str:
    """Once had another name for its parameter."""
    return color


@deprecated_positional("EW-D9010: Give form by name.", "form")
def save(name: str, *, form: str = "tar") -> str:
    """Once had its second parameter by position."""
    return f"{name}.{form}"


def round_to(number: float, digits: int = UNSET) -> float:
    """Rounds to 2 digits, to 3 from 2.0 on."""
    return round(number, changed_default("EW-D9011: Give digits.", digits, 2))


def read(mode: str = "modern") -> str:
    """Accepts a mode that is leaving."""
    if mode == "legacy":
        warn_deprecated("EW-D9012")
        mode = "modern"
    return mode


class Color(Enum, metaclass=DeprecatedMembers):
    """One member is leaving; it stays the identical object."""

    GRAY = 1
    GREY = 1  # noqa: PIE796 - another name for the same member
    BLUE = 2
    __deprecated_members__: ClassVar = {"GREY": "EW-D9013: use acme_lib.Color.GRAY"}


@deprecated("EW-D9016: use acme_lib.size_tuple")
def sizes() -> list[int]:
    """The new name returns a tuple."""
    return list(size_tuple())


def size_tuple() -> tuple[int, ...]:
    """Sizes."""
    return (1, 2)


class _Failure(Exception):
    """The old exception type; it can still be caught, as the new one is a subclass until the major."""


class EngineFailure(_Failure):
    """The new exception type."""


def cache_folder(environment: Mapping[str, str]) -> str | None:
    """From the environment, by its new or its old variable."""
    return renamed_key("EW-D9018: use ACME_CACHE_DIR", environment, "ACME_DIR", "ACME_CACHE_DIR")


def configure(settings: Mapping[str, str]) -> str:
    """From a configuration, by its new or old key."""
    return renamed_key("EW-D9019: use color", settings, "colour", "color", default="blue")


def read_file(path: str) -> int:
    """Reads an old format, and warns once for each file."""
    warn_deprecated("EW-D9021", once_for=path)
    return len(path)


__getattr__ = deprecated_attributes(
    __name__,
    {
        "LIMIT": ("EW-D9014: use acme_lib.MAX_SIZE", "acme_lib.shapes:MAX_SIZE"),
        "Failure": ("EW-D9017: use acme_lib.EngineFailure", "acme_lib:_Failure"),
        "GONE": ("EW-D9023", "acme_lib.shapes:MAX_SIZE"),
    },
)
__dir__ = listed(__name__, "LIMIT", "Failure")


@deprecated_param("EW-D9024", "ratio")
def scale(number: int) -> int:
    """Once had a second parameter."""
    return number


@deprecated("EW-D9025: use acme_lib.total")
def quiet_total(a: int, b: int) -> int:
    """Deprecated in the documentation only."""
    return total(a, b)


@deprecated("EW-D9033: use acme_lib.total")
def loud_total(a: int, b: int) -> int:
    """In its last releases."""
    return total(a, b)
