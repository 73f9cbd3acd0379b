"""The tactics: one file an operator family, each with the ways to run its operators natively."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every family, so that the registry knows all tactics of the SDK."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
