"""What the pytest fixtures give: a registry of its own, distributions for tests, faults."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from enginewright import registry as public_registry
from enginewright.registry.registry import registry
from enginewright.testing.distributions import write_distribution
from enginewright.testing.injection import injected
from enginewright_compat.plugins import allowed_namespaces

VARIABLE = "ENGINEWRIGHT_PLUGINS"


@contextmanager
def empty_registry() -> Iterator[ModuleType]:
    """Inside the block no installed plugin is seen, and what is declared is forgotten after it; gives `ew.registry`."""
    with registry.isolated(), _variable("none"):
        yield public_registry


@contextmanager
def _variable(value: str) -> Iterator[None]:
    kept = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = value
    try:
        yield
    finally:
        if kept is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = kept


class Distributions:
    """Installs distributions into a folder that is on the module path for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack, self._modules = ExitStack(), set[str]()
        sys.path.insert(0, str(folder))

    def __call__(
        self,
        name: str,
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        plugins: Mapping[str, str] | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> Path:
        """Install a distribution: `modules` are texts by dotted name, entry points map a namespace to a module."""
        write_distribution(self.folder, name, modules, version=version, plugins=plugins, extensions=extensions)
        for module in modules:
            sys.modules.pop(module, None)
        self._modules |= set(modules)
        allowed = allowed_namespaces()
        if allowed is not None:  # an empty registry sees these, too
            names = sorted({*allowed, *(plugins or {}), *(extensions or {})})
            self._stack.enter_context(_variable(",".join(["none", *names])))
        registry.discovery.refresh()
        return self.folder

    def close(self) -> None:
        """Take the folder from the module path, and forget the modules."""
        sys.path.remove(str(self.folder))
        self._stack.close()
        for module in self._modules:
            sys.modules.pop(module, None)
        registry.discovery.refresh()


class Faults:
    """Lets methods of operators raise until the test ends, or inside a ``with`` block."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __call__(self, operator: type[Any] | str, method: str, error: BaseException) -> AbstractContextManager[None]:
        """Let a method (infer, reference, ...) of an operator, by class or key, raise `error`."""
        inner = ExitStack()
        inner.enter_context(injected(operator, method, error))
        self._stack.callback(inner.close)

        @contextmanager
        def block() -> Iterator[None]:
            with inner:
                yield

        return block()

    def close(self) -> None:
        """Everything works again."""
        self._stack.close()
