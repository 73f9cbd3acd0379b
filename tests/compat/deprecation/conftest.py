"""The library with something deprecated of every kind, in place of the registry of Enginewright."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enginewright_compat.deprecation import controls, registry, runtime

LIBRARY = Path(__file__).parent / "library"
FRESH = [registry.known_deprecations, controls.settings]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make `acme_lib` importable, and let its registry be the one that warnings are looked up in."""
    monkeypatch.syspath_prepend(str(LIBRARY))
    monkeypatch.setattr(registry, "REGISTRY", LIBRARY / "deprecations.toml")
    monkeypatch.setattr(controls, "_uses", controls._Uses())
    monkeypatch.setattr(runtime, "_warned", set())
    for cached in FRESH:
        cached.cache_clear()
    yield LIBRARY
    for cached in FRESH:
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_lib"]:
        del sys.modules[name]
