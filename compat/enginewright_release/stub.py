"""Writes the public interface as one type stub, from the sources: what griffe compares, and people can read."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
            if base.__module__.partition(".")[0] in ("enginewright", "enginewright_compat"):
                _add(base.__name__, base, base.__module__, done)
        module = value.__module__
        if value.__name__ != name:  # another name for a class
            _add(value.__name__, value, module, done)
            done[name] = [ast.Assign([ast.Name(name, ast.Store())], ast.Name(value.__name__, ast.Load()))]
            return
    found = list(_definitions(module, name))
    done[name] = found or [_variable(name, type(value).__name__)]


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
