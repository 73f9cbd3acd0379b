"""Writes the public interface as one type stub, from the sources: what griffe compares, and people can read."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from enginewright_release.snapshot import OWN, is_private_base

HEAD = "from dataclasses import dataclass, field\nfrom enum import Enum, IntEnum\n\n"
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def write_stub() -> str:
    """Return the text of the stub."""
    package = importlib.import_module("enginewright")
    done: dict[str, list[ast.stmt]] = {}
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.ismodule(value):
            continue
        _add(name, value, package._HOME[name], done)
    body = [statement for statements in done.values() for statement in statements]
    return HEAD + ast.unparse(ast.fix_missing_locations(ast.Module(body, []))) + "\n"


def _add(name: str, value: Any, module: str, done: dict[str, list[ast.stmt]]) -> None:
    """Add the definitions of a name, those of our own base classes first."""
    if name in done:
        return
    if isinstance(value, type):
        for base in value.__bases__:
            if base.__module__.partition(".")[0] in OWN and not is_private_base(base):
                _add(base.__name__, base, base.__module__, done)
        module = value.__module__
        if value.__name__ != name:  # another name for a class
            _add(value.__name__, value, module, done)
            done[name] = [ast.Assign([ast.Name(name, ast.Store())], ast.Name(value.__name__, ast.Load()))]
            return
    found = list(_definitions(module, name))
    if isinstance(value, type):
        _merge_private_bases(found, value)
    done[name] = found or [_variable(name, type(value).__name__)]


def _merge_private_bases(found: list[ast.stmt], cls: type) -> None:
    """Give a class what stands in its private bases, which readers of the stub need not know."""
    private = list(_private_bases(cls))
    for statement in found if private else ():
        assert isinstance(statement, ast.ClassDef)
        names = {base.__name__ for base in private}
        statement.bases = [base for base in statement.bases if ast.unparse(base) not in names]
        parts = [node for base in private for node in _definitions(base.__module__, base.__name__)]
        inherited = [inner for node in parts if isinstance(node, ast.ClassDef) for inner in node.body]
        statement.body = [inner for inner in [*statement.body, *inherited] if not isinstance(inner, ast.Expr)]


def _private_bases(cls: type) -> Iterator[type]:
    """Yield the private bases of a class, those of a public base left out: they are merged there."""
    public = [base for base in cls.__mro__[1:] if not is_private_base(base)]
    for base in cls.__mro__[1:]:
        if is_private_base(base) and not any(issubclass(other, base) for other in public):
            yield base


def _definitions(module: str, name: str) -> Iterator[ast.stmt]:
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, Definition) and node.name == name:
            yield bare(node)


def bare(node: ast.stmt) -> ast.stmt:
    """Return a definition without its docstrings, bodies and private members."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.body = [ast.Expr(ast.Constant(...))]
    elif isinstance(node, ast.ClassDef):
        node.body = [bare(inner) for inner in node.body if _is_public(inner)] or [ast.Expr(ast.Constant(...))]
    return node


def _is_public(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and not target.id.startswith("_") for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and not node.target.id.startswith("_")
    return isinstance(node, Definition) and (not node.name.startswith("_") or node.name == "__init__")


def _variable(name: str, kind: str) -> ast.stmt:
    return ast.AnnAssign(ast.Name(name, ast.Store()), ast.Name(kind, ast.Load()), None, 1)
