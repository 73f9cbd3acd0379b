"""Runs checks in another process, and goes on in a new one behind a check in which it crashed, hung or ended."""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enginewright.errors import PluginError, UsageError
from enginewright.testing.checks import Check, chosen
from enginewright.testing.processes import Job, ending, environment_of, last_words
from enginewright.testing.report import Line

HINT = "Run this line alone under a debugger: enginewright plugin check KEY --only NAME."


@dataclass(frozen=True, slots=True)
class Task:
    """What shall be checked: key and modules of the operator, its cases, the lock file, checks, seconds for each."""

    key: str
    modules: Sequence[str]
    cases: Sequence[Any] | None
    lock: Path | None
    only: Sequence[str]
    seconds: float


def supervised(task: Task) -> list[Line]:
    """One line for each check, whatever the plugin does to the process that it runs in."""
    left = chosen(task.only)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        cases = _write_cases(task, Path(folder))
        while left:
            child = _Child(task, [one.name for one in left], cases, Path(folder))
            found = list(child.lines(left))
            lines += found
            left = left[len(found) :]
            if not child.began:
                reason = ("the process ended before the first check",)
                return [*lines, *(Line(one.name, one.title, "skipped", reason) for one in left)]
    return lines


def _write_cases(task: Task, folder: Path) -> str:
    if task.cases is None:
        return ""
    path = folder / "cases"
    try:
        path.write_bytes(pickle.dumps([(op, list(inputs)) for op, inputs in task.cases]))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(f"the cases can't be sent to another process: {error}", hint="Use examples().") from None
    return str(path)


class _Child:
    """One process that runs checks until it is done, or until one of them ends it."""

    def __init__(self, task: Task, names: list[str], cases: str, folder: Path) -> None:
        self._seconds = task.seconds
        self._errors = folder / "errors"
        read, write = os.pipe()
        settings = {"cases": cases, "lock": str(task.lock or ""), "only": names}
        job = Job("check", {"modules": task.modules, "key": task.key, "settings": settings, "pipe": write})
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                job.command(), env=environment_of({}), pass_fds=(write,), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
            )  # fmt: skip
        os.close(write)
        self._pipe, self._rest, self._timed_out, self.began = read, b"", False, False

    def lines(self, checks: list[Check]) -> Iterator[Line]:
        """Yield the line of each check up to the one that ended the process; always at least one."""
        count = 0
        try:
            for message in self._messages():
                self.began = True
                if "refused" in message:
                    raise PluginError(message["refused"], hint=message["hint"])
                if "ends" in message:
                    one = checks[count]
                    count += 1
                    problems = tuple(message["problems"])
                    yield Line(one.name, one.title, message["outcome"], problems, one.hint)
            self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            self._timed_out = True
        finally:
            self._end()
        if count < len(checks):
            one = checks[count]
            where = "" if self.began else "while the plugin is imported, "
            yield Line(one.name, one.title, "failed", (where + self._what_happened(),), HINT)

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            ready, _, _ = select.select([self._pipe], [], [], self._seconds)
            if not ready:
                self._timed_out = True
                return
            data = os.read(self._pipe, 65536)
            if not data:
                return
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                yield json.loads(line)

    def _what_happened(self) -> str:
        if self._timed_out:
            return f"it ran for more than {self._seconds:g} s and was stopped"
        return ending(self._process.returncode) + last_words(self._errors.read_text(errors="replace"))

    def _end(self) -> None:
        os.close(self._pipe)
        if self._process.poll() is None and not self._timed_out:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
