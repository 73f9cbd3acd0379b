"""Writes down the public interface as facts, by walking what is really there at run time."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from enginewright_release.c_interface import c_facts
from enginewright_release.tree import Facts

OWN = ("enginewright", "enginewright_compat")
EMPTY = inspect.Parameter.empty
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def take_snapshot(root: Path) -> Facts:
    """Return every fact of the public interface by its subject, sorted."""
    found: Facts = {}
    for part in (python_facts(), cli_facts(), operator_facts(), hook_facts(), file_facts(root), c_facts(root)):
        found.update(part)
    return dict(sorted(found.items()))


# ---- Python ---------------------------------------------------------------------------------------------------------


def python_facts() -> Iterator[tuple[str, Any]]:
    """Yield the facts of every public name."""
    package = importlib.import_module("enginewright")
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.ismodule(value):
            yield f"enginewright.{name}", "module"
            for inner in value.__all__:
                yield from name_facts(f"enginewright.{name}.{inner}", getattr(value, inner))
        else:
            yield from name_facts(f"enginewright.{name}", value)


def name_facts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the facts of one name."""
    if isinstance(value, type):
        yield from class_facts(path, value)
    elif callable(value):
        yield path, "function"
        yield from signature_facts(path, value)
    else:
        yield path, repr(value)


def class_facts(path: str, cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class is, its public bases, constructor and public members."""
    yield path, "enum" if issubclass(cls, enum.Enum) else "class"
    yield f"{path} bases", sorted(base.__qualname__ for base in cls.__mro__[1:-1] if not is_private_base(base))
    if issubclass(cls, enum.Enum):
        yield from ((f"{path}.{name}", repr(member.value)) for name, member in cls.__members__.items())
    elif not getattr(cls, "_is_protocol", False):
        yield from signature_facts(path, cls)
    for name in ("code", "exit_code") if issubclass(cls, Exception) else ():
        if hasattr(cls, name) and not isinstance(getattr(cls, name), property):
            yield f"{path}.{name}", getattr(cls, name)
    for name, value in members(cls):
        yield from member_facts(f"{path}.{name}", value)


def is_private_base(base: type) -> bool:
    """Whether a class of ours is only a part of how another one is written: its members are that one's."""
    return base.__module__.partition(".")[0] in OWN and base.__name__.startswith("_")


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of a class, those of our base classes included."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in OWN:
            for name, value in vars(base).items():
                is_member = isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)
                if is_member and not name.startswith("_") and name not in seen:
                    seen.add(name)
                    yield name, value


def member_facts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the facts of a method or property."""
    if isinstance(value, property):
        yield path, "property" if value.fset is None else "property with setter"
        yield f"{path}->", annotation(inspect.signature(value.fget).return_annotation) if value.fget else ""
        return
    kind = type(value).__name__ if isinstance(value, classmethod | staticmethod) else "method"
    yield path, kind
    yield from signature_facts(path, value.__func__ if kind != "method" else value, skip=kind != "staticmethod")


def signature_facts(path: str, function: Any, *, skip: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield one fact for each parameter, and one for what is returned; `skip` leaves `self` out."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return
    parameters = list(signature.parameters.values())[1 if skip else 0 :]
    for position, parameter in enumerate(parameters):
        fact: dict[str, Any] = {"kind": parameter.kind.name.lower(), "annotation": annotation(parameter.annotation)}
        if parameter.kind in POSITIONAL:
            fact["position"] = position
        if parameter.default is not EMPTY:
            fact["default"] = default(parameter.default)
        yield f"{path}#{parameter.name}", fact
    if not isinstance(function, type):
        yield f"{path}->", annotation(signature.return_annotation)


def annotation(value: Any) -> str:
    """Return an annotation as text, the same whether it is still text or evaluated already."""
    if value is EMPTY:
        return ""
    return value if isinstance(value, str) else inspect.formatannotation(value)


def default(value: Any) -> str:
    """Return a default as text without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


# ---- command line ---------------------------------------------------------------------------------------------------


def cli_facts() -> Iterator[tuple[str, Any]]:
    """Yield every command with its options and arguments."""
    from enginewright.cli._group import group
    from enginewright.cli._output import SCHEMA_VERSION

    yield "cli json schema_version", SCHEMA_VERSION
    yield from command_facts(group, click.Context(group, info_name="enginewright"), "cli")


def command_facts(command: click.Command, ctx: click.Context, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the facts of a command and of those in it."""
    yield path, "group" if isinstance(command, click.Group) else "command"
    for parameter in command.params:
        yield parameter_fact(parameter, path)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from command_facts(inner, click.Context(inner, info_name=name, parent=ctx), f"{path} {name}")


def parameter_fact(parameter: click.Parameter, path: str) -> tuple[str, Any]:
    """Return an option or argument: its names, type, default, and how often it may be given."""
    is_option = isinstance(parameter, click.Option)
    name = max(parameter.opts, key=len) if is_option else str(parameter.human_readable_name)
    fact = {
        "type": getattr(parameter.type, "name", "") if not isinstance(parameter.type, click.Choice) else
        "|".join(map(str, parameter.type.choices)),
        "required": parameter.required,
        "repeatable": parameter.multiple if isinstance(parameter, click.Option) else parameter.nargs == -1,
        "flag": isinstance(parameter, click.Option) and parameter.is_flag,
        "names": sorted(parameter.opts + parameter.secondary_opts) if is_option else [],
    }  # fmt: skip
    if isinstance(parameter.default, str | int | float | bool):
        fact["default"] = parameter.default
    return f"{path} {name}", fact


# ---- operators, hooks, files ----------------------------------------------------------------------------------------


def operator_facts() -> Iterator[tuple[str, Any]]:
    """Yield the fields of every operator of our own namespace."""
    import enginewright.ops
    from enginewright.registry.registry import registry

    enginewright.ops.load()
    for key, cls in registry.operators.items():
        if key.namespace == "ew" and not getattr(cls, "INTERNAL", False):
            yield f"operator {key}", "operator"
            for field in dataclasses.fields(cls):
                kind = field.type if isinstance(field.type, str) else annotation(field.type)
                fact = {"kind": "keyword_only", "annotation": kind}
                if field.default is not dataclasses.MISSING:
                    fact["default"] = default(field.default)
                yield f"operator {key}#{field.name}", fact


def hook_facts() -> Iterator[tuple[str, Any]]:
    """Yield every hook that a plugin may implement, with its arguments."""
    try:
        module = importlib.import_module("enginewright.registry.hooks")
    except ModuleNotFoundError:
        return
    values = [value for value in vars(module).values() if inspect.isclass(value)]
    for owner in [module, *(value for value in values if value.__module__ == module.__name__)]:
        yield from specification_facts(owner)


def specification_facts(owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield the hooks that a class or module specifies for pluggy."""
    for name, value in vars(owner).items():
        if hasattr(value, "enginewright_spec"):
            yield f"hook {name}", "hook"
            for argument in inspect.signature(value).parameters:
                if argument != "self":  # implementations take any subset, so one more breaks nothing
                    yield f"hook {name}#{argument}", {"kind": "hook argument", "annotation": "", "default": ""}


def file_facts(root: Path) -> Iterator[tuple[str, Any]]:
    """Yield environment variables, commands and entry-point groups."""
    for name in re.findall(r"^\| `(\w+)", (root / "docs/environment.md").read_text(encoding="utf-8"), re.MULTILINE):
        yield f"env {name}", "variable"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in project["scripts"]:
        yield f"script {name}", "script"
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "sdk/enginewright").rglob("*.py")))
    sources += (root / "compat/enginewright_compat/rules.py").read_text(encoding="utf-8")
    for name in sorted({*re.findall(r'"(enginewright\.(?:plugins|extensions))"', sources)}):
        yield f"entry-point group {name}", "group"
