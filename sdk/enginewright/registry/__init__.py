"""The registry: operators, tactics and import rules by key, and the plugins that bring them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["add_hooks", "override", "prefer", "refresh"]


def prefer(key: str, *, distribution: str) -> None:
    """Where several distributions declare ``acme::Swish``, use the class of this one ("": the one of a local file)."""
    from enginewright.registry.table import registry

    registry.prefer(key, distribution=distribution)


def override(cls: type[Any]) -> AbstractContextManager[None]:
    """Inside a ``with`` block the key of this operator class means this class, whoever else declares it; for tests."""
    from enginewright.registry.table import registry

    return registry.override(cls)


def add_hooks(plugin: object, name: str = "") -> None:
    """Let a module or object of your own watch builds and engines, as installed plugins do."""
    from enginewright.registry.table import registry

    registry.hooks.add(plugin, name or getattr(plugin, "__name__", type(plugin).__name__))


def refresh() -> None:
    """Look again for installed plugins, after one was installed or mended while this process runs."""
    from enginewright.registry.table import registry

    registry.discovery.refresh()
