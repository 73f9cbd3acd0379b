"""Fixtures for tests of plugins: a registry without any, and a place to install some."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enginewright.registry.registry import registry
from tests.sdk.registry.distributions import Site, forget


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    before = set(sys.modules)
    with registry.isolated():
        yield
    forget(before)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A folder for distributions."""
    return Site(tmp_path / "site", monkeypatch)
