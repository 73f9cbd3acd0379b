"""Finds the operator that shall be tested, here or for a process that imports it by itself."""

from __future__ import annotations

from typing import Any

from enginewright.errors import PluginError, PluginNotFound, UsageError
from enginewright.registry.discovery import reason_of
from enginewright.registry.keys import Key
from enginewright.registry.registry import registry
from enginewright.testing.checks import Skipped
from enginewright.testing.injection import operator_class
from enginewright.testing.processes import importable_modules


def tested_class(key: str | type[Any]) -> type[Any]:
    """The class, with everything imported that may give it tactics; what keeps it from being imported is told."""
    registry.discovery.load_extensions()
    if isinstance(key, type):
        return key
    try:
        return operator_class(key)
    except PluginNotFound as error:
        for source, failure in registry.discovery.broken.items():
            if source.namespace == Key.parse(key).namespace:
                raise PluginError(
                    f"{source.module} of {source.owner} can't be imported: {reason_of(failure)}",
                    hint=f"The whole traceback: enginewright plugin doctor {key}",
                ) from error
        raise


def place_of(key: str | type[Any]) -> tuple[str, list[str]]:
    """The key, and the modules that another process imports to know it; nothing is imported here."""
    cls: type[Any] | None
    if isinstance(key, type):
        cls = key
    else:
        parsed = Key.parse(key)
        known = [k for k in registry.operators if k.base == parsed.base and ("@" not in key or k == parsed)]
        cls = registry.operators[max(known)] if known else None
    if cls is None:
        return key if isinstance(key, str) else str(key), []
    try:
        return str(cls.KEY), importable_modules(cls)
    except Skipped as reason:
        raise UsageError(str(reason), hint="Put the operator into a module.") from None
