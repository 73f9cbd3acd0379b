"""The other end of `processes`: does one job in a process of its own, named on the command line."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from enginewright.errors import EnginewrightError, PluginNotFound
from enginewright.testing.checks import chosen, run_check
from enginewright.testing.finding import tested_class
from enginewright.testing.life import load_and_run
from enginewright.testing.subject import Subject


def load(modules: Sequence[str], plan: str, folder: str) -> None:
    """Import the plugin if no entry point leads to it, load a plan and run it."""
    _import(modules)
    load_and_run(Path(folder), plan)


def missing(modules: Sequence[str], plan: str, folder: str) -> None:
    """Load a plan whose plugin is not there, and say what comes of it."""
    _import(modules)
    try:
        load_and_run(Path(folder), plan)
    except PluginNotFound as error:
        print(error.code)  # noqa: T201 - it is what the other process reads


def check(modules: Sequence[str], key: str, settings: dict[str, Any], pipe: int) -> None:
    """Run checks; before and after each one a line of JSON goes to the other process."""
    try:
        _import(modules)
        cls = tested_class(key)
    except EnginewrightError as error:
        _tell(pipe, {"refused": error.message, "hint": error.hint})
        return
    # A file that the other process wrote a moment ago, into a folder of its own.
    cases = pickle.loads(Path(settings["cases"]).read_bytes()) if settings["cases"] else None  # noqa: S301
    lock = Path(settings["lock"]) if settings["lock"] else None
    subject = Subject(cls, cases, lock)
    for one in chosen(settings["only"]):
        _tell(pipe, {"begins": one.name})
        line = run_check(one, subject)
        _tell(pipe, {"ends": one.name, "outcome": line.outcome, "problems": line.problems})


def _tell(pipe: int, message: object) -> None:
    os.write(pipe, json.dumps(message).encode() + b"\n")


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


JOBS: dict[str, Callable[..., None]] = {"load": load, "missing": missing, "check": check}


def main() -> None:
    """Read the job from the command line and do it."""
    name, arguments = sys.argv[1:]
    JOBS[name](**json.loads(arguments))
