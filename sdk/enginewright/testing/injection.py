"""Lets a method of an operator raise for a while, to see what comes of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from enginewright.errors import UsageError
from enginewright.registry.keys import Key
from enginewright.registry.registry import registry


@contextmanager
def injected(operator: type[Any] | str, method: str, error: BaseException) -> Iterator[None]:
    """Inside the block, ``infer`` or ``reference`` (or any method) of an operator, by class or key, raises `error`."""
    cls = operator if isinstance(operator, type) else operator_class(operator)
    if not callable(getattr(cls, method, None)):
        raise UsageError(f"{cls.__name__} has no method {method!r}", hint="Name infer, reference or another method.")

    def raises(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise error

    missing = object()
    kept = vars(cls).get(method, missing)
    original = getattr(cls, method)
    raises.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    setattr(cls, method, raises)
    try:
        yield
    finally:
        if kept is missing:
            delattr(cls, method)
        else:
            setattr(cls, method, kept)


def operator_class(key: str) -> type[Any]:
    """The class of a key; of the newest version unless the key names one."""
    parsed = Key.parse(key)
    found = None if "@" in key else registry.newest(parsed.namespace, parsed.name)
    return found or registry.operator(parsed)
