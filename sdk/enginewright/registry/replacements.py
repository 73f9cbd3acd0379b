"""Replacement rules: which subgraph of a model an operator stands for; plugins declare them with `@replaces`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from enginewright.errors import PluginInvalid
from enginewright.registry.registry import Key, registry

T = TypeVar("T")
Captures = Mapping[str, Any]
"""By name: attributes as Python values, constants as NumPy arrays, values as tensor specs."""


@dataclass(frozen=True, eq=False)
class Replacement:
    """One rule: subgraphs like `pattern` become a layer of `operator`.

    `build` makes the operator of what was captured; without it captured names are fields. `where` answers True, or
    False or a reason why a match is not meant. `reference`: NumPy functions for nodes that are not supported, by
    ``domain::OpType``.
    """

    operator: type[Any]
    pattern: Callable[..., Any]
    build: Callable[[Captures], Any] | None = None
    where: Callable[[Captures], bool | str] | None = None
    priority: int = 0
    reference: Callable[..., Any] | Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The key of the operator."""
        key: Key = self.operator.KEY
        return key

    @property
    def origin(self) -> tuple[str, str, str]:
        """Operator, and where the pattern is defined: a rule of the same origin takes the place of an earlier one."""
        name = getattr(self.pattern, "__qualname__", repr(self.pattern))
        return str(self.key), str(getattr(self.pattern, "__module__", "")), name


def replaces(
    pattern: Callable[..., Any],
    *,
    build: Callable[[Captures], Any] | None = None,
    where: Callable[[Captures], bool | str] | None = None,
    priority: int = 0,
    reference: Callable[..., Any] | Mapping[str, Callable[..., Any]] | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare that the operator class below stands for the subgraphs that `pattern` describes.

    `pattern` is a function (p, *values) with the methods of `Network` at `p`; see the page on plugins. `reference`:
    what the pattern's unsupported nodes compute, a function (*arrays, **attributes), or several by ``domain::OpType``.
    """

    def decorate(cls: type[T]) -> type[T]:
        if not isinstance(getattr(cls, "KEY", None), Key):
            raise PluginInvalid(f"{cls.__name__} is no operator", hint="Write @ew.replaces above @ew.operator.")
        made = Replacement(cls, pattern, build, where, priority, reference or {})
        registry.replacements[made.origin] = made
        return cls

    return decorate
