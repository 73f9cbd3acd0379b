"""`check_plugin`: every check of the kit for one operator, in this process or in one that may crash."""

from __future__ import annotations

import faulthandler
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from enginewright.testing.checks import chosen, run_check
from enginewright.testing.finding import place_of, tested_class
from enginewright.testing.lock import NAME
from enginewright.testing.report import Report
from enginewright.testing.subject import Subject
from enginewright.testing.supervisor import Task, supervised

SECONDS = 120.0


def check_plugin(
    key: str | type[Any],
    cases: Sequence[Any] | None = None,
    subprocess: bool = False,
    *,
    only: Collection[str] = (),
    lock: str | Path = NAME,
    seconds: float = SECONDS,
) -> Report:
    """Examine an operator with all its tactics: state, shapes, tactics, memory, behaviour, life.

    `key`: ``acme::Swish`` (the newest version), ``acme::Swish@2``, or the class. `cases`: pairs of an operator and its
    inputs, each a `TensorSpec` for data that is made here, an array for a constant, or None; default: the operator's
    `examples()`, else a few shapes of float32. `subprocess`: check in a process of its own, which may crash, end or
    hang (for more than `seconds` in one check): that is a finding, and the next check goes on in a new process.
    `only`: groups or names of checks. `lock`: the file with the fields of each version.
    """
    path = Path(lock)
    if subprocess:
        name, modules = place_of(key)
        task = Task(name, modules, cases, path.absolute(), tuple(only), seconds)
        return Report(name, tuple(supervised(task)))
    if not faulthandler.is_enabled():
        with suppress(OSError, ValueError, AttributeError):  # stderr may be no file
            faulthandler.enable()
    subject = Subject(tested_class(key), cases, path)
    return Report(str(subject.key), tuple(run_check(one, subject) for one in chosen(only)))
