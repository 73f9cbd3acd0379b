"""Gate 9: what has changed since the last release is what the version allows, or has an entry in the registry."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import click
import pluggy
import pytest

from enginewright_release.c_interface import abi_version, interface
from enginewright_release.changes import (
    Step,
    c_problems,
    change_problems,
    differences,
    removal_problems,
)
from enginewright_release.snapshot import command_facts, name_facts, specification_facts
from tests.repo.gates.registry import TREE, example, facts, step, this_step
from tests.repo.sources import text

HEADER = text("native/include/enginewright.h")


def test_what_is_walked_is_there() -> None:
    kinds = {subject.partition(" ")[0] for subject in facts()}
    assert {"cli", "operator", "hook", "env", "script", "entry-point", "c"} <= kinds
    assert len(facts()) > 3000


def test_this_tree() -> None:
    last = TREE.last_release()
    if last is not None:
        taken, changes = this_step(last), differences(TREE.facts(last), facts())
        old, new = TREE.facts(last)["c abi"], facts()["c abi"]
        assert change_problems(changes, taken) + c_problems(changes, old, new, taken.bump) == []


# ---- what breaks it -------------------------------------------------------------------------------------------------


def function(text: str) -> dict[str, Any]:
    """Return the facts of a function given as its signature."""
    names: dict[str, Any] = {}
    exec(f"def f{text}: ...", names)
    return dict(name_facts("enginewright.f", names["f"]))


def enumeration(value: int) -> dict[str, Any]:
    return dict(name_facts("enginewright.E", enum.Enum("E", {"A": 1, "B": value})))


def exception(code_: str, exit_: int) -> dict[str, Any]:
    class Failure(Exception):
        code: ClassVar[str] = code_
        exit_code: ClassVar[int] = exit_

    return dict(name_facts("enginewright.Failure", Failure))


def command(*options: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the facts of a command with options."""
    made: Any = lambda **_: None  # noqa: E731
    for option in options:
        made = option(made)
    built = click.command("build")(made)
    return dict(command_facts(built, click.Context(built), "cli build"))


def hook(*arguments: str) -> dict[str, Any]:
    names: dict[str, Any] = {"spec": pluggy.HookspecMarker("enginewright")}
    exec(f"class Specs:\n    @spec\n    def started(self, {', '.join(arguments)}): ...", names)
    return dict(specification_facts(names["Specs"]))


F = function("(a: int, b: int = 2) -> int")
LEVEL = click.option("--level", type=int, default=3)

BREAKS = {
    "parameter name": (F, function("(a: int, c: int = 2) -> int"), "enginewright.f#b is gone"),
    "default": (F, function("(a: int, b: int = 3) -> int"), "default was 2, now 3"),
    "default that is gone": (F, function("(a: int, b: int) -> int"), "default was 2, now None"),
    "annotation": (F, function("(a: str, b: int = 2) -> int"), "annotation was int, now str"),
    "narrower annotation": (function("(a: int | None)"), function("(a: int)"), "annotation was int | None"),
    "return annotation": (F, function("(a: int, b: int = 2) -> float"), "returned int, now float"),
    "order": (F, function("(b: int = 2, a: int = 1) -> int"), "position was"),
    "required parameter": (F, function("(a: int, b: int = 2, *, c: int) -> int"), "must give"),
    "keyword only": (F, function("(a: int, *, b: int = 2) -> int"), "kind was"),
    "enum value": (enumeration(2), enumeration(3), "enginewright.E.B was 2, now 3"),
    "exception code": (exception("EW-P001", 6), exception("EW-P002", 6), "code was EW-P001, now EW-P002"),
    "exit code": (exception("EW-P001", 6), exception("EW-P001", 4), "exit_code was 6, now 4"),
    "option that is gone": (command(LEVEL), command(), "cli build --level is gone"),
    "option default": (command(LEVEL), command(click.option("--level", type=int, default=2)), "default was 3, now 2"),
    "option type": (command(LEVEL), command(click.option("--level", type=str, default=3)), "type was integer"),
    "required option": (command(), command(click.option("--new", required=True)), "must give"),
    "hook": (hook("name"), {}, "hook started is gone"),
    "hook argument": (hook("name", "speed"), hook("name"), "hook started#speed is gone"),
    "function": (F, {}, "enginewright.f is gone"),
    "base class": (
        dict(name_facts("enginewright.C", KeyError)), dict(name_facts("enginewright.C", RuntimeError)), "lost"
    ),
    "json schema": ({"cli json schema_version": 1}, {"cli json schema_version": 2}, "was 1, now 2"),
    "variable": ({"env NEW": "variable"}, {}, "env NEW is gone"),
}  # fmt: skip


def found(old: dict[str, Any], new: dict[str, Any], taken: Step) -> str:
    """Return the problems of both gates that look at changes."""
    changes = differences(old, new)
    return "\n".join(removal_problems(changes, taken) + change_problems(changes, taken))


@pytest.mark.parametrize("version", ["1.9.1", "1.10.0", "2.0.0"])
@pytest.mark.parametrize("name", BREAKS)
def test_a_break_without_an_entry(name: str, version: str) -> None:
    old, new, problem = BREAKS[name]
    assert found(old, old, step(version)) == ""
    assert problem in found(old, new, step(version))


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("parameter name", "parameter", "param:enginewright.f#b"),
        ("default", "default", "param:enginewright.f#b"),
        ("hook argument", "hookarg", "hookarg:started#speed"),
    ],
)
def test_a_break_that_still_works_and_has_an_entry(name: str, kind: str, target: str) -> None:
    old, new, _ = BREAKS[name]
    entry = example(target=target, kind=kind)
    assert found(old, new, step("1.10.0", entry)) == ""
    assert found(old, new, step("1.9.1", entry)) != ""


@pytest.mark.parametrize("name", ["annotation", "enum value", "exception code", "option default"])
def test_an_entry_allows_no_other_break_before_its_day(name: str) -> None:
    old, new, _ = BREAKS[name]
    subject = {"annotation": "enginewright.f", "enum value": "enum:enginewright.E.B"}.get(name)
    target = subject or ("enginewright.Failure" if name == "exception code" else "cli:build --level")
    assert found(old, new, step("1.10.0", example(target=target))) != "" or name == "annotation"
    assert found(old, new, step("2.0.0", example(target=target, stage="removed"))) == ""


ADDITIONS = {
    "function": ({}, F),
    "parameter": (F, function("(a: int, b: int = 2, *, c: int = 3) -> int")),
    "wider annotation": (F, function("(a: int | str, b: int = 2) -> int")),
    "narrower result": (function("() -> int | None"), function("() -> int")),
    "default": (function("(a)"), function("(a=1)")),
    "option": (command(), command(LEVEL)),
    "command with what it needs": ({"cli": {}}, {"cli": {}, **command(click.option("--new", required=True))}),
    "hook argument": (hook(), hook("name")),
    "base class": (
        dict(name_facts("enginewright.C", LookupError)), dict(name_facts("enginewright.C", KeyError))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ADDITIONS)
def test_additions_are_for_minors(name: str) -> None:
    old, new = ADDITIONS[name]
    assert found(old, new, step("1.10.0")) == ""
    assert "not in a patch" in found(old, new, step("1.9.1"))


# ---- C --------------------------------------------------------------------------------------------------------------

STRUCT = "    int32_t format;\n    int32_t device;\n} ew_tensor;"
HOST = "    int32_t (*resize)(const ew_call *call, int32_t index, const int64_t *shape);\n};"
C_BREAKS = {
    "field order": (STRUCT, STRUCT.replace("format", "x").replace("device", "format").replace("x;", "device;", 1)),
    "field type": (STRUCT, STRUCT.replace("int32_t device", "int64_t device")),
    "field gone": (STRUCT, STRUCT.replace("    int32_t device;\n", "")),
    "enumerator": ("EW_USAGE = 9", "EW_USAGE = 10"),
    "appended": (HOST, HOST.replace("\n};", "\n    int32_t (*more)(void);\n};")),
}


def c_facts(header: str) -> dict[str, Any]:
    return {"c abi": abi_version(header), **dict(interface(header))}


def c_found(old: str, new: str, bump: str = "minor") -> Iterable[str]:
    before, after = c_facts(old), c_facts(new)
    return c_problems(differences(before, after), before["c abi"], after["c abi"], bump)


@pytest.mark.parametrize("name", C_BREAKS)
def test_c_interface(name: str) -> None:
    old, new = C_BREAKS[name]
    assert HEADER.count(old) == 1
    changed = HEADER.replace(old, new)
    assert c_found(HEADER, HEADER) == []
    assert "EW_ABI_MAJOR" in " ".join(c_found(HEADER, changed))
    major = int(abi_version(HEADER).partition(".")[0])
    raised = changed.replace(f"EW_ABI_MAJOR {major}", f"EW_ABI_MAJOR {major + 1}")
    assert c_found(HEADER, raised) == []
    assert "patch release" in " ".join(c_found(HEADER, raised, "patch"))


def test_c_addition() -> None:
    added = HEADER.replace("EW_USAGE = 9", "EW_MORE = 11, EW_USAGE = 9")
    assert "EW_ABI_MINOR" in " ".join(c_found(HEADER, added))
    minor = int(abi_version(HEADER).partition(".")[2])
    assert c_found(HEADER, added.replace(f"EW_ABI_MINOR {minor}", f"EW_ABI_MINOR {minor + 1}")) == []
