"""The operators: one file a family, each with attributes, shape rule, import rules, NumPy reference and examples."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every family, so that the registry knows all operators and import rules of the SDK."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
