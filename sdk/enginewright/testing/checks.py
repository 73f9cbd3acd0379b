"""The list of checks in their order, and how one is run: it yields problems, raises `Skipped`, or says nothing."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enginewright.errors import EnginewrightError, UsageError
from enginewright.testing.report import Line

if TYPE_CHECKING:
    from enginewright.testing.subject import Subject

GROUPS = ("state", "shapes", "tactics", "memory", "behaviour", "life")
MAX_PROBLEMS = 20


class Skipped(Exception):
    """A check that has nothing to look at here; its text says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the kit."""

    name: str
    title: str
    hint: str
    run: Callable[[Subject], Iterator[str]]


_checks: dict[str, Check] = {}


def check(name: str, title: str, hint: str) -> Callable[[Callable[[Subject], Iterator[str]]], None]:
    """Declare a check: a generator of problems."""

    def decorate(function: Callable[[Subject], Iterator[str]]) -> None:
        _checks[name] = Check(name, title, hint, function)

    return decorate


def line_names() -> tuple[str, ...]:
    """The names of all checks, in order: what `only=` takes, and good ids for parametrized tests."""
    for group in GROUPS:
        importlib.import_module(f"enginewright.testing.{group}")
    return tuple(sorted(_checks, key=lambda name: GROUPS.index(name.partition("/")[0])))


def chosen(only: Collection[str]) -> list[Check]:
    """The checks that `only` names, by group or name; all of them if it is empty."""
    names = line_names()
    for name in only:
        if name not in names and name not in GROUPS:
            raise UsageError(f"there is no check {name!r}", hint=f"Use {', '.join(GROUPS)} or {', '.join(names)}.")
    return [_checks[n] for n in names if not only or n in only or n.partition("/")[0] in only]


def run_check(one: Check, subject: Subject) -> Line:
    """Run one check; whatever the plugin raises is a problem, Ctrl-C passes."""
    problems: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, about data that the kit made up
            for problem in one.run(subject):
                problems.append(problem)
                if len(problems) >= MAX_PROBLEMS:
                    break
    except Skipped as reason:
        if not problems:
            return Line(one.name, one.title, "skipped", (str(reason),))
    except KeyboardInterrupt:
        raise
    except EnginewrightError as error:
        problems.append(f"[{error.code}] {error.message}")
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, and the next check goes on
        problems.append(f"{type(error).__name__}: {error}")
    outcome = "failed" if problems else "passed"
    return Line(one.name, one.title, outcome, tuple(dict.fromkeys(problems)), one.hint)
