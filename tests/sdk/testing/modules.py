"""Modules with a plugin, written and imported for one test."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from enginewright.registry.registry import registry

_numbers = itertools.count()


@contextmanager
def planting(folder: Path) -> Iterator[Callable[[str], Any]]:
    """A function that writes a module with this text, imports it and returns its class Op; each has its own name."""
    made: list[str] = []

    def plant(source: str) -> Any:
        name = f"planted_{next(_numbers)}"
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        made.append(name)
        if any(word.startswith("enginewright_") for word in vars(module)):
            registry.hooks.add(module, name)
        return module.Op

    with pytest.MonkeyPatch.context() as patch, registry.isolated():
        patch.syspath_prepend(str(folder))
        yield plant
    for name in made:
        sys.modules.pop(name, None)
